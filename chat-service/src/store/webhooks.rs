//! Webhooks and what they have still to get. Written once for both databases. How far each is on the tail is its follower's.
//!
//! # Guarantees (held by the contract suite)
//! 1. A tenant has at most as many webhooks as its bound says.
//! 2. Each change by an operator gives a webhook another version.
//! 3. A webhook that is removed leaves nothing behind, its cursor neither.
//! 4. An event that is given up and the place where its conversation goes on are written together.

use async_trait::async_trait;
use proto::id::{ConversationId, ConversationKey, TenantId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::StoreError;
use super::tail::LogKind;
use crate::domain::webhook::{Blocked, DeadEvent, LastError, Webhook, WebhookKey, WebhookState};

/// How a webhook's receiver is, as the one who delivers knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health<'h> {
    pub attempt: u32,
    pub next_at_ms: u64,
    pub failing_since_ms: Option<u64>,
    pub last_errors: &'h [LastError],
    /// It is disabled, for this reason.
    pub disabled: Option<&'h str>,
}

#[async_trait]
pub trait WebhookStore: Send + Sync + 'static {
    /// Keeps a new webhook; false when its tenant has `most` others.
    async fn create_webhook(&self, webhook: &Webhook, most: u32) -> Result<bool, StoreError>;

    /// A tenant's webhooks, by id.
    async fn webhooks(&self, tenant: TenantId) -> Result<Vec<Webhook>, StoreError>;

    async fn webhook(&self, key: WebhookKey) -> Result<Option<Webhook>, StoreError>;

    /// Those of all tenants that are enabled.
    async fn enabled_webhooks(&self) -> Result<Vec<Webhook>, StoreError>;

    /// Writes what an operator changed: configuration, secrets, state and reason, as of a version. False when it has
    /// another version now.
    async fn change_webhook(&self, webhook: &Webhook, now_ms: u64) -> Result<bool, StoreError>;

    /// Removes a webhook with all that it has still to get; false when there is none.
    async fn remove_webhook(&self, key: WebhookKey) -> Result<bool, StoreError>;

    /// Puts its cursor away: it begins at the horizon when it is followed again.
    async fn forget_follower(&self, name: &str) -> Result<(), StoreError>;

    /// Writes how its receiver is, whatever its version.
    async fn keep_health(&self, key: WebhookKey, health: &Health<'_>) -> Result<(), StoreError>;

    /// The conversations that wait, by when they are tried again.
    async fn blocked(&self, key: WebhookKey, limit: u32) -> Result<Vec<Blocked>, StoreError>;

    /// From where on a conversation has still to be delivered.
    async fn block(&self, key: WebhookKey, blocked: &Blocked) -> Result<(), StoreError>;

    async fn unblock(&self, key: WebhookKey, id: ConversationId) -> Result<(), StoreError>;

    /// Gives an event up; its conversation goes on as `blocked` says.
    async fn give_up(
        &self,
        key: WebhookKey,
        dead: &DeadEvent,
        blocked: &Blocked,
    ) -> Result<(), StoreError>;

    /// What was given up, the newest first.
    async fn dead_events(&self, key: WebhookKey, limit: u32) -> Result<Vec<DeadEvent>, StoreError>;

    /// How many were given up.
    async fn count_dead(&self, key: WebhookKey) -> Result<u64, StoreError>;

    /// What was given up is to be tried again: all, or that of a conversation. How many.
    async fn replay_dead(
        &self,
        key: WebhookKey,
        conversation: Option<ConversationId>,
        now_ms: u64,
    ) -> Result<u64, StoreError>;

    /// An event that was tried again: taken (`None`), or not.
    async fn end_replay(
        &self,
        key: WebhookKey,
        place: (ConversationId, u64),
        error: Option<&str>,
    ) -> Result<(), StoreError>;

    /// Whose log a conversation has.
    async fn log_kind(&self, key: ConversationKey) -> Result<LogKind, StoreError>;
}

pub(super) const COLUMNS: &str = "tenant, id, config, secrets, CAST(state AS bigint) AS state, reason,
    CAST(attempt AS bigint) AS attempt, next_at_ms, failing_since_ms, last_errors, version, created_by, created_at_ms";

/// What is in a column was written here; what is not JSON any more is taken for nothing.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::from(sqlx::Error::Decode(error.into())))
}

pub(super) fn written(value: &impl Serialize) -> String {
    // Cannot fail: texts and numbers.
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn state(code: i64) -> WebhookState {
    WebhookState::of(code)
}

/// A webhook from a row.
macro_rules! webhook {
    ($row:expr) => {{
        let number = |column| -> Result<u64, sqlx::Error> {
            Ok($row.try_get::<i64, _>(column)?.cast_unsigned())
        };
        crate::domain::webhook::Webhook {
            key: crate::domain::webhook::WebhookKey {
                tenant: reading::tenant($row.try_get("tenant")?)?,
                id: dialect::uuid($row, "id")?,
            },
            config: webhooks::read($row.try_get("config")?)?,
            secrets: webhooks::read($row.try_get("secrets")?)?,
            state: webhooks::state($row.try_get("state")?),
            reason: $row.try_get("reason")?,
            attempt: number("attempt")? as u32,
            next_at_ms: number("next_at_ms")?,
            failing_since_ms: $row
                .try_get::<Option<i64>, _>("failing_since_ms")?
                .map(i64::cast_unsigned),
            last_errors: webhooks::read($row.try_get("last_errors")?)?,
            version: number("version")?,
            created_by: $row.try_get("created_by")?,
            created_at_ms: number("created_at_ms")?,
        }
    }};
}

/// Implements [`WebhookStore`] for a store with a writing and a reading pool.
macro_rules! webhook_store {
    ($store:ty, $writers:ident, $readers:ident) => {
        #[async_trait::async_trait]
        impl webhooks::WebhookStore for $store {
            async fn create_webhook(&self, webhook: &Webhook, most: u32) -> Result<bool, StoreError> {
                let kept = sqlx::query(
                    "INSERT INTO subscribers (tenant, id, config, secrets, state, created_by, created_at_ms, updated_at_ms)
                    SELECT $1, $2, $3, $4, $5, $6, $7, $7
                    WHERE (SELECT count(*) FROM subscribers WHERE tenant = $1) < $8",
                )
                .bind(webhook.key.tenant.as_str())
                .bind(dialect::id(webhook.key.id))
                .bind(webhooks::written(&webhook.config))
                .bind(webhooks::written(&webhook.secrets))
                .bind(webhook.state.code())
                .bind(&webhook.created_by)
                .bind(webhook.created_at_ms as i64)
                .bind(i64::from(most))
                .execute(&self.$writers)
                .await?;
                Ok(kept.rows_affected() > 0)
            }

            async fn webhooks(&self, tenant: TenantId) -> Result<Vec<Webhook>, StoreError> {
                let sql = format!("SELECT {} FROM subscribers WHERE tenant = $1 ORDER BY id", webhooks::COLUMNS);
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(tenant.as_str())
                    .fetch_all(&self.$readers)
                    .await?;
                rows.iter().map(|row| Ok(webhooks::webhook!(row))).collect()
            }

            async fn webhook(&self, key: WebhookKey) -> Result<Option<Webhook>, StoreError> {
                let sql = format!("SELECT {} FROM subscribers WHERE tenant = $1 AND id = $2", webhooks::COLUMNS);
                let row = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id))
                    .fetch_optional(&self.$writers)
                    .await?;
                row.as_ref().map(|row| Ok(webhooks::webhook!(row))).transpose()
            }

            async fn enabled_webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
                let sql = format!(
                    "SELECT {} FROM subscribers WHERE state = 1 /* of every tenant */",
                    webhooks::COLUMNS
                );
                let rows =
                    sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&self.$readers).await?;
                rows.iter().map(|row| Ok(webhooks::webhook!(row))).collect()
            }

            async fn change_webhook(&self, webhook: &Webhook, now_ms: u64) -> Result<bool, StoreError> {
                let changed = sqlx::query(
                    "UPDATE subscribers SET config = $4, secrets = $5, state = $6, reason = $7, attempt = $8,
                        next_at_ms = $9, failing_since_ms = $10, version = version + 1, updated_at_ms = $11
                    WHERE tenant = $1 AND id = $2 AND version = $3",
                )
                .bind(webhook.key.tenant.as_str())
                .bind(dialect::id(webhook.key.id))
                .bind(webhook.version as i64)
                .bind(webhooks::written(&webhook.config))
                .bind(webhooks::written(&webhook.secrets))
                .bind(webhook.state.code())
                .bind(&webhook.reason)
                .bind(i64::from(webhook.attempt))
                .bind(webhook.next_at_ms as i64)
                .bind(webhook.failing_since_ms.map(|it| it as i64))
                .bind(now_ms as i64)
                .execute(&self.$writers)
                .await?;
                Ok(changed.rows_affected() > 0)
            }

            async fn remove_webhook(&self, key: WebhookKey) -> Result<bool, StoreError> {
                let mut line = self.$writers.line().await?;
                let mut transaction = sqlx::Connection::begin(&mut *line).await?;
                let removed = sqlx::query("DELETE FROM subscribers WHERE tenant = $1 AND id = $2")
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id))
                    .execute(&mut *transaction)
                    .await?;
                for sql in [
                    "DELETE FROM subscriber_blocked WHERE tenant = $1 AND subscriber_id = $2",
                    "DELETE FROM subscriber_dead WHERE tenant = $1 AND subscriber_id = $2",
                ] {
                    sqlx::query(sql)
                        .bind(key.tenant.as_str())
                        .bind(dialect::id(key.id))
                        .execute(&mut *transaction)
                        .await?;
                }
                sqlx::query("DELETE FROM follower_dead WHERE tenant = $1 AND follower = $2")
                    .bind(key.tenant.as_str())
                    .bind(key.follower())
                    .execute(&mut *transaction)
                    .await?;
                sqlx::query("DELETE FROM followers WHERE name = $1")
                    .bind(key.follower())
                    .execute(&mut *transaction)
                    .await?;
                transaction.commit().await?;
                line.done();
                Ok(removed.rows_affected() > 0)
            }

            async fn forget_follower(&self, name: &str) -> Result<(), StoreError> {
                sqlx::query("DELETE FROM followers WHERE name = $1")
                    .bind(name)
                    .execute(&self.$writers)
                    .await?;
                Ok(())
            }

            async fn keep_health(&self, key: WebhookKey, health: &webhooks::Health<'_>) -> Result<(), StoreError> {
                let state = health.disabled.map_or(1, |_| WebhookState::Disabled.code());
                sqlx::query(
                    "UPDATE subscribers SET attempt = $3, next_at_ms = $4, failing_since_ms = $5, last_errors = $6,
                        state = CASE WHEN state = 1 THEN $7 ELSE state END,
                        reason = CASE WHEN state = 1 THEN $8 ELSE reason END
                    WHERE tenant = $1 AND id = $2",
                )
                .bind(key.tenant.as_str())
                .bind(dialect::id(key.id))
                .bind(i64::from(health.attempt))
                .bind(health.next_at_ms as i64)
                .bind(health.failing_since_ms.map(|it| it as i64))
                .bind(webhooks::written(&health.last_errors))
                .bind(state)
                .bind(health.disabled.unwrap_or_default())
                .execute(&self.$writers)
                .await?;
                Ok(())
            }

            async fn blocked(&self, key: WebhookKey, limit: u32) -> Result<Vec<Blocked>, StoreError> {
                let rows = sqlx::query(
                    "SELECT conversation_id, next_seq, CAST(attempt AS bigint) AS attempt, next_at_ms, last_error
                    FROM subscriber_blocked WHERE tenant = $1 AND subscriber_id = $2
                    ORDER BY next_at_ms, conversation_id LIMIT $3",
                )
                .bind(key.tenant.as_str())
                .bind(dialect::id(key.id))
                .bind(i64::from(limit))
                .fetch_all(&self.$writers)
                .await?;
                rows.iter()
                    .map(|row| {
                        Ok(Blocked {
                            conversation_id: ConversationId(dialect::uuid(row, "conversation_id")?),
                            next_seq: row.try_get::<i64, _>("next_seq")?.cast_unsigned(),
                            attempt: row.try_get::<i64, _>("attempt")? as u32,
                            next_at_ms: row.try_get::<i64, _>("next_at_ms")?.cast_unsigned(),
                            last_error: row.try_get("last_error")?,
                        })
                    })
                    .collect()
            }

            async fn block(&self, key: WebhookKey, blocked: &Blocked) -> Result<(), StoreError> {
                webhooks::block!(key, blocked).execute(&self.$writers).await?;
                Ok(())
            }

            async fn unblock(&self, key: WebhookKey, id: ConversationId) -> Result<(), StoreError> {
                sqlx::query(
                    "DELETE FROM subscriber_blocked WHERE tenant = $1 AND subscriber_id = $2 AND conversation_id = $3",
                )
                .bind(key.tenant.as_str())
                .bind(dialect::id(key.id))
                .bind(dialect::id(id.0))
                .execute(&self.$writers)
                .await?;
                Ok(())
            }

            async fn give_up(
                &self,
                key: WebhookKey,
                dead: &DeadEvent,
                blocked: &Blocked,
            ) -> Result<(), StoreError> {
                let mut line = self.$writers.line().await?;
                let mut transaction = sqlx::Connection::begin(&mut *line).await?;
                sqlx::query(
                    "INSERT INTO subscriber_dead (tenant, subscriber_id, conversation_id, seq, event_type, error, at_ms)
                    VALUES ($1, $2, $3, $4, $5, $6, $7)
                    ON CONFLICT (tenant, subscriber_id, conversation_id, seq)
                    DO UPDATE SET error = excluded.error, at_ms = excluded.at_ms, replay_at_ms = NULL",
                )
                .bind(key.tenant.as_str())
                .bind(dialect::id(key.id))
                .bind(dialect::id(dead.conversation_id.0))
                .bind(dead.seq as i64)
                .bind(&dead.event_type)
                .bind(crate::store::tail::kept_error(&dead.error))
                .bind(dead.at_ms as i64)
                .execute(&mut *transaction)
                .await?;
                webhooks::block!(key, blocked).execute(&mut *transaction).await?;
                transaction.commit().await?;
                line.done();
                Ok(())
            }

            async fn dead_events(&self, key: WebhookKey, limit: u32) -> Result<Vec<DeadEvent>, StoreError> {
                let rows = sqlx::query(
                    "SELECT conversation_id, seq, event_type, error, at_ms, COALESCE(replay_at_ms, 0) AS replay_at_ms
                    FROM subscriber_dead WHERE tenant = $1 AND subscriber_id = $2
                    ORDER BY COALESCE(replay_at_ms, 0), at_ms DESC, conversation_id, seq LIMIT $3",
                )
                .bind(key.tenant.as_str())
                .bind(dialect::id(key.id))
                .bind(i64::from(limit))
                .fetch_all(&self.$writers)
                .await?;
                rows.iter()
                    .map(|row| {
                        Ok(DeadEvent {
                            conversation_id: ConversationId(dialect::uuid(row, "conversation_id")?),
                            seq: row.try_get::<i64, _>("seq")?.cast_unsigned(),
                            event_type: row.try_get("event_type")?,
                            error: row.try_get("error")?,
                            at_ms: row.try_get::<i64, _>("at_ms")?.cast_unsigned(),
                            is_replayed: row.try_get::<i64, _>("replay_at_ms")? > 0,
                        })
                    })
                    .collect()
            }

            async fn count_dead(&self, key: WebhookKey) -> Result<u64, StoreError> {
                let count: i64 = sqlx::query_scalar(
                    "SELECT count(*) FROM subscriber_dead WHERE tenant = $1 AND subscriber_id = $2",
                )
                .bind(key.tenant.as_str())
                .bind(dialect::id(key.id))
                .fetch_one(&self.$readers)
                .await?;
                Ok(count.cast_unsigned())
            }

            async fn replay_dead(
                &self,
                key: WebhookKey,
                conversation: Option<ConversationId>,
                now_ms: u64,
            ) -> Result<u64, StoreError> {
                let wanted = sqlx::query(
                    "UPDATE subscriber_dead SET replay_at_ms = $3 WHERE tenant = $1 AND subscriber_id = $2
                        AND ($4 = 0 OR conversation_id = $5)",
                )
                .bind(key.tenant.as_str())
                .bind(dialect::id(key.id))
                .bind(now_ms as i64)
                .bind(i64::from(conversation.is_some()))
                .bind(dialect::id(conversation.map(|id| id.0).unwrap_or_default()))
                .execute(&self.$writers)
                .await?;
                Ok(wanted.rows_affected())
            }

            async fn end_replay(
                &self,
                key: WebhookKey,
                (conversation, seq): (ConversationId, u64),
                error: Option<&str>,
            ) -> Result<(), StoreError> {
                let sql = match error {
                    None => {
                        "DELETE FROM subscriber_dead WHERE tenant = $1 AND subscriber_id = $2
                            AND conversation_id = $3 AND seq = $4 AND $5 = ''"
                    }
                    Some(_) => {
                        "UPDATE subscriber_dead SET replay_at_ms = NULL, error = $5 WHERE tenant = $1
                            AND subscriber_id = $2 AND conversation_id = $3 AND seq = $4"
                    }
                };
                sqlx::query(sql)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id))
                    .bind(dialect::id(conversation.0))
                    .bind(seq as i64)
                    .bind(crate::store::tail::kept_error(error.unwrap_or_default()))
                    .execute(&self.$writers)
                    .await?;
                Ok(())
            }

            async fn log_kind(&self, key: ConversationKey) -> Result<LogKind, StoreError> {
                let kind: Option<i64> = sqlx::query_scalar(
                    "SELECT CAST(kind AS bigint) FROM conversations WHERE tenant = $1 AND id = $2",
                )
                .bind(key.tenant.as_str())
                .bind(dialect::id(key.id.0))
                .fetch_optional(&self.$readers)
                .await?;
                Ok(LogKind::of(kind.unwrap_or_default()))
            }
        }
    };
}

/// From where on a conversation has still to be delivered.
macro_rules! block {
    ($key:expr, $blocked:expr) => {
        sqlx::query(
            "INSERT INTO subscriber_blocked (tenant, subscriber_id, conversation_id, next_seq, attempt, next_at_ms, last_error)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (tenant, subscriber_id, conversation_id) DO UPDATE
            SET next_seq = excluded.next_seq, attempt = excluded.attempt, next_at_ms = excluded.next_at_ms,
                last_error = excluded.last_error",
        )
        .bind($key.tenant.as_str())
        .bind(dialect::id($key.id))
        .bind(dialect::id($blocked.conversation_id.0))
        .bind($blocked.next_seq as i64)
        .bind(i64::from($blocked.attempt))
        .bind($blocked.next_at_ms as i64)
        .bind(crate::store::tail::kept_error(&$blocked.last_error))
    };
}

pub(super) use {block, webhook, webhook_store};
