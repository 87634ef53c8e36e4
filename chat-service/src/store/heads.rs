//! How far the conversations of users have come, and which entries stand where devices are.
//!
//! # Guarantees (held by the contract suite)
//! 1. A head and its entry are of one moment, and a user's heads of one statement.
//! 2. A digest is that of all conversations that its user is a member of, and of no other.
//! 3. Of places beyond a log, and of conversations of another tenant, there is no entry.

use std::collections::HashMap;

use async_trait::async_trait;
use proto::heads::HeadsDigest;
use proto::id::{ConversationId, EntryId, TenantId, UserId};
use uuid::Uuid;

use super::fault::StoreError;

/// The newest entry of a conversation, for one of its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub conversation_id: ConversationId,
    /// Its seq; 0 where there is no entry.
    pub seq: u64,
    /// Its id; nil where there is no entry.
    pub entry_id: EntryId,
    /// The first entry that the member may see.
    pub from_seq: u64,
}

#[async_trait]
pub trait HeadStore: Send + Sync + 'static {
    /// Of every conversation of a user.
    async fn heads(&self, user_id: &UserId) -> Result<Vec<Head>, StoreError>;

    /// How far the conversations of users have come: one digest each, in order.
    async fn head_digests(&self, users: &[UserId]) -> Result<Vec<HeadsDigest>, StoreError>;

    /// Which entries stand at places of a tenant's logs, one place in each.
    async fn entry_ids(
        &self,
        tenant: TenantId,
        places: &[(ConversationId, u64)],
    ) -> Result<HashMap<ConversationId, EntryId>, StoreError>;
}

/// A head as rows hold it: the conversation, the seq and the entry, if there is one.
pub(super) fn head(conversation_id: Uuid, seq: i64, entry_id: Option<Uuid>, from_seq: i64) -> Head {
    Head {
        conversation_id: ConversationId(conversation_id),
        seq: seq.max(0).unsigned_abs(),
        entry_id: EntryId(entry_id.unwrap_or_default()),
        from_seq: from_seq.max(0).unsigned_abs(),
    }
}

/// Digests of users, gathered from rows.
#[derive(Debug, Default)]
pub(super) struct Digests(HashMap<(String, String), HeadsDigest>);

impl Digests {
    /// Adds a conversation of a user.
    pub(super) fn add(&mut self, tenant: String, name: String, head: Head) {
        let Head { conversation_id, seq, entry_id, .. } = head;
        self.0.entry((tenant, name)).or_default().add(conversation_id, seq, entry_id);
    }

    /// In the order of the users.
    pub(super) fn of(mut self, users: &[UserId]) -> Vec<HeadsDigest> {
        let key = |user: &UserId| (user.tenant().as_str().to_owned(), user.name_str().to_owned());
        users.iter().map(|user| *self.0.entry(key(user)).or_default()).collect()
    }
}
