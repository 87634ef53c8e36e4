//! Reactions that are rows beside those of another tenant.

use async_trait::async_trait;
use chat_service::domain::tally::DueTally;
use chat_service::store::StoreError;
use chat_service::store::reactions::{CountedRows, ReactedBy, ReactionStore};
use proto::id::{ConversationKey, UserName};

use super::{Beside, key_in, key_out};

#[async_trait]
impl ReactionStore for Beside {
    async fn reactions(
        &self,
        key: ConversationKey,
        seq: u64,
        after: Option<&ReactedBy>,
        limit: u32,
    ) -> Result<Vec<ReactedBy>, StoreError> {
        self.0.reactions(key_in(key), seq, after, limit).await
    }

    async fn own_reactions(
        &self,
        key: ConversationKey,
        seqs: &[u64],
        user: &UserName,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        self.0.own_reactions(key_in(key), seqs, user).await
    }

    async fn claim_tally(
        &self,
        now_ms: u64,
        until_ms: u64,
        latest_ms: u64,
    ) -> Result<Option<DueTally>, StoreError> {
        let due = self.0.claim_tally(now_ms, until_ms, latest_ms).await?;
        Ok(due.map(|due| DueTally { conversation: key_out(due.conversation), ..due }))
    }

    async fn forget_reactions(
        &self,
        key: ConversationKey,
        seq: u64,
        most: u32,
    ) -> Result<bool, StoreError> {
        self.0.forget_reactions(key_in(key), seq, most).await
    }

    async fn counted(
        &self,
        key: ConversationKey,
        seq: u64,
    ) -> Result<Option<CountedRows>, StoreError> {
        self.0.counted(key_in(key), seq).await
    }

    async fn count_at(
        &self,
        key: ConversationKey,
        seq: u64,
        due_ms: u64,
    ) -> Result<(), StoreError> {
        self.0.count_at(key_in(key), seq, due_ms).await
    }
}
