//! What a client may say. Unknown fields are ignored, so that newer clients work with older servers.

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
    Sync(Sync),
    Delivered(Cursor),
    Read(Cursor),
    Typing(Typing),
    Status(Status),
    Signal(Signal),
}

/// `auth`: hands in a token, as the first frame or to extend the connection.
#[derive(Deserialize)]
pub struct Auth {
    /// A signed token (JWT).
    pub token: String,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth { token: redacted }")
    }
}

/// `send`: appends a message to a conversation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Send {
    /// Repeated in the answer; at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Made by the client for this operation; repeated when it sends again.
    pub client_id: ClientId,
    /// Where to; exactly one of `conversation_id` and `to` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// A user: the direct conversation with them, made when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UserName>,
    /// `text` (the default) or, for tokens with the role admin, `system`.
    #[serde(default = "text_kind")]
    pub kind: String,
    /// For `text`: `{"text": "…"}`.
    pub content: Box<RawValue>,
    /// Sequence of the entry this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<u64>,
    /// Users named in the content; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserName>,
    /// Asks for attention.
    #[serde(default, alias = "important")]
    pub is_important: bool,
    /// A JSON object that the server does not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Box<RawValue>>,
    /// Deliver to devices of this type only: web, ios, android, desktop, bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_type: Option<String>,
}

fn text_kind() -> String {
    "text".to_owned()
}

/// `sync`: asks for all that the device lacks.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sync {
    /// Repeated in an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// From the last `synced`; absent on a new device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// Highest seq held without a gap, by conversation; at most 10,000.
    #[serde(default)]
    pub cursors: std::collections::HashMap<ConversationId, u64>,
}

/// `delivered` and `read`: all up to `seq`. Cumulative.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Cursor {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The last entry that is meant.
    pub seq: u64,
}

/// `typing`: started or stopped to write. While it goes on it is said again, at least every 5 s: others
/// take it for ended 6 s after the last word.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Typing {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// True while writing.
    pub on: bool,
}

/// `status`: sets the user's state by hand.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// `online`, `away`, `busy` or `invisible`.
    pub status: String,
}

/// `signal`: one step of setting up a call, for all devices of a user. In no log: whoever is not there
/// does not get it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Signal {
    /// Repeated in an error; a signal that is taken has no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Whom it is for.
    pub to: UserName,
    /// Made by the caller for this call.
    pub call_id: CallId,
    /// Which step.
    pub kind: SignalKind,
    /// What the clients tell each other, such as a session description; the server does not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

/// The steps of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignalKind {
    /// The caller's description of its side.
    Offer,
    /// The callee's.
    Answer,
    /// A way to reach the other side.
    Ice,
    /// The callee's device rings.
    Ring,
    /// The callee is in another call.
    Busy,
    /// The callee does not want to.
    Decline,
    /// It is over.
    Hangup,
}
