//! What a run hands over to be judged.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::device::{Message, Page};
use super::fold::Entry;

/// Everything that was done and seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Account {
    /// The conversations, by number.
    pub conversations: Vec<Conversation>,
    /// What was asked for.
    pub operations: Vec<Operation>,
    /// What devices hold at the end.
    pub devices: Vec<Held>,
    /// Answers with states that devices got meanwhile.
    pub answers: Vec<Answer>,
    /// What keeps the verdict from being valid.
    pub doubts: Vec<String>,
}

/// A conversation at the end.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: Uuid,
    /// Its log, by REST.
    pub log: Vec<Entry>,
    /// All of its messages with their states, by REST.
    pub rows: Vec<Answer>,
}

/// What a user asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Operation {
    /// Where.
    pub conversation: usize,
    /// Who.
    pub user: String,
    /// Under which id.
    pub client_id: Uuid,
    /// The kind of its entry.
    pub kind: String,
    /// The message that it changes.
    pub target: Option<u64>,
    /// The message that begins its thread.
    pub thread: Option<u64>,
    /// What its entry has to say.
    pub content: Value,
    /// The edit that its author had seen, where that was said.
    pub base: Option<u64>,
    /// What was answered.
    pub outcome: Outcome,
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Stored there.
    Stored {
        /// The place of its entry.
        seq: u64,
        /// The entry.
        id: Uuid,
    },
    /// Everything already was so, by that entry.
    Unchanged {
        /// The last entry that changed the message.
        seq: u64,
    },
    /// Not stored, for ever.
    Refused {
        /// The error's code.
        code: String,
    },
    /// Never answered.
    Unknown,
}

/// What a device holds of a conversation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Held {
    /// The device.
    pub name: String,
    /// The conversation.
    pub conversation: usize,
    /// Up to here it has everything.
    pub cursor: u64,
    /// Every entry that it was shown, in the form in which it came first.
    pub seen: Vec<Entry>,
    /// The messages.
    pub messages: BTreeMap<u64, Message>,
    /// Entries that it was shown and need not hold: a page skipped them before they were taken, or began the log anew.
    #[serde(default)]
    pub dropped: BTreeSet<u64>,
}

/// An answer with states.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Of which conversation.
    pub conversation: usize,
    /// Who asked.
    pub user: String,
    /// What came.
    pub page: Page,
}
