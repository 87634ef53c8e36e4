//! What users set of their own: projections of their self logs, written with its entries (see [`super::log`]).
//!
//! # Guarantees (held by the contract suite)
//! 1. What is read is what the log says up to an entry that is at least the head read before: each setting says which
//!    entry set it.
//! 2. A walk of settings with any limit gives each once, if it stays.

use async_trait::async_trait;
use proto::id::{ConversationId, UserId};
use uuid::Uuid;

use super::fault::StoreError;
use crate::domain::drafts::{DraftFacts, DraftPlace, KeptDraft};
use crate::domain::own::{Facts, Place, Setting, Value, What};

#[async_trait]
pub trait OwnStore: Send + Sync + 'static {
    /// What is known of settings before they are set. Is asked after the conversations are loaded, anew in each attempt.
    async fn own_facts(&self, asked: &[(UserId, Place)]) -> Result<Facts, StoreError>;

    /// What is known of drafts before others take their places. Is asked as [`Self::own_facts`].
    async fn draft_facts(&self, asked: &[(UserId, DraftPlace)]) -> Result<DraftFacts, StoreError>;

    /// The drafts of a user after a place, by conversation: at most so many.
    async fn drafts(
        &self,
        user_id: &UserId,
        after: Option<DraftPlace>,
        limit: u32,
    ) -> Result<Vec<KeptDraft>, StoreError>;

    /// What a user set, after a place, by conversation: at most so many.
    async fn own_settings(
        &self,
        user_id: &UserId,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<Vec<Setting>, StoreError>;

    /// What a user set for conversations; `None`: for none.
    async fn own_settings_of(
        &self,
        user_id: &UserId,
        conversations: &[Option<ConversationId>],
    ) -> Result<Vec<Setting>, StoreError>;
}

/// The conversation of a place as rows hold it.
pub(super) fn id_of(conversation_id: Option<ConversationId>) -> Uuid {
    conversation_id.map_or(Uuid::nil(), |id| id.0)
}

/// Where a walk begins that goes on after a place.
pub(super) fn after_place(after: Option<&Place>) -> (Uuid, &'static str, i64) {
    match after {
        Some(place) => {
            (id_of(place.conversation_id), place.what.as_str(), place.thread.cast_signed())
        }
        None => (Uuid::nil(), "", 0),
    }
}

/// A setting as a row holds it: the conversation, what, the thread, the value, the number and the entry.
pub(super) type Row<Id> = (Id, String, i64, String, i64, i64);

/// A row as a setting; `None` for what a later version set.
pub(super) fn setting(user_id: &UserId, row: Row<Uuid>) -> Option<Setting> {
    let (id, what, thread, json, number, as_of) = row;
    let place = Place {
        conversation_id: (!id.is_nil()).then_some(ConversationId(id)),
        what: What::of(&what)?,
        thread: thread.cast_unsigned(),
    };
    let value = Value { json, number: number.cast_unsigned() };
    Some(Setting { user_id: user_id.clone(), place, value, as_of: as_of.cast_unsigned() })
}

/// A draft as a row holds it: the conversation, the thread, the content, the entry and when.
pub(super) type DraftRow<Id> = (Id, i64, String, i64, i64);

/// A row as a draft.
pub(super) fn draft(user_id: &UserId, row: DraftRow<Uuid>) -> KeptDraft {
    let (id, thread, content, as_of, at_ms) = row;
    KeptDraft {
        user_id: user_id.clone(),
        place: DraftPlace { conversation_id: ConversationId(id), thread: thread.cast_unsigned() },
        content,
        as_of: as_of.cast_unsigned(),
        at_ms: at_ms.cast_unsigned(),
    }
}
