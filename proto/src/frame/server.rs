//! The frames that a server sends. Clients ignore fields and frame types that they do not know.
//!
//! The comments of frames and fields are the descriptions in `docs/asyncapi.yaml`.

mod state;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error_code::{ErrorCode, Limit, Stored};
use crate::frame::client::SignalKind;
pub use state::{
    DeletedState, EditedState, MessageState, PinnedState, ReactionState, Skipped, ThreadState,
};

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
    ThreadRead(ThreadRead),
    Typing(Typing),
    Presence(Presence),
    Synced(Synced),
    Redirect(Redirect),
    Shown(Shown),
    NoticeMark(NoticeMark),
    NetworkOptimization(NetworkOptimization),
    Error(ErrorFrame),
}

impl ServerFrame {
    /// The frame as JSON text.
    pub fn to_json(&self) -> bytes::Bytes {
        to_json(self)
    }
}

/// One entry of the log of a conversation. It has the same form live, in sync pages and over REST.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Entry {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The place in the log, counted from 1 without gaps.
    pub seq: u64,
    /// The id of the entry.
    pub id: EntryId,
    /// `text`, `notice`, `pin`, `edit`, `delete`, `reaction`, `tally`, `system`, `set`, `draft` and `act` in self logs, or a kind of a
    /// `text`, `card`, `encrypted`, `notice`, `call`, `pin`, `edit`, `delete`, `reaction`, `tally`, `system`, or a kind of a
    /// later version.
    pub kind: String,
    /// The author.
    pub sender: Sender,
    /// Depends on `kind`; `{}` where the reader may not see the content.
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    pub content: Box<RawValue>,
    /// The seq of the entry that this message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<u64>,
    /// The seq of the entry that this one changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<u64>,
    /// The seq of the first message of the thread that this entry belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
    /// An entry of a thread that is shown in the conversation as well.
    #[serde(default, skip_serializing_if = "is_false")]
    pub also_in_main: bool,
    /// Users named in the content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserName>,
    /// All members are mentioned.
    #[serde(default, skip_serializing_if = "is_false")]
    pub mention_all: bool,
    /// It is a copy of another message, of which this is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<Forwarded>,
    /// The author asked for the attention of the members.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_important: bool,
    /// A JSON object of the application; the server does not interpret it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub extra: Option<Box<RawValue>>,
    /// When its content is removed for everybody, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// The `client_id` of the operation, by which the devices of the author find it in their outbox.
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

/// The message that was copied first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Forwarded {
    /// Who wrote it.
    pub user: UserName,
    /// When it was stored, in Unix milliseconds.
    pub at: u64,
}

/// The author of an entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sender {
    /// The user id.
    pub id: UserName,
    /// `user`; `bot` for tokens with the role `bot`; `operator` for notices of tokens with the role `admin`; `system` for
    /// events that the server writes.
    #[cfg_attr(test, schemars(extend("enum" = ["user", "bot", "operator", "system"])))]
    pub r#type: String,
    /// The display name; absent when the token has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The address of a picture; absent when the token has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub avatar: String,
}

/// The connection is registered: entries that are committed from now on are pushed to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Welcome {
    /// Names this connection in logs; the path of an event stream's posts.
    pub connection_id: String,
    /// The user of the token.
    pub user_id: UserName,
    /// The status that the user has chosen; absent when the server does not know it at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("enum" = ["online", "away", "busy", "invisible"])))]
    pub status: Option<String>,
    /// How often the server pings, in milliseconds.
    pub heartbeat_ms: u64,
    /// The epoch of the store: cursors of another epoch are not valid. Absent when the server does not know it at the
    /// moment; `synced` has it as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The highest seq of the log of notices, as in `pong`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notices: Option<u64>,
    /// The log of notices: a conversation that everybody reads and nobody is a member of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notices_id: Option<ConversationId>,
    /// What the server accepts.
    pub limits: Limits,
    /// The user's self log, also where there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_log: Option<ConversationId>,
}

/// Limits told in `welcome`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Limits {
    /// The largest frame, in bytes.
    pub frame_bytes: u64,
    /// How many requests may await their answer at once.
    pub in_flight: u32,
    /// The largest content of a message, in bytes without insignificant spaces and escapes.
    #[serde(default)]
    pub content_bytes: u64,
    /// The longest text, in characters.
    #[serde(default)]
    pub text_chars: u32,
}

/// The answer to `ping`. Also sent unasked when pushes may have been lost.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pong {
    /// The digest of the heads of the user's conversations; absent when the server cannot compute it at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<u32>,
    /// The same including the ids of the entries at the heads, for connections with `heads=2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads2: Option<u32>,
    /// The highest seq of the log of notices; a device that is behind asks for it with `sync` and `only`. Absent when the
    /// server does not know it at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notices: Option<u64>,
}

/// The operation is stored, exactly once, at this place.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sent {
    /// As in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// As in the request.
    pub client_id: ClientId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The id of the entry; absent with `unchanged` and with `tallied`, and of an `act`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<EntryId>,
    /// The seq of the entry; with `unchanged`, the head of the log or, of a message, the last entry that changed it, which it
    /// is with `tallied`, too; of an `act`, that of the card.
    pub seq: u64,
    /// When it was stored, in Unix milliseconds.
    pub timestamp: u64,
    /// Everything already was as the operation wants it, and nothing was stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
    /// The reaction is stored, and no entry of its own tells of it: a `tally` does, together with others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tallied: bool,
}

/// How far a member has received and read a conversation. Never goes back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Receipt {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The member.
    pub user_id: UserName,
    /// All entries up to here were delivered to a device of the member.
    pub delivered_seq: u64,
    /// All entries up to here were read by the member.
    pub read_seq: u64,
}

/// How far this user has read a thread, told to all of the user's devices. Never goes back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ThreadRead {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The seq of the first message of the thread.
    pub thread: u64,
    /// All replies up to here were read.
    pub read_seq: u64,
}

/// A member has started or stopped typing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Typing {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The member.
    pub user_id: UserName,
    /// True while the member is typing.
    pub on: bool,
    /// The client ends it after this time without another `typing`, in milliseconds; absent when `on` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
}

/// How long a `typing` is valid without another, in milliseconds.
pub const TYPING_MS: u64 = 6_000;

impl Typing {
    /// A member has started or stopped to write.
    pub fn new(conversation_id: ConversationId, user_id: UserName, on: bool) -> Self {
        Self { conversation_id, user_id, on, expires_ms: on.then_some(TYPING_MS) }
    }
}

/// A step of a call with another user.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Signal {
    /// The other user.
    pub from: UserName,
    /// The call.
    pub call_id: CallId,
    /// The step of the call.
    pub kind: SignalKind,
    /// As the other client sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub data: Option<Box<RawValue>>,
}

impl Signal {
    /// The signal as a complete `signal` frame.
    pub fn to_frame_json(&self) -> bytes::Bytes {
        tagged("signal", self)
    }
}

/// A broadcast of an operator to every connected user, which is not stored; or a notice, for a connection without
/// `notices=1`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Notice {
    /// The id of the broadcast. A connection gets each one at most once.
    pub id: uuid::Uuid,
    /// A JSON object of the operator; the server does not interpret it.
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    pub content: Box<RawValue>,
    /// Who sent it; absent in notices that are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<UserName>,
    /// When it was sent, in Unix milliseconds.
    pub timestamp: u64,
}

impl Notice {
    /// The notice as a complete `notice` frame.
    pub fn to_frame_json(&self) -> bytes::Bytes {
        tagged("notice", self)
    }
}

/// The answer to `show`: whether this device shows the notice.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shown {
    /// As in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// As in the request.
    pub client_id: ClientId,
    /// The notice.
    pub notice_id: uuid::Uuid,
    /// True for the one device that shows it; repeated for the same `client_id`.
    pub first: bool,
    /// When the notice was shown first, in Unix milliseconds.
    pub timestamp: u64,
}

/// The user did something with a notice, on this device or another one. May be lost; `GET /api/v1/notices` says it as well.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NoticeMark {
    /// The notice.
    pub notice_id: uuid::Uuid,
    /// What the user did.
    #[cfg_attr(test, schemars(extend("enum" = ["shown", "read", "clicked", "dismissed"])))]
    pub state: String,
    /// When it was done first, in Unix milliseconds.
    pub timestamp: u64,
}

/// The status of a user, over all of the user's devices, has changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Presence {
    /// The user.
    pub user_id: UserName,
    /// The status as others see it.
    #[cfg_attr(test, schemars(extend("enum" = ["online", "away", "busy", "offline"])))]
    pub status: String,
    /// When the user was last connected, in Unix milliseconds; absent while connected and for users never seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<u64>,
    /// How many devices are connected.
    pub devices: u32,
    /// What happened: `user_online`, `user_offline`, `device_connected`, `device_disconnected` or `status_changed`.
    pub event: String,
}

/// Entries of one conversation that the device does not have yet.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SyncPage {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The entries, by ascending seq.
    pub entries: Vec<Entry>,
    /// The highest seq of the log.
    pub head: u64,
    /// More pages of this conversation follow.
    pub more: bool,
    /// The cursor is not valid: discard the entries of this conversation and continue from this page.
    #[serde(default)]
    pub reset: bool,
    /// On the first page of a conversation without a valid cursor: entries before this seq are not part of this sync and can
    /// be read over REST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped_before: Option<u64>,
    /// The user is not a member any more: discard the conversation.
    #[serde(default, skip_serializing_if = "is_false")]
    pub gone: bool,
    /// For a `sync` with `states`: the last entry that the page takes account of. Messages of the page without a state were
    /// not changed up to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<u64>,
    /// The states of those messages of the page that were changed, by seq.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, MessageState>"))]
    pub states: BTreeMap<u64, MessageState>,
    /// The entries behind the cursor that this sync leaves out, because there are more than `max_behind`. Messages that the
    /// device holds may have changed in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skipped>,
    /// On pages of the self log that the device has no valid cursor of, before those with entries: what the user has set. The
    /// pages of one sync are parts of one whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Own>,
}

/// What the user has set for all of their devices.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Own {
    /// Entries of the self log after this one are applied to it. What is not named is as where nothing was ever set.
    pub as_of: u64,
    /// Settings that differ from where nothing was ever set.
    pub settings: Vec<Setting>,
    /// What the user writes and has not sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drafts: Vec<KeptDraft>,
}

/// What the user writes and has not sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeptDraft {
    /// The conversation that it is written in.
    pub conversation_id: ConversationId,
    /// The seq of the first message of the thread that it is written in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
    /// A JSON object, as in the frame `draft`.
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    pub content: Box<RawValue>,
    /// The entry of the self log that has it: a `draft` of the same place with a smaller seq is older.
    pub as_of: u64,
    /// When it was stored, in Unix milliseconds.
    pub timestamp: u64,
}

/// A setting of the user.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Setting {
    /// What is set, as in the frame `set`.
    pub what: String,
    /// The conversation that it is for; absent for what is for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// The seq of the first message of the thread that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
    /// As in the frame `set`.
    #[cfg_attr(test, schemars(with = "serde_json::Value"))]
    pub value: Box<RawValue>,
    /// The entry of the self log that set it: a `set` of the same with a smaller seq is older.
    pub as_of: u64,
}

/// The sync is complete.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Synced {
    /// The epoch of the cursors from now on.
    pub epoch: String,
    /// How many conversations the user is a member of.
    pub conversations: u32,
    /// As in the `sync` that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<ConversationId>,
}

/// The server is shutting down, or other servers have more room. The client waits for pending answers, then reconnects.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Redirect {
    /// How long to wait before reconnecting, in milliseconds.
    pub after_ms: u64,
    /// The address of the next connection, `wss://host/ws`, for one attempt; after it the usual address is valid again.
    /// Present where the operator has configured servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// The settings for the measured quality of this connection's network. Sent to connections with `network`, after `welcome`
/// and at each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NetworkOptimization {
    /// The quality of the network.
    pub quality: Quality,
    /// The interval of the server's pings from now on, in milliseconds; the client pings as often.
    pub heartbeat_ms: u64,
    /// The most frames in one `batch`; 1 means no batches.
    pub batch: u32,
    /// Whether frames are compressed, if the upgrade agreed on compression.
    pub compression: bool,
    /// How often a client repeats an unanswered request before it reports a failure to its user.
    pub retries: u32,
}

/// The quality of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// Short round trips, no losses.
    Good,
    /// Long round trips, or some losses.
    Fair,
    /// Very long round trips, or many losses.
    Poor,
}

/// The answer to a request that was refused or has failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorFrame {
    /// As in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// As in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// The error code.
    pub code: ErrorCode,
    /// A text for people that says what to do.
    pub message: String,
    /// Whether the request was stored.
    pub stored: Stored,
    /// How long to wait before sending again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The limit that was reached; only with the code `rate_limited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// With the code `conflict`, for a request with a `base`: the seq of the entry that came after it; 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
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
