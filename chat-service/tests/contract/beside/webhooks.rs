//! Webhooks and acts of operators, beside those of another tenant.

use std::collections::HashSet;

use async_trait::async_trait;
use chat_service::domain::webhook::{Blocked, DeadEvent, Webhook, WebhookKey};
use chat_service::store::StoreError;
use chat_service::store::aside::{AsidePlace, AsideStore};
use chat_service::store::audit::{Act, AuditStore};
use chat_service::store::deliveries::{DeliveryStore, Replayed, Undelivered};
use chat_service::store::tail::{AsideRow, LogKind};
use chat_service::store::webhooks::{Health, WebhookStore};
use proto::id::{ConversationId, ConversationKey, TenantId, UserName};

use super::{Beside, inside, keys_in, user_in, user_out};

#[async_trait]
impl DeliveryStore for Beside {
    async fn replay_events(
        &self,
        key: WebhookKey,
        events: &[Replayed],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        self.0.replay_events(key, events, now_ms).await
    }

    async fn replays(
        &self,
        key: WebhookKey,
        limit: u32,
    ) -> Result<Vec<(ConversationId, u64)>, StoreError> {
        self.0.replays(key, limit).await
    }

    async fn conversations_with(
        &self,
        keys: &[ConversationKey],
        users: &[UserName],
    ) -> Result<HashSet<ConversationId>, StoreError> {
        self.0.conversations_with(&keys_in(keys), users).await
    }

    async fn undelivered(
        &self,
        key: ConversationKey,
        seq: u64,
    ) -> Result<Vec<Undelivered>, StoreError> {
        self.0.undelivered(key, seq).await
    }
}

#[async_trait]
impl AsideStore for Beside {
    async fn aside(
        &self,
        follower: &str,
        behind: Option<AsidePlace>,
        limit: u32,
    ) -> Result<Vec<AsideRow>, StoreError> {
        self.0.aside(follower, behind, limit).await
    }
}

#[async_trait]
impl AuditStore for Beside {
    async fn record_act(&self, act: &Act) -> Result<(), StoreError> {
        self.0.record_act(act).await?;
        self.0.record_act(&Act { actor: user_in(&act.actor), ..act.clone() }).await
    }

    async fn acts(&self, tenant: TenantId, limit: u32) -> Result<Vec<Act>, StoreError> {
        let acts = self.0.acts(inside(tenant), limit).await?;
        Ok(acts.into_iter().map(|act| Act { actor: user_out(&act.actor), ..act }).collect())
    }
}

/// What webhooks have still to get is of the tenant that they are named with, here as there.
#[async_trait]
impl WebhookStore for Beside {
    async fn create_webhook(&self, webhook: &Webhook, most: u32) -> Result<bool, StoreError> {
        self.0.create_webhook(webhook, most).await
    }

    async fn webhooks(&self, tenant: TenantId) -> Result<Vec<Webhook>, StoreError> {
        self.0.webhooks(tenant).await
    }

    async fn webhook(&self, key: WebhookKey) -> Result<Option<Webhook>, StoreError> {
        self.0.webhook(key).await
    }

    async fn enabled_webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        self.0.enabled_webhooks().await
    }

    async fn change_webhook(&self, webhook: &Webhook, now_ms: u64) -> Result<bool, StoreError> {
        self.0.change_webhook(webhook, now_ms).await
    }

    async fn remove_webhook(&self, key: WebhookKey) -> Result<bool, StoreError> {
        self.0.remove_webhook(key).await
    }

    async fn forget_follower(&self, name: &str) -> Result<(), StoreError> {
        self.0.forget_follower(name).await
    }

    async fn keep_health(&self, key: WebhookKey, health: &Health<'_>) -> Result<(), StoreError> {
        self.0.keep_health(key, health).await
    }

    async fn blocked(&self, key: WebhookKey, limit: u32) -> Result<Vec<Blocked>, StoreError> {
        self.0.blocked(key, limit).await
    }

    async fn block(&self, key: WebhookKey, blocked: &Blocked) -> Result<(), StoreError> {
        self.0.block(key, blocked).await
    }

    async fn unblock(&self, key: WebhookKey, id: ConversationId) -> Result<(), StoreError> {
        self.0.unblock(key, id).await
    }

    async fn give_up(
        &self,
        key: WebhookKey,
        dead: &DeadEvent,
        blocked: &Blocked,
    ) -> Result<(), StoreError> {
        self.0.give_up(key, dead, blocked).await
    }

    async fn dead_events(&self, key: WebhookKey, limit: u32) -> Result<Vec<DeadEvent>, StoreError> {
        self.0.dead_events(key, limit).await
    }

    async fn count_dead(&self, key: WebhookKey) -> Result<u64, StoreError> {
        self.0.count_dead(key).await
    }

    async fn replay_dead(
        &self,
        key: WebhookKey,
        conversation: Option<ConversationId>,
        now_ms: u64,
    ) -> Result<u64, StoreError> {
        self.0.replay_dead(key, conversation, now_ms).await
    }

    async fn end_replay(
        &self,
        key: WebhookKey,
        place: (ConversationId, u64),
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        self.0.end_replay(key, place, error).await
    }

    async fn log_kind(&self, key: ConversationKey) -> Result<LogKind, StoreError> {
        self.0.log_kind(ConversationKey::new(inside(key.tenant), key.id)).await
    }
}
