//! What a client may hear. Written by the services, read by clients: unknown fields are ignored.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error_code::{ErrorCode, Limit, Stored};
use crate::frame::client::SignalKind;
use crate::id::{CallId, ClientId, ConversationId, EntryId, UserName};

/// One server frame. Encode it with [`ServerFrame::to_json`].
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is documented on its struct")]
pub enum ServerFrame {
    Welcome(Welcome),
    Pong(Pong),
    Sent(Sent),
    Receipt(Receipt),
    Typing(Typing),
    Presence(Presence),
    Synced(Synced),
    Redirect(Redirect),
    NetworkOptimization(NetworkOptimization),
    Error(ErrorFrame),
}

impl ServerFrame {
    /// The frame as JSON text.
    pub fn to_json(&self) -> bytes::Bytes {
        to_json(self)
    }
}

/// `entry`: one entry of a conversation's log. The same shape live, in sync pages and over REST.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// The conversation whose log this is.
    pub conversation_id: ConversationId,
    /// Place in the log, from 1 without gaps.
    pub seq: u64,
    /// The entry's own id.
    pub id: EntryId,
    /// `text`, `system`.
    pub kind: String,
    /// Who wrote it.
    pub sender: Sender,
    /// A JSON object whose shape depends on `kind`.
    pub content: Box<RawValue>,
    /// Sequence of the entry this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<u64>,
    /// Users named in the content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserName>,
    /// The sender asked for attention.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_important: bool,
    /// A JSON object that the server does not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Box<RawValue>>,
    /// The sender's id of the operation: its other devices match it with their outbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// When it was stored, in Unix milliseconds.
    pub timestamp: u64,
}

impl Entry {
    /// The entry as a complete `entry` frame.
    pub fn to_frame_json(&self) -> bytes::Bytes {
        tagged("entry", self)
    }
}

/// The tag goes in front of the text of the rest: `RawValue` does not survive serde's tagging.
fn tagged<T: Serialize>(tag: &str, frame: &T) -> bytes::Bytes {
    let body = to_json(frame);
    let mut json = Vec::with_capacity(body.len() + tag.len() + 11);
    json.extend_from_slice(br#"{"type":""#);
    json.extend_from_slice(tag.as_bytes());
    json.extend_from_slice(br#"","#);
    json.extend_from_slice(&body[1..]);
    json.into()
}

/// The author of an entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sender {
    /// The user.
    pub id: UserName,
    /// `user` or `bot`; of the kind `system`, `operator` for what an operator said and `system` for what the
    /// server writes about a conversation.
    pub r#type: String,
    /// Display name; empty when the token named none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Address of a picture; empty when the token named none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub avatar: String,
}

/// `welcome`: the connection is registered; what is committed from now on reaches it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Welcome {
    /// Names this connection in logs and to other devices.
    pub connection_id: String,
    /// The user of the token.
    pub user_id: UserName,
    /// What the user chose to be shown as: `online`, `away`, `busy` or `invisible`; absent when it is not
    /// known at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// How often the server pings, in milliseconds.
    pub heartbeat_ms: u64,
    /// The store that cursors belong to: cursors of another epoch mean nothing here. Absent when this
    /// server does not know it at the moment; `synced` says it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// What the server accepts.
    pub limits: Limits,
}

/// Limits told in `welcome`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Limits {
    /// Largest frame in bytes.
    pub frame_bytes: u64,
    /// Requests that may await their answer at once.
    pub in_flight: u32,
    /// Longest content of a message in bytes, without spaces and escapes.
    #[serde(default)]
    pub content_bytes: u64,
    /// Longest text in characters.
    #[serde(default)]
    pub text_chars: u32,
}

/// `pong`: the answer to `ping`, and told unasked when pushes may have been lost.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Pong {
    /// [`crate::heads::HeadsDigest`] of the user's conversations; absent when it cannot be told now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<u32>,
}

/// `sent`: stored, exactly once, at this place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sent {
    /// Repeats the request's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Repeats the request's.
    pub client_id: ClientId,
    /// Where it was stored.
    pub conversation_id: ConversationId,
    /// The entry's id; absent when nothing was to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<EntryId>,
    /// The entry's place; the head of the log when nothing was to be changed.
    pub seq: u64,
    /// When it was stored, in Unix milliseconds.
    pub timestamp: u64,
    /// Everything was as the operation wants it: nothing was stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
}

/// `receipt`: how far a member has come. Never goes back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The member.
    pub user_id: UserName,
    /// All up to here reached a device of the member.
    pub delivered_seq: u64,
    /// All up to here was read by the member.
    pub read_seq: u64,
}

/// `typing`: a member started or stopped to write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Typing {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The member.
    pub user_id: UserName,
    /// True while writing.
    pub on: bool,
    /// A client ends it by itself so many milliseconds later, unless it is said again; absent when `on` is
    /// false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
}

/// How long a `typing` holds without another, in milliseconds: those who write say it again before.
pub const TYPING_MS: u64 = 6_000;

impl Typing {
    /// A member has started or stopped to write.
    pub fn new(conversation_id: ConversationId, user_id: UserName, on: bool) -> Self {
        Self { conversation_id, user_id, on, expires_ms: on.then_some(TYPING_MS) }
    }
}

/// `signal`: a step of a call with another user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Signal {
    /// Whose step it is.
    pub from: UserName,
    /// Which call.
    pub call_id: CallId,
    /// Which step.
    pub kind: SignalKind,
    /// As the other client wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

impl Signal {
    /// The signal as a complete `signal` frame.
    pub fn to_frame_json(&self) -> bytes::Bytes {
        tagged("signal", self)
    }
}

/// `notice`: said by an operator to everybody who is connected.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Notice {
    /// Its own; the same one is told once.
    pub id: uuid::Uuid,
    /// A JSON object that the server does not read.
    pub content: Box<RawValue>,
    /// When it was said, in Unix milliseconds.
    pub timestamp: u64,
}

impl Notice {
    /// The notice as a complete `notice` frame.
    pub fn to_frame_json(&self) -> bytes::Bytes {
        tagged("notice", self)
    }
}

/// `presence`: a user's merged state changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Presence {
    /// The user.
    pub user_id: UserName,
    /// `online`, `away`, `busy` or `offline`.
    pub status: String,
    /// Unix milliseconds; absent while online or when never seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<u64>,
    /// How many devices are connected.
    pub devices: u32,
    /// What happened: `user_online`, `user_offline`, `device_connected`, `device_disconnected`,
    /// `status_changed`.
    pub event: String,
}

/// `sync_page`: a part of what a device lacks of one conversation.
#[derive(Debug, Serialize, Deserialize)]
pub struct SyncPage {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// By ascending seq.
    pub entries: Vec<Entry>,
    /// Highest sequence in the log.
    pub head: u64,
    /// Further pages of this conversation follow.
    pub more: bool,
    /// The cursor meant nothing here: forget what you hold and take this as the tail.
    #[serde(default)]
    pub reset: bool,
    /// On the first page of a tail: entries before this one may be read over REST, and are not in this sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped_before: Option<u64>,
    /// The user is not a member any more: forget the conversation.
    #[serde(default, skip_serializing_if = "is_false")]
    pub gone: bool,
}

/// `synced`: all pages are out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Synced {
    /// Belongs to the cursors from now on.
    pub epoch: String,
    /// How many conversations the user is a member of.
    pub conversations: u32,
}

/// `redirect`: this server is leaving, or others have more room. Take the answers that are under way, then connect again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Redirect {
    /// How long to stay away before that, in milliseconds.
    pub after_ms: u64,
    /// The server to connect to once, `wss://host/ws`; then, or when it does not welcome, the usual address is right again.
    /// Named where the operator has configured servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// `network_optimization`: what fits the network that this connection was measured to have. Told to
/// clients that asked for it, first after `welcome` and again at every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkOptimization {
    /// What the network is like.
    pub quality: Quality,
    /// How often the server pings from now on, in milliseconds; the client's own pings go as often.
    pub heartbeat_ms: u64,
    /// The most frames in one `batch`; 1: none is made.
    pub batch: u32,
    /// Whether frames are compressed, where the upgrade has agreed on it.
    pub compression: bool,
    /// How often a client sends again, unanswered, before it tells its user.
    pub retries: u32,
}

/// How good a network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// Answers come at once.
    Good,
    /// Answers take long, or some are lost.
    Fair,
    /// Answers take very long, or many are lost.
    Poor,
}

/// `error`: the answer to what could not be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorFrame {
    /// Repeats the request's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Repeats the request's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// From the closed list.
    pub code: ErrorCode,
    /// For people: says what to do.
    pub message: String,
    /// Whether the request was stored.
    pub stored: Stored,
    /// Wait so long before sending again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Which limit was met; only with the code `rate_limited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

/// Writes a frame type as JSON text.
pub fn to_json<T: Serialize>(frame: &T) -> bytes::Bytes {
    // Cannot fail: the frame types have string keys only and no fallible `Serialize`.
    serde_json::to_vec(frame).unwrap_or_default().into()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
