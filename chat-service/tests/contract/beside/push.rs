//! What offline push stores, as one tenant of two sees it.

use async_trait::async_trait;
use chat_service::store::StoreError;
use chat_service::store::push::{
    Candidate, DeadPush, Of, PushDevice, PushPlace, PushRetry, PushSent, PushStore,
};
use proto::id::{ConversationKey, DeviceId, TenantId, UserId, UserName};
use uuid::Uuid;

use super::{Beside, inside, is_doubled, key_in, key_out, keys_in, user_in, user_out, users_in};

fn device_in(device: &PushDevice) -> PushDevice {
    PushDevice { user_id: user_in(&device.user_id), ..device.clone() }
}

fn sent_in(sent: &PushSent) -> PushSent {
    PushSent { user_id: user_in(&sent.user_id), key: key_in(sent.key), ..sent.clone() }
}

fn sent_out(mut sent: PushSent) -> PushSent {
    sent.user_id = user_out(&sent.user_id);
    sent.key = key_out(sent.key);
    sent
}

fn candidate_out(mut row: Candidate) -> Candidate {
    row.key = key_out(row.key);
    row.user_id = user_out(&row.user_id);
    row
}

/// A row of the other tenant, which lists of all tenants have, too.
fn is_theirs(user: &UserId) -> bool {
    user.tenant() == TenantId::DEFAULT
}

/// A place of a walk over all tenants keeps the tenant that is stored.
fn walk_tenant() -> TenantId {
    TenantId::parse("walk").unwrap()
}

#[async_trait]
impl PushStore for Beside {
    async fn keep_push_device(&self, device: &PushDevice, most: u32) -> Result<(), StoreError> {
        if is_doubled(&device.user_id) {
            let theirs = PushDevice { locale: "theirs".to_owned(), ..device.clone() };
            self.0.keep_push_device(&theirs, most).await?;
        }
        self.0.keep_push_device(&device_in(device), most).await
    }

    async fn push_devices(&self, users: &[UserId]) -> Result<Vec<PushDevice>, StoreError> {
        let found = self.0.push_devices(&users_in(users)).await?;
        let out = |it: PushDevice| PushDevice { user_id: user_out(&it.user_id), ..it };
        Ok(found.into_iter().map(out).collect())
    }

    async fn drop_push_device(
        &self,
        user_id: &UserId,
        device_id: Option<&DeviceId>,
    ) -> Result<bool, StoreError> {
        self.0.drop_push_device(&user_in(user_id), device_id).await
    }

    async fn drop_dead_token(
        &self,
        device: &PushDevice,
        since_ms: u64,
    ) -> Result<bool, StoreError> {
        self.0.drop_dead_token(&device_in(device), since_ms).await
    }

    async fn forget_push_devices(&self, seen_before_ms: u64) -> Result<u64, StoreError> {
        self.0.forget_push_devices(seen_before_ms).await
    }

    async fn push_places(
        &self,
        keys: &[ConversationKey],
        members: u32,
    ) -> Result<Vec<PushPlace>, StoreError> {
        let found = self.0.push_places(&keys_in(keys), members).await?;
        let out = |it: PushPlace| PushPlace { key: key_out(it.key), ..it };
        Ok(found.into_iter().map(out).collect())
    }

    async fn push_candidates(
        &self,
        places: &[(ConversationKey, u64)],
    ) -> Result<Vec<Candidate>, StoreError> {
        let places: Vec<_> = places.iter().map(|(key, seq)| (key_in(*key), *seq)).collect();
        let found = self.0.push_candidates(&places).await?;
        Ok(found.into_iter().map(candidate_out).collect())
    }

    async fn push_candidates_of(
        &self,
        key: ConversationKey,
        seq: u64,
        of: Of<'_>,
        limit: u32,
    ) -> Result<Vec<Candidate>, StoreError> {
        let found = self.0.push_candidates_of(key_in(key), seq, of, limit).await?;
        Ok(found.into_iter().map(candidate_out).collect())
    }

    async fn notice_candidates(
        &self,
        log: ConversationKey,
        after: Option<&UserName>,
        limit: u32,
    ) -> Result<Vec<Candidate>, StoreError> {
        let found = self.0.notice_candidates(key_in(log), after, limit).await?;
        Ok(found.into_iter().map(candidate_out).collect())
    }

    async fn push_badges(&self, users: &[UserId]) -> Result<Vec<(UserId, u32)>, StoreError> {
        let found = self.0.push_badges(&users_in(users)).await?;
        Ok(found.into_iter().map(|(user, unread)| (user_out(&user), unread)).collect())
    }

    async fn keep_pushed(&self, sent: &[PushSent]) -> Result<(), StoreError> {
        let theirs = sent.iter().filter(|it| is_doubled(&it.user_id));
        let theirs = theirs.map(|it| PushSent { seq: it.seq + 1, ..it.clone() });
        let both: Vec<_> = theirs.chain(sent.iter().map(sent_in)).collect();
        self.0.keep_pushed(&both).await
    }

    async fn pushed(
        &self,
        places: &[(UserId, ConversationKey)],
    ) -> Result<Vec<PushSent>, StoreError> {
        let places: Vec<_> =
            places.iter().map(|(user, key)| (user_in(user), key_in(*key))).collect();
        Ok(self.0.pushed(&places).await?.into_iter().map(sent_out).collect())
    }

    async fn pushed_for(
        &self,
        key: ConversationKey,
        seq: u64,
    ) -> Result<Vec<PushSent>, StoreError> {
        Ok(self.0.pushed_for(key_in(key), seq).await?.into_iter().map(sent_out).collect())
    }

    async fn pushed_for_notice(
        &self,
        log: ConversationKey,
        seq: u64,
    ) -> Result<Vec<PushSent>, StoreError> {
        let found = self.0.pushed_for_notice(key_in(log), seq).await?;
        Ok(found.into_iter().map(sent_out).collect())
    }

    async fn pushed_and_read(
        &self,
        after: Option<&PushSent>,
        limit: u32,
    ) -> Result<(Vec<PushSent>, Option<PushSent>), StoreError> {
        let in_walk = |it: &PushSent| match it.user_id.tenant() {
            tenant if tenant == walk_tenant() => {
                let user_id = it.user_id.name().of(TenantId::DEFAULT);
                PushSent { user_id, ..it.clone() }
            }
            _ => sent_in(it),
        };
        let out_walk = |it: PushSent| {
            if is_theirs(&it.user_id) {
                PushSent { user_id: it.user_id.name().of(walk_tenant()), ..it }
            } else {
                sent_out(it)
            }
        };
        let after = after.map(in_walk);
        let (read, next) = self.0.pushed_and_read(after.as_ref(), limit).await?;
        let own = read.into_iter().filter(|it| !is_theirs(&it.user_id)).map(sent_out).collect();
        Ok((own, next.map(out_walk)))
    }

    async fn drop_pushed(&self, sent: &[PushSent]) -> Result<(), StoreError> {
        self.0.drop_pushed(&sent.iter().map(sent_in).collect::<Vec<_>>()).await
    }

    async fn keep_push_retry(&self, retry: &PushRetry) -> Result<(), StoreError> {
        if is_doubled(&retry.user_id) {
            self.0.keep_push_retry(&PushRetry { attempt: 99, ..retry.clone() }).await?;
        }
        let user_id = user_in(&retry.user_id);
        self.0.keep_push_retry(&PushRetry { user_id, ..retry.clone() }).await
    }

    async fn due_push_retries(
        &self,
        now_ms: u64,
        latest_ms: u64,
        limit: u32,
    ) -> Result<Vec<PushRetry>, StoreError> {
        let found = self.0.due_push_retries(now_ms, latest_ms, limit.saturating_mul(2)).await?;
        let own = found.into_iter().filter(|it| !is_theirs(&it.user_id));
        Ok(own.map(|it| PushRetry { user_id: user_out(&it.user_id), ..it }).collect())
    }

    async fn push_retries_of(&self, key: ConversationKey) -> Result<Vec<PushRetry>, StoreError> {
        let found = self.0.push_retries_of(key_in(key)).await?;
        Ok(found.into_iter().map(|it| PushRetry { user_id: user_out(&it.user_id), ..it }).collect())
    }

    async fn drop_push_retry(&self, tenant: TenantId, id: Uuid) -> Result<(), StoreError> {
        self.0.drop_push_retry(inside(tenant), id).await
    }

    async fn trim_push_retries(&self, most: u32) -> Result<u64, StoreError> {
        // Of both.
        self.0.trim_push_retries(most.saturating_mul(2)).await
    }

    async fn keep_dead_push(&self, dead: &DeadPush) -> Result<(), StoreError> {
        let (user_id, key) = (user_in(&dead.user_id), key_in(dead.key));
        self.0.keep_dead_push(&DeadPush { user_id, key, ..dead.clone() }).await
    }

    async fn dead_pushes(
        &self,
        tenant: TenantId,
        before: Option<(u64, Uuid)>,
        limit: u32,
    ) -> Result<Vec<DeadPush>, StoreError> {
        let found = self.0.dead_pushes(inside(tenant), before, limit).await?;
        let out = |it: DeadPush| {
            let (user_id, key) = (user_out(&it.user_id), key_out(it.key));
            DeadPush { user_id, key, ..it }
        };
        Ok(found.into_iter().map(out).collect())
    }

    async fn dead_pushes_from(
        &self,
        key: ConversationKey,
        seq: u64,
    ) -> Result<Vec<DeadPush>, StoreError> {
        let found = self.0.dead_pushes_from(key_in(key), seq).await?;
        let out = |it: DeadPush| {
            let (user_id, key) = (user_out(&it.user_id), key_out(it.key));
            DeadPush { user_id, key, ..it }
        };
        Ok(found.into_iter().map(out).collect())
    }

    async fn trim_dead_pushes(&self, most: u32) -> Result<(), StoreError> {
        self.0.trim_dead_pushes(most).await
    }
}
