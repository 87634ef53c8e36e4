//! What changes have made of messages, as pages and syncs tell it. Must not fold anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::UserName;

/// Entries that a sync leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Skipped {
    /// The first one.
    pub from_seq: u64,
    /// The last one.
    pub to_seq: u64,
}

/// What changes have made of a message. It takes account of all entries up to `as_of`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageState {
    /// The last entry that changed the message.
    pub as_of: u64,
    /// The content in place of that of the entry; with it, `mentions` and `extra` are those of the message, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub content: Option<Box<RawValue>>,
    /// Users named in `content`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserName>,
    /// A JSON object of the application; the server does not interpret it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub extra: Option<Box<RawValue>>,
    /// The edits of the message; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<EditedState>,
    /// The reactions by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reactions: BTreeMap<String, ReactionState>,
    /// There are too many reactions to name who they are of: `reactions` has counts alone.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub tallied: bool,
    /// The keys that the user has reacted with. Only in answers to a user, never in what is pushed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mine: Vec<String>,
    /// By what the message is pinned; absent where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<PinnedState>,
    /// The replies in the thread that the message begins; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadState>,
    /// By what the message was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<DeletedState>,
    /// Why the content is gone: `deleted` or `expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<String>,
}

/// The edits of a message.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EditedState {
    /// The seq of the last one.
    pub seq: u64,
    /// How many there are.
    pub count: u32,
    /// When the last one was made, in Unix milliseconds.
    pub at: u64,
}

/// The reactions to a message with one key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReactionState {
    /// How many there are.
    pub n: u64,
    /// Who they are of, the first one first; absent where reactions are tallied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<UserName>,
}

/// The replies in a thread.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ThreadState {
    /// How many there are, deleted ones as well.
    pub n: u64,
    /// The seq of the last one.
    pub last_seq: u64,
    /// When the last one was stored, in Unix milliseconds.
    pub last_at: u64,
    /// Who wrote the last ones, at most 10 users in the order of their last replies.
    pub by: Vec<UserName>,
}

/// By what a message is pinned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PinnedState {
    /// The seq of the entry that pinned it.
    pub seq: u64,
    /// Who pinned it.
    pub by: UserName,
}

/// By what a message was deleted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeletedState {
    /// The seq of the entry that deleted it.
    pub seq: u64,
    /// As what it was deleted.
    #[cfg_attr(test, schemars(extend("enum" = ["sender", "admin", "moderator", "operator"])))]
    pub by: String,
}
