//! Mentions and threads beside those of another tenant.

use async_trait::async_trait;
use chat_service::domain::entry::{StoredEntry, ThreadCursorRow};
use chat_service::store::following::{
    Asked, FollowingStore, MentionView, SteppedMember, ThreadView,
};
use chat_service::store::{Page, Room, StoreError};
use proto::id::{ConversationKey, UserName};

use super::{Beside, key_in, stored_out, user_in, user_out};

#[async_trait]
impl FollowingStore for Beside {
    async fn mentions_of(&self, asked: Asked<'_>) -> Result<Vec<MentionView>, StoreError> {
        let user_id = user_in(asked.user_id);
        let found = self.0.mentions_of(Asked { user_id: &user_id, ..asked }).await?;
        let out = |view: MentionView| MentionView { stored: stored_out(view.stored), ..view };
        Ok(found.into_iter().map(out).collect())
    }

    async fn threads_of(&self, asked: Asked<'_>) -> Result<Vec<ThreadView>, StoreError> {
        let user_id = user_in(asked.user_id);
        self.0.threads_of(Asked { user_id: &user_id, ..asked }).await
    }

    async fn stepped_members(
        &self,
        key: ConversationKey,
        after: Option<&UserName>,
        limit: u32,
    ) -> Result<Vec<SteppedMember>, StoreError> {
        let members = self.0.stepped_members(key_in(key), after, limit).await?;
        let out = |row: SteppedMember| SteppedMember { user_id: user_out(&row.user_id), ..row };
        Ok(members.into_iter().map(out).collect())
    }

    async fn thread_entries(
        &self,
        key: ConversationKey,
        thread: u64,
        page: Page,
        from_seq: u64,
        room: Room,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let entries = self.0.thread_entries(key_in(key), thread, page, from_seq, room).await?;
        Ok(entries.into_iter().map(stored_out).collect())
    }

    async fn advance_threads(
        &self,
        rows: &[ThreadCursorRow],
    ) -> Result<Vec<ThreadCursorRow>, StoreError> {
        let own: Vec<_> = rows
            .iter()
            .map(|row| ThreadCursorRow { user_id: user_in(&row.user_id), ..row.clone() })
            .collect();
        let moved = self.0.advance_threads(&own).await?;
        let out = |row: ThreadCursorRow| ThreadCursorRow { user_id: user_out(&row.user_id), ..row };
        Ok(moved.into_iter().map(out).collect())
    }
}
