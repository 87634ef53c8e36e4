//! Notices beside those of another tenant.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use chat_service::domain::notice::{Notice, NoticeMark, Work};
use chat_service::store::StoreError;
use chat_service::store::notices::{
    Marked, Marking, NoticeCounts, NoticeCursors, NoticeStore, Receipt,
};
use proto::id::{ClientId, ConversationKey, TenantId, UserId, UserName};
use uuid::Uuid;

use super::{Beside, inside, key_in, outside, user_in};

fn notice_in(notice: &Notice) -> Notice {
    Notice { tenant: inside(notice.tenant), ..notice.clone() }
}

fn notice_out(notice: Notice) -> Notice {
    Notice { tenant: outside(notice.tenant), ..notice }
}

#[async_trait]
impl NoticeStore for Beside {
    async fn keep_notice(&self, notice: &Notice) -> Result<Option<Notice>, StoreError> {
        let content = r#"{"body":"of the other tenant"}"#.to_owned();
        self.0.keep_notice(&Notice { content, ..notice.clone() }).await?;
        Ok(self.0.keep_notice(&notice_in(notice)).await?.map(notice_out))
    }

    async fn notice(&self, tenant: TenantId, id: Uuid) -> Result<Option<Notice>, StoreError> {
        Ok(self.0.notice(inside(tenant), id).await?.map(notice_out))
    }

    async fn notices_of(
        &self,
        tenant: TenantId,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Notice>, StoreError> {
        let found = self.0.notices_of(inside(tenant), ids).await?;
        Ok(found.into_iter().map(|(id, notice)| (id, notice_out(notice))).collect())
    }

    async fn notices(
        &self,
        tenant: TenantId,
        before: Option<(u64, Uuid)>,
        limit: u32,
    ) -> Result<Vec<Notice>, StoreError> {
        let found = self.0.notices(inside(tenant), before, limit).await?;
        Ok(found.into_iter().map(notice_out).collect())
    }

    async fn standing_notices(
        &self,
        log: ConversationKey,
        now_ms: u64,
        limit: u32,
    ) -> Result<Vec<Notice>, StoreError> {
        let found = self.0.standing_notices(key_in(log), now_ms, limit).await?;
        Ok(found.into_iter().map(notice_out).collect())
    }

    async fn claim_notices(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: u32,
    ) -> Result<Vec<Notice>, StoreError> {
        let claimed = self.0.claim_notices(now_ms, until_ms, limit * 2).await?;
        let own = claimed.into_iter().filter(|notice| notice.tenant != TenantId::DEFAULT);
        Ok(own.map(notice_out).collect())
    }

    async fn did_notice(
        &self,
        notice: &Notice,
        seq: Option<u64>,
        next: Work,
    ) -> Result<(), StoreError> {
        self.0.did_notice(&notice_in(notice), seq, next).await
    }

    async fn withdraw_notice(
        &self,
        tenant: TenantId,
        id: Uuid,
        now_ms: u64,
    ) -> Result<Option<Notice>, StoreError> {
        Ok(self.0.withdraw_notice(inside(tenant), id, now_ms).await?.map(notice_out))
    }

    async fn notices_head(&self, log: ConversationKey) -> Result<u64, StoreError> {
        self.0.notices_head(key_in(log)).await
    }

    async fn advance_notice_cursors(
        &self,
        cursors: &NoticeCursors,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let others = NoticeCursors { delivered_seq: 1, read_seq: 0, ..cursors.clone() };
        self.0.advance_notice_cursors(&others, now_ms).await?;
        let own = NoticeCursors { log: key_in(cursors.log), ..cursors.clone() };
        self.0.advance_notice_cursors(&own, now_ms).await
    }

    async fn notices_read(&self, user_id: &UserId) -> Result<u64, StoreError> {
        self.0.notices_read(&user_in(user_id)).await
    }

    async fn mark_notice(&self, marking: &Marking) -> Result<Marked, StoreError> {
        let others = Marking { client_id: ClientId::generate(), ..marking.clone() };
        self.0.mark_notice(&others).await?;
        let user_id = user_in(&marking.user_id);
        self.0.mark_notice(&Marking { user_id, ..marking.clone() }).await
    }

    async fn notice_counts(&self, notice: &Notice) -> Result<NoticeCounts, StoreError> {
        self.0.notice_counts(&notice_in(notice)).await
    }

    async fn count_users(&self, tenant: TenantId) -> Result<u64, StoreError> {
        self.0.count_users(inside(tenant)).await
    }

    async fn notice_receipts(
        &self,
        tenant: TenantId,
        id: Uuid,
        mark: Option<NoticeMark>,
        after: Option<(&UserName, NoticeMark)>,
        limit: u32,
    ) -> Result<Vec<Receipt>, StoreError> {
        self.0.notice_receipts(inside(tenant), id, mark, after, limit).await
    }

    async fn ask_resend(
        &self,
        tenant: TenantId,
        id: Uuid,
        now_ms: u64,
        between_ms: u64,
    ) -> Result<bool, StoreError> {
        if tenant == TenantId::DEFAULT {
            self.0.ask_resend(tenant, id, now_ms, 0).await?;
        }
        self.0.ask_resend(inside(tenant), id, now_ms, between_ms).await
    }

    async fn resends(&self, since_ms: u64, limit: u32) -> Result<Vec<(Notice, u64)>, StoreError> {
        let found = self.0.resends(since_ms, limit * 2).await?;
        let own = found.into_iter().filter(|(notice, _)| notice.tenant != TenantId::DEFAULT);
        Ok(own.map(|(notice, at_ms)| (notice_out(notice), at_ms)).collect())
    }

    async fn did_resend(
        &self,
        tenant: TenantId,
        id: Uuid,
        asked_ms: u64,
    ) -> Result<(), StoreError> {
        self.0.did_resend(inside(tenant), id, asked_ms).await
    }

    async fn notice_marked(
        &self,
        tenant: TenantId,
        id: Uuid,
        users: &[UserName],
    ) -> Result<HashSet<UserName>, StoreError> {
        self.0.notice_marked(inside(tenant), id, users).await
    }

    async fn own_receipts(
        &self,
        user_id: &UserId,
        ids: &[Uuid],
    ) -> Result<Vec<(Uuid, NoticeMark, u64)>, StoreError> {
        self.0.own_receipts(&user_in(user_id), ids).await
    }
}
