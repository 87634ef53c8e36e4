//! Drafts of messages, which a user goes on with on another device: kept in the self log, so that none is lost by another
//! that takes its place. Pure.

use std::collections::HashMap;

use proto::id::{ConversationId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Drafts that a user keeps at a time.
pub const MAX_DRAFTS: u32 = 1_000;

/// Where something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DraftPlace {
    /// Of the user's tenant.
    pub conversation_id: ConversationId,
    /// The first message of the thread; 0 for the conversation itself.
    pub thread: u64,
}

/// A draft as it is kept. Belongs to the tenant of its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDraft {
    pub user_id: UserId,
    pub place: DraftPlace,
    /// A JSON object.
    pub content: String,
    /// The entry that has it.
    pub as_of: u64,
    /// When it was kept, in Unix milliseconds.
    pub at_ms: u64,
}

/// What is known of a draft before another takes its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DraftFact {
    /// The user is a member of its conversation. Not proven by a head.
    pub is_member: bool,
    /// A JSON object; `None` where there is none.
    pub content: Option<String>,
    /// The entry that has it; 0 where there is none.
    pub as_of: u64,
}

/// What planning needs to know of drafts. A head of the self log that fits at append time proves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DraftFacts {
    pub drafts: HashMap<(UserId, DraftPlace), DraftFact>,
    /// How many each user keeps, counted to [`MAX_DRAFTS`].
    pub counts: HashMap<UserId, u32>,
}

/// The content of an entry `draft`.
#[derive(Debug, Serialize, Deserialize)]
pub struct DraftContent<'a> {
    pub conversation_id: ConversationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
    /// `null` where it was taken back.
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
}

impl DraftContent<'_> {
    /// Where it is written.
    pub fn place(&self) -> DraftPlace {
        DraftPlace {
            conversation_id: self.conversation_id,
            thread: self.thread.unwrap_or_default(),
        }
    }
}

/// The content of the entry that keeps a draft, or takes it back. `draft` is a JSON object.
pub fn content(place: DraftPlace, draft: Option<&str>) -> String {
    let DraftPlace { conversation_id, thread } = place;
    // It was read before.
    let content = draft.and_then(|json| serde_json::from_str::<&RawValue>(json).ok());
    let said = DraftContent { conversation_id, thread: (thread > 0).then_some(thread), content };
    // Cannot fail: it has string keys only.
    serde_json::to_string(&said).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_of_an_entry_is_read_back_as_it_was_said() {
        let conversation_id = ConversationId(uuid::Uuid::from_u128(1));
        for (thread, draft) in [(0, Some(r#"{"text":"x", "n":1.50}"#)), (4, None)] {
            let place = DraftPlace { conversation_id, thread };
            let json = content(place, draft);
            let read: DraftContent<'_> = serde_json::from_str(&json).unwrap();
            assert_eq!(read.place(), place);
            assert_eq!(read.content.map(RawValue::get), draft);
        }
    }
}
