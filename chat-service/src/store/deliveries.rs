//! What webhooks are to get once more, what they did not take, and whose conversations they are. Written once for both
//! databases.
//!
//! # Guarantees (held by the contract suite)
//! 1. An event that is wanted once more is there until it was taken or given up again, each once.
//! 2. What is wanted once more counts as not taken only after it was given up again.

use std::collections::HashSet;

use async_trait::async_trait;
use proto::id::{ConversationId, ConversationKey, UserName};

use super::fault::StoreError;
use crate::domain::webhook::WebhookKey;

/// An event that an operator wants delivered once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    pub conversation_id: ConversationId,
    pub seq: u64,
    pub event_type: &'static str,
}

/// Why an event that was not given up is among those that were: until it is taken.
pub const REPLAYED: &str = "replayed by an operator";

/// A webhook that did not take an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undelivered {
    pub webhook: WebhookKey,
    /// It is not tried again.
    pub is_dead: bool,
}

#[async_trait]
pub trait DeliveryStore: Send + Sync + 'static {
    /// These events are to be delivered once more, whatever became of them.
    async fn replay_events(
        &self,
        key: WebhookKey,
        events: &[Replayed],
        now_ms: u64,
    ) -> Result<(), StoreError>;

    /// The events that are to be delivered once more, by conversation and seq.
    async fn replays(
        &self,
        key: WebhookKey,
        limit: u32,
    ) -> Result<Vec<(ConversationId, u64)>, StoreError>;

    /// Those of some conversations that one of these users is a member of.
    async fn conversations_with(
        &self,
        keys: &[ConversationKey],
        users: &[UserName],
    ) -> Result<HashSet<ConversationId>, StoreError>;

    /// The webhooks of an entry's tenant that did not take it: it waits for another attempt, or was given up.
    async fn undelivered(
        &self,
        key: ConversationKey,
        seq: u64,
    ) -> Result<Vec<Undelivered>, StoreError>;
}

/// Rows that are written at once.
pub(super) const REPLAYED_AT_ONCE: usize = 500;

pub(super) const REPLAYED_AGAIN: &str = " ON CONFLICT (tenant, subscriber_id, conversation_id, seq) DO UPDATE SET replay_at_ms = excluded.replay_at_ms";

pub(super) const REPLAYS: &str = "
SELECT conversation_id, seq FROM subscriber_dead
WHERE tenant = $1 AND subscriber_id = $2 AND replay_at_ms IS NOT NULL ORDER BY conversation_id, seq LIMIT $3";

/// Of given conversations those with a member among users.
pub(super) fn conversations_with(given_places: &str, named: &str) -> String {
    format!(
        "SELECT DISTINCT m.conversation_id
        FROM {given_places} members m ON m.tenant = g.tenant AND m.conversation_id = g.id AND {named}"
    )
}

/// Of what waits, the entry that failed alone: those behind it were not tried.
pub(super) const UNDELIVERED: &str = "
SELECT s.id, CAST(1 AS bigint) AS is_dead FROM subscribers s
JOIN subscriber_dead d ON d.tenant = s.tenant AND d.subscriber_id = s.id AND d.conversation_id = $2 AND d.seq = $3
WHERE s.tenant = $1 AND d.replay_at_ms IS NULL
UNION ALL
SELECT s.id, CAST(0 AS bigint) AS is_dead FROM subscribers s
JOIN subscriber_blocked b ON b.tenant = s.tenant AND b.subscriber_id = s.id AND b.conversation_id = $2
WHERE s.tenant = $1 AND b.next_seq = $3 AND b.attempt > 0";

/// Implements [`DeliveryStore`] for a store with a writing and a reading pool.
macro_rules! delivery_store {
    ($store:ty, $database:ty, $writers:ident, $readers:ident) => {
        #[async_trait::async_trait]
        impl deliveries::DeliveryStore for $store {
            async fn replay_events(
                &self,
                key: WebhookKey,
                events: &[deliveries::Replayed],
                now_ms: u64,
            ) -> Result<(), StoreError> {
                for some in events.chunks(deliveries::REPLAYED_AT_ONCE) {
                    let mut insert = sqlx::QueryBuilder::<$database>::new(
                        "INSERT INTO subscriber_dead (tenant, subscriber_id, conversation_id, seq, event_type, error, \
                         at_ms, replay_at_ms) ",
                    );
                    insert.push_values(some, |mut row, event| {
                        row.push_bind(key.tenant.as_str())
                            .push_bind(dialect::id(key.id))
                            .push_bind(dialect::id(event.conversation_id.0))
                            .push_bind(event.seq as i64)
                            .push_bind(event.event_type)
                            .push_bind(deliveries::REPLAYED)
                            .push_bind(now_ms as i64)
                            .push_bind(now_ms as i64);
                    });
                    insert.push(deliveries::REPLAYED_AGAIN);
                    insert.build().execute(&self.$writers).await?;
                }
                Ok(())
            }

            async fn replays(
                &self,
                key: WebhookKey,
                limit: u32,
            ) -> Result<Vec<(ConversationId, u64)>, StoreError> {
                let rows = sqlx::query(deliveries::REPLAYS)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id))
                    .bind(i64::from(limit))
                    .fetch_all(&self.$writers)
                    .await?;
                let place = |row| {
                    let id = ConversationId(dialect::uuid(row, "conversation_id")?);
                    Ok((id, row.try_get::<i64, _>("seq")?.cast_unsigned()))
                };
                rows.iter().map(place).collect()
            }

            async fn conversations_with(
                &self,
                keys: &[ConversationKey],
                users: &[UserName],
            ) -> Result<std::collections::HashSet<ConversationId>, StoreError> {
                if keys.is_empty() || users.is_empty() {
                    return Ok(std::collections::HashSet::new());
                }
                let places: Vec<_> = keys.iter().map(|key| (*key, 0)).collect();
                let sql = deliveries::conversations_with(dialect::GIVEN_PLACES, dialect::WITH_NAMED);
                let query = sqlx::query(sqlx::AssertSqlSafe(sql));
                let query = dialect::bind_places(query, &places).bind(dialect::names(users));
                let rows = query.fetch_all(&self.$readers).await?;
                let id = |row| Ok(ConversationId(dialect::uuid(row, "conversation_id")?));
                rows.iter().map(id).collect()
            }

            async fn undelivered(
                &self,
                key: ConversationKey,
                seq: u64,
            ) -> Result<Vec<deliveries::Undelivered>, StoreError> {
                let rows = sqlx::query(deliveries::UNDELIVERED)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(seq as i64)
                    .fetch_all(&self.$readers)
                    .await?;
                let undelivered = |row| {
                    let webhook = WebhookKey { tenant: key.tenant, id: dialect::uuid(row, "id")? };
                    let is_dead = row.try_get::<i64, _>("is_dead")? > 0;
                    Ok(deliveries::Undelivered { webhook, is_dead })
                };
                rows.iter().map(undelivered).collect()
            }
        }
    };
}

pub(super) use delivery_store;
