//! The frames that a client sends. Unknown fields are ignored, so that newer clients work with older servers.
//!
//! The comments of frames and fields are the descriptions in `docs/asyncapi.yaml`.

mod held;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::{CallId, ClientId, ConversationId, UserName};

/// One decoded client frame.
#[derive(Debug)]
#[expect(missing_docs, reason = "each variant is documented on its struct")]
pub enum ClientFrame {
    Auth(Auth),
    Ping,
    Send(Send),
    Pin(Pin),
    Forward(Forward),
    Edit(Edit),
    Delete(Delete),
    React(React),
    Set(Set),
    Draft(Draft),
    Act(Act),
    Sync(Sync),
    Delivered(Cursor),
    Read(Read),
    Typing(Typing),
    Status(Status),
    Signal(Signal),
    Show(Show),
    Broadcast(Broadcast),
}

/// Presents a token: as the first frame of a connection that was opened without one, or later to extend it.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Auth {
    /// A signed token (JWT) of the same user.
    pub token: String,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth { token: redacted }")
    }
}

/// Appends a message to a conversation. Answered by `sent` or `error`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Send {
    /// Repeated in the answer; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
    pub client_id: ClientId,
    /// The conversation. Exactly one of `conversation_id` and `to` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// A user: the message goes to the direct conversation with that user, which is created if it does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UserName>,
    /// `text` (the default), `card` or `encrypted`; `notice` and `call` need a token with the role `admin`.
    #[serde(default = "text_kind")]
    pub kind: String,
    /// Of a `text`: `{"text": "…", "entities": […]}`, the entities being optional. The protocol description has all kinds.
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    pub content: Box<RawValue>,
    /// The seq of the entry that this message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<u64>,
    /// Users named in the content; at most 64, all of them members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserName>,
    /// Asks for the attention of the members.
    #[serde(default, alias = "important")]
    pub is_important: bool,
    /// A JSON object for the application; the server does not interpret it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub extra: Option<Box<RawValue>>,
    /// Only devices of this type see the content; for all others the entry is blank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("enum" = ["web", "ios", "android", "desktop", "bot"])))]
    pub device_type: Option<String>,
    /// The seq of a message: this one is a reply in its thread. That message is in no thread itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
    /// With `thread`: shown in the conversation as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub also_in_main: bool,
    /// Mentions all members, of a group: its owner and its admins may, and everybody in groups of at most 50.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mention_all: bool,
}

fn text_kind() -> String {
    "text".to_owned()
}

/// Pins a message or unpins it. Answered by `sent` or `error`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pin {
    /// Repeated in the answer; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
    pub client_id: ClientId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The seq of the message.
    pub seq: u64,
    /// True pins the message, false unpins it.
    pub on: bool,
}

/// Copies a message that the user may see into another conversation, or the same one. Answered by `sent` or `error`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Forward {
    /// Repeated in the answer; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
    pub client_id: ClientId,
    /// The conversation that gets the copy.
    pub conversation_id: ConversationId,
    /// The message that is copied: its kind and its content, and nobody is mentioned.
    pub source: Source,
}

/// A message, by its place.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Source {
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// Its seq.
    pub seq: u64,
}

/// Gives a message another content. Answered by `sent` or `error`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Edit {
    /// Repeated in the answer; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
    pub client_id: ClientId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The seq of the message.
    pub seq: u64,
    /// The whole content, as a message of this kind has it.
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    pub content: Box<RawValue>,
    /// Users named in the content; at most 64, all of them members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserName>,
    /// A JSON object for the application; the server does not interpret it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub extra: Option<Box<RawValue>>,
    /// The seq of the last edit that the user has seen, 0 for none. When there is another one, nothing is changed: `error` with
    /// the code `conflict` and the last one in `current`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<u64>,
}

/// Takes the content of messages away for everybody; they keep their place. Answered by `sent` or `error`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Delete {
    /// Repeated in the answer; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
    pub client_id: ClientId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The seq of the message. Exactly one of `seq` and `seqs` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The seqs of 1 to 100 messages of the user's own: all of them are deleted, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seqs: Option<Vec<u64>>,
    /// For people; at most 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Reacts to a message, or does so no more. Answered by `sent` or `error`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct React {
    /// Repeated in the answer; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
    pub client_id: ClientId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The seq of the message.
    pub seq: u64,
    /// Mostly an emoji: 1 to 64 bytes of composed Unicode (NFC) without control characters.
    pub key: String,
    /// True adds the user's reaction, false takes it back.
    pub on: bool,
}

/// Sets something of the user's own for all of their devices: an entry of kind `set` in their self log. Answered by `sent` or
/// `error`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Set {
    /// Repeated in the answer; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
    pub client_id: ClientId,
    /// What is set.
    #[cfg_attr(test, schemars(extend("enum" = ["mute", "archive", "pin", "hidden", "marked_unread", "follow_thread",
        "push", "privacy"])))]
    pub what: String,
    /// The conversation that it is for. Absent for `push` and `privacy`, which are for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// The seq of the first message of the thread, for `follow_thread`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
    /// Depends on `what`; `null` is what holds where nothing was ever set.
    #[cfg_attr(test, schemars(with = "serde_json::Value"))]
    pub value: Box<RawValue>,
    /// The seq of the last entry of the self log that the device knew. Refused as `conflict` where a later one has set the
    /// same. Absent: whatever was set before, this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<u64>,
}

/// Keeps what the user writes and has not sent, for all of their devices: an entry of kind `draft` in their self log. Answered
/// by `sent` or `error`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Draft {
    /// Repeated in the answer; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
    pub client_id: ClientId,
    /// The conversation that it is written in.
    pub conversation_id: ConversationId,
    /// The seq of the first message of the thread that it is written in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
    /// A JSON object, such as that of a message; absent, it takes the draft back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub content: Option<Box<RawValue>>,
    /// The seq of the last entry of the self log that the device knew. Refused as `conflict` where a later one has another
    /// draft of the same place. Absent: whatever was there, this takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<u64>,
}

/// Presses an action of a card: the bot that sent the card finds it in its self log, as an entry of kind `act`. Answered by `sent`
/// or `error`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Act {
    /// Repeated in the answer; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
    pub client_id: ClientId,
    /// The conversation of the card.
    pub conversation_id: ConversationId,
    /// The seq of the card.
    pub seq: u64,
    /// The sender of the card, a bot.
    pub bot: UserName,
    /// The `id` of the action.
    pub action_id: String,
    /// For an action without a `value`: what the bot is told with it; at most 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Asks for everything that the device does not have yet. Answered by `sync_page` frames and one `synced`, or by `error`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sync {
    /// Repeated in an `error`; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// The `epoch` of the last `synced`; absent on a device without cursors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The cursor of each conversation: the last entry up to which the device has all entries. At most 10,000.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "std::collections::HashMap<String, Held>"))]
    pub cursors: std::collections::HashMap<ConversationId, Held>,
    /// Asks for the states of messages, beside their entries.
    #[serde(default, skip_serializing_if = "is_false")]
    pub states: bool,
    /// With `states`: of a conversation of which the device lacks more entries than this, it gets the newest ones, and is told
    /// in `skipped` which are left out. From 1 to 2,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_behind: Option<u32>,
    /// Only this conversation; the log of notices comes only so, or when it has a cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<ConversationId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

pub use held::Held;

/// All entries up to `seq` were delivered to this device. Cumulative; has no answer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cursor {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The seq of the last entry meant.
    pub seq: u64,
}

/// All entries up to `seq` were read by the user of this device; with `thread`, the replies of that thread alone.
/// Cumulative; has no answer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Read {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The seq of the last entry meant.
    pub seq: u64,
    /// The seq of the first message of a thread that the user follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
}

/// The user has started or stopped typing. Repeated at least every 5 s while the user is typing: other clients end it
/// 6 s after the last one. Has no answer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Typing {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// True while the user is typing.
    pub on: bool,
}

/// Sets the status that other users see. Stored until it is set again; has no answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Status {
    /// The status; `invisible` is shown to others as `offline`.
    #[cfg_attr(test, schemars(extend("enum" = ["online", "away", "busy", "invisible"])))]
    pub status: String,
}

/// One step of a call, sent to all devices of another user. Not stored: a user who is not connected does not get it.
/// Answered only by an `error`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Signal {
    /// Repeated in an `error`; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// The other user.
    pub to: UserName,
    /// Made by the caller for this call.
    pub call_id: CallId,
    /// The step of the call.
    pub kind: SignalKind,
    /// Any JSON for the other client, such as a session description; the server does not interpret it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub data: Option<Box<RawValue>>,
}

/// Asks whether this device is to show a notice that is shown once for each user (`display` is `user`). Answered by `shown`
/// or `error`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Show {
    /// Repeated in the answer; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Made by the client for this request. A repeat of it has the same one, and the same answer.
    pub client_id: ClientId,
    /// The notice: the `client_id` of its entry.
    pub notice_id: uuid::Uuid,
}

/// Says something to every connection of the tenant: for tokens with one of the roles that may (`limits.broadcast_roles`).
/// Stored nowhere. Answered only by an `error`: who says it hears it, too, in a frame `notice`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Broadcast {
    /// Repeated in an `error`; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Made by the client; the `id` of the `notice`. A repeat with it is heard once.
    pub client_id: ClientId,
    /// A JSON object for the application; the server does not interpret it.
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    pub content: Box<RawValue>,
}

/// A step of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SignalKind {
    /// The caller offers a call, with its session description.
    Offer,
    /// The callee accepts it, with its session description.
    Answer,
    /// A candidate address of the sender (ICE).
    Ice,
    /// A device of the callee rings.
    Ring,
    /// The callee is in another call.
    Busy,
    /// The callee declines.
    Decline,
    /// The call has ended.
    Hangup,
}
