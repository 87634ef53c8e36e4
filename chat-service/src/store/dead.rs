//! Frames that were put aside, and marks of those that were in hand when a process ended. Written once for
//! both databases: there are few of them, so each costs a statement.
//!
//! # Guarantees (held by the contract suite)
//! 1. A letter that is kept again counts up and is not doubled.
//! 2. A full table takes no new letter, and still counts those it has.
//! 3. A letter that was put aside again after it was read is not dropped by the operator who read it.
//! 4. Letters of one tenant take no room from another's.
//! 5. A mark is committed when it was made: a process that ends afterwards leaves it behind.

use async_trait::async_trait;
use proto::id::{TenantId, UserId};

use super::fault::StoreError;
use crate::domain::letter::{DeadLetter, LetterKey};

/// Marks that nobody cleared, of frames that never came back, go after this many milliseconds.
pub(super) const FORGET_MARKS_MS: u64 = 7 * 24 * 3_600 * 1_000;

/// How often a frame was in hand when its process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Times that it came again, this one included.
    pub deaths: u64,
    /// Times that it was worked on alone.
    pub alone: u64,
}

/// What was put aside.
#[async_trait]
pub trait DeadStore: Send + Sync + 'static {
    /// Keeps a letter; false when its tenant has `limit` others.
    async fn keep_dead(&self, letter: &DeadLetter, limit: u64) -> Result<bool, StoreError>;

    /// A tenant's letters by first time, which never changes, newest first, after a place (first time, id); without their
    /// bodies.
    async fn dead_letters(
        &self,
        tenant: TenantId,
        after: Option<(u64, String)>,
        limit: u32,
    ) -> Result<Vec<(DeadLetter, u64)>, StoreError>;

    /// One letter, with its body.
    async fn dead_letter(&self, key: &LetterKey) -> Result<Option<DeadLetter>, StoreError>;

    /// Drops a letter and its mark; only as it was after so many `times`, where that is given. False when
    /// there is none.
    async fn drop_dead(&self, key: &LetterKey, times: Option<u64>) -> Result<bool, StoreError>;

    /// Marks frames that came again: how often each did, in order.
    async fn mark(&self, keys: &[LetterKey], now_ms: u64) -> Result<Vec<Mark>, StoreError>;

    /// Marks a frame that is worked on alone: how often, this time included.
    async fn mark_alone(&self, key: &LetterKey, now_ms: u64) -> Result<u64, StoreError>;

    async fn unmark(&self, keys: &[LetterKey]) -> Result<(), StoreError>;
}

/// The letter and the size of its body come from the same columns in both databases.
pub(super) const LIST: &str = "
SELECT id, kind, reason, bus_partition, user_id, conversation_id, client_id, times, first_at_ms, last_at_ms,
    CAST(length(body) AS bigint) AS body_bytes
FROM dead_letters
WHERE tenant = $1 AND (first_at_ms < $2 OR (first_at_ms = $2 AND id > $3))
ORDER BY first_at_ms DESC, id LIMIT $4";

pub(super) const KEEP: &str = "
INSERT INTO dead_letters (tenant, id, kind, reason, bus_partition, user_id, conversation_id, client_id, body,
    times, first_at_ms, last_at_ms)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $10
WHERE (SELECT count(*) FROM dead_letters WHERE tenant = $1) < $11
    OR EXISTS (SELECT 1 FROM dead_letters WHERE tenant = $1 AND id = $2)
ON CONFLICT (tenant, id) DO UPDATE
SET times = dead_letters.times + 1, reason = excluded.reason, body = excluded.body,
    last_at_ms = excluded.last_at_ms";

pub(super) const MARK: &str = "
INSERT INTO suspects (tenant, id, deaths, alone, marked_at_ms) VALUES ($1, $2, 1, 0, $3)
ON CONFLICT (tenant, id) DO UPDATE SET deaths = suspects.deaths + 1, marked_at_ms = excluded.marked_at_ms
RETURNING deaths, alone";

pub(super) const MARK_ALONE: &str = "
INSERT INTO suspects (tenant, id, deaths, alone, marked_at_ms) VALUES ($1, $2, 0, 1, $3)
ON CONFLICT (tenant, id) DO UPDATE SET alone = suspects.alone + 1, marked_at_ms = excluded.marked_at_ms
RETURNING alone";

pub(super) const FORGET_MARKS: &str =
    "DELETE FROM suspects WHERE marked_at_ms < $1 /* of every tenant */";

/// Implements [`DeadStore`] for a store with a writing and a reading pool.
macro_rules! dead_store {
    ($store:ty, $writers:ident, $readers:ident) => {
        #[async_trait::async_trait]
        impl crate::store::dead::DeadStore for $store {
            async fn keep_dead(
                &self,
                letter: &crate::domain::letter::DeadLetter,
                limit: u64,
            ) -> Result<bool, StoreError> {
                let kept = sqlx::query(dead::KEEP)
                    .bind(letter.key.tenant.as_str())
                    .bind(&letter.key.id)
                    .bind(letter.kind.as_str())
                    .bind(&letter.reason)
                    .bind(i64::from(letter.partition))
                    .bind(dead::stored_user(letter))
                    .bind(dead::hex(&letter.conversation_id))
                    .bind(dead::hex(&letter.client_id))
                    .bind(&letter.body[..])
                    .bind(letter.last_at_ms as i64)
                    .bind(limit as i64)
                    .execute(&self.$writers)
                    .await?;
                Ok(kept.rows_affected() > 0)
            }

            async fn dead_letters(
                &self,
                tenant: TenantId,
                after: Option<(u64, String)>,
                limit: u32,
            ) -> Result<Vec<(crate::domain::letter::DeadLetter, u64)>, StoreError> {
                let (first_at_ms, id) = after.unwrap_or((i64::MAX as u64, String::new()));
                let rows = sqlx::query(dead::LIST)
                    .bind(tenant.as_str())
                    .bind(first_at_ms as i64)
                    .bind(id)
                    .bind(i64::from(limit))
                    .fetch_all(&self.$readers)
                    .await?;
                rows.iter()
                    .map(|row| {
                        let bytes: i64 = row.try_get("body_bytes")?;
                        Ok((dead::letter!(tenant, row, bytes::Bytes::new()), bytes as u64))
                    })
                    .collect()
            }

            async fn dead_letter(
                &self,
                key: &crate::domain::letter::LetterKey,
            ) -> Result<Option<crate::domain::letter::DeadLetter>, StoreError> {
                let row = sqlx::query("SELECT * FROM dead_letters WHERE tenant = $1 AND id = $2")
                    .bind(key.tenant.as_str())
                    .bind(&key.id)
                    .fetch_optional(&self.$readers)
                    .await?;
                let Some(row) = row else { return Ok(None) };
                let body: Vec<u8> = row.try_get("body")?;
                Ok(Some(dead::letter!(key.tenant, row, body.into())))
            }

            async fn drop_dead(
                &self,
                key: &crate::domain::letter::LetterKey,
                times: Option<u64>,
            ) -> Result<bool, StoreError> {
                let mut line = self.$writers.line().await?;
                let mut transaction = sqlx::Connection::begin(&mut *line).await?;
                let dropped = sqlx::query(
                    "DELETE FROM dead_letters WHERE tenant = $1 AND id = $2 AND ($3 < 0 OR times = $3)",
                )
                .bind(key.tenant.as_str())
                .bind(&key.id)
                .bind(times.map_or(-1, |times| times as i64))
                .execute(&mut *transaction)
                .await?;
                // It gets another chance.
                sqlx::query("DELETE FROM suspects WHERE tenant = $1 AND id = $2")
                    .bind(key.tenant.as_str())
                    .bind(&key.id)
                    .execute(&mut *transaction)
                    .await?;
                transaction.commit().await?;
                line.done();
                Ok(dropped.rows_affected() > 0)
            }

            async fn mark(
                &self,
                keys: &[crate::domain::letter::LetterKey],
                now_ms: u64,
            ) -> Result<Vec<crate::store::dead::Mark>, StoreError> {
                let mut line = self.$writers.line().await?;
                let mut transaction = sqlx::Connection::begin(&mut *line).await?;
                sqlx::query(dead::FORGET_MARKS)
                    .bind(now_ms.saturating_sub(dead::FORGET_MARKS_MS) as i64)
                    .execute(&mut *transaction)
                    .await?;
                let mut marks = Vec::with_capacity(keys.len());
                for key in keys {
                    let row = sqlx::query(dead::MARK)
                        .bind(key.tenant.as_str())
                        .bind(&key.id)
                        .bind(now_ms as i64)
                        .fetch_one(&mut *transaction)
                        .await?;
                    marks.push(crate::store::dead::Mark {
                        deaths: row.try_get::<i64, _>("deaths")? as u64,
                        alone: row.try_get::<i64, _>("alone")? as u64,
                    });
                }
                transaction.commit().await?;
                line.done();
                Ok(marks)
            }

            async fn mark_alone(
                &self,
                key: &crate::domain::letter::LetterKey,
                now_ms: u64,
            ) -> Result<u64, StoreError> {
                let row = sqlx::query(dead::MARK_ALONE)
                    .bind(key.tenant.as_str())
                    .bind(&key.id)
                    .bind(now_ms as i64)
                    .fetch_one(&self.$writers)
                    .await?;
                Ok(row.try_get::<i64, _>("alone")? as u64)
            }

            async fn unmark(
                &self,
                keys: &[crate::domain::letter::LetterKey],
            ) -> Result<(), StoreError> {
                let mut line = self.$writers.line().await?;
                let mut transaction = sqlx::Connection::begin(&mut *line).await?;
                for key in keys {
                    sqlx::query("DELETE FROM suspects WHERE tenant = $1 AND id = $2")
                        .bind(key.tenant.as_str())
                        .bind(&key.id)
                        .execute(&mut *transaction)
                        .await?;
                }
                transaction.commit().await?;
                line.done();
                Ok(())
            }
        }
    };
}

/// A letter from a row.
macro_rules! letter {
    ($tenant:expr, $row:expr, $body:expr) => {
        crate::domain::letter::DeadLetter {
            key: crate::domain::letter::LetterKey { tenant: $tenant, id: $row.try_get("id")? },
            kind: crate::domain::letter::LetterKind::from_stored($row.try_get("kind")?),
            reason: $row.try_get("reason")?,
            partition: $row.try_get::<i64, _>("bus_partition")? as proto::partition::Partition,
            user_id: dead::user_of($tenant, $row.try_get("user_id")?),
            conversation_id: dead::unhex($row.try_get("conversation_id")?),
            client_id: dead::unhex($row.try_get("client_id")?),
            body: $body,
            times: $row.try_get::<i64, _>("times")? as u64,
            first_at_ms: $row.try_get::<i64, _>("first_at_ms")? as u64,
            last_at_ms: $row.try_get::<i64, _>("last_at_ms")? as u64,
        }
    };
}

pub(super) use {dead_store, letter};

/// The name of a letter's user, as the column holds it; what is no user as it came.
pub(super) fn stored_user(letter: &DeadLetter) -> String {
    match UserId::parse_qualified(&letter.user_id) {
        Ok(user) => user.name_str().to_owned(),
        Err(_) => letter.user_id.clone(),
    }
}

/// The reverse of [`stored_user`].
pub(super) fn user_of(tenant: TenantId, stored: String) -> String {
    match super::reading::user_name(&stored) {
        Ok(name) => name.of(tenant).to_string(),
        Err(_) => stored,
    }
}

/// Ids as they came: 16 bytes, or anything that a malformed frame holds.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The reverse of [`hex`]; nothing for what is none.
pub(super) fn unhex(text: &str) -> bytes::Bytes {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let pairs = digits.unwrap_or_default();
    pairs.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>().into()
}
