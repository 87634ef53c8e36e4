//! The tail on SQLite: see `store/tail.rs`. Each transaction that appends leaves one row with the places of its entries,
//! while somebody follows; rows go when all followers are past them.

use std::time::Duration;

use async_trait::async_trait;
use proto::id::{ConversationId, ConversationKey, TenantId};
use sqlx::{Connection, Row, Sqlite, Transaction};

use super::append::json;
use super::{SqliteStore, dialect, entry};
use crate::domain::entry::EntryRow;
use crate::store::StoreError;
use crate::store::reading::corrupt;
use crate::store::tail::{
    Counted, Followed, FollowerStore, Horizon, Move, Position, TailPage, TailRow, TailStore,
};

/// Transactions first, so that a page holds whole ones, then their entries by key.
pub(super) const TAIL: &str = "
WITH counted AS MATERIALIZED (
    SELECT pos, places, sum(json_array_length(places)) OVER (ORDER BY pos) - json_array_length(places) AS before
    FROM (SELECT pos, places FROM appends WHERE pos > $1 ORDER BY pos LIMIT $2)
)
SELECT a.pos, e.tenant, e.conversation_id, e.seq, e.id AS entry_id, e.kind AS entry_kind, e.sender_id, e.client_id,
    e.content, e.reply_to, e.mentions, e.is_important, e.extra, e.created_at_ms,
    COALESCE(u.name, '') AS sender_name, COALESCE(u.avatar, '') AS sender_avatar
FROM counted a
CROSS JOIN json_each(a.places) p
CROSS JOIN entries e ON e.tenant = p.value ->> 0 AND e.conversation_id = p.value ->> 1 AND e.seq = p.value ->> 2
LEFT JOIN users u ON u.tenant = e.tenant AND u.id = e.sender_id
WHERE a.before < $2
ORDER BY a.pos, e.tenant, e.conversation_id, e.seq";

/// The highest place that was ever given: rows that all have passed are gone.
const HORIZON: &str =
    "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'appends'), 0)";

const APPENDED: &str = "
INSERT INTO appends (at_ms, places)
SELECT $1, $2 WHERE EXISTS (SELECT 1 FROM followers)";

const FOLLOW: &str = "
INSERT INTO followers (name, position, epoch, owner, lease_until_ms, moved_at_ms)
VALUES ($1, COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'appends'), 0), (SELECT epoch FROM store_epoch),
    $2, $3 + $4, $3)
ON CONFLICT (name) DO UPDATE
SET epoch = excluded.epoch, owner = excluded.owner, lease_until_ms = excluded.lease_until_ms
    WHERE owner IS NULL OR owner = excluded.owner OR lease_until_ms < $3
RETURNING position";

const EPOCH_BEFORE: &str = "
SELECT f.epoch <> s.epoch FROM followers f, store_epoch s WHERE f.name = $1";

const MOVE: &str = "
UPDATE followers SET position = $4, moved_at_ms = $5
WHERE name = $1 AND owner = $2 AND position = $3 AND lease_until_ms >= $5";

const COUNT: &str = "
INSERT INTO entry_counts (tenant, kind, entries)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1) WHERE true
ON CONFLICT (tenant, kind) DO UPDATE SET entries = entries + excluded.entries";

const FORGET: &str = "DELETE FROM appends WHERE pos <= (SELECT min(position) FROM followers)";

const RELEASE: &str =
    "UPDATE followers SET owner = NULL, lease_until_ms = NULL WHERE name = $1 AND owner = $2";

/// A follower that has not moved for so long was switched off: it holds the rows of the tail no longer, and begins at
/// the horizon when it is switched on again.
const FORGET_FOLLOWERS: &str =
    "DELETE FROM followers WHERE moved_at_ms < $1 AND COALESCE(lease_until_ms, 0) < $1";

/// In milliseconds: seven days.
const SWITCHED_OFF_AFTER_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// The clock of the one process that has the file.
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// Leaves the places of a transaction's entries for those who follow.
pub(super) async fn appended(
    transaction: &mut Transaction<'_, Sqlite>,
    entries: &[EntryRow],
) -> Result<(), sqlx::Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let places: Vec<_> = entries
        .iter()
        .map(|entry| (entry.sender_id.tenant(), entry.conversation_id, entry.seq))
        .collect();
    sqlx::query(APPENDED)
        .bind(now_ms())
        .bind(json(&places))
        .execute(&mut **transaction)
        .await
        .map(|_| ())
}

#[async_trait]
impl TailStore for SqliteStore {
    async fn tail(&self, after: Position, limit: u32) -> Result<TailPage, StoreError> {
        let rows = sqlx::query(TAIL)
            .bind(after.0 as i64)
            .bind(i64::from(limit.max(1)))
            .fetch_all(&self.readers)
            .await?;
        let rows: Result<Vec<_>, StoreError> = rows
            .iter()
            .map(|row| {
                let tenant =
                    TenantId::parse(row.try_get("tenant")?).map_err(|_| corrupt("tenant"))?;
                let id = ConversationId(dialect::uuid(row, "conversation_id")?);
                let position = Position(row.try_get::<i64, _>("pos")? as u64);
                Ok(TailRow { position, entry: entry(row, ConversationKey::new(tenant, id))? })
            })
            .collect();
        let rows = rows?;
        let next = rows.last().map_or(after, |last| last.position);
        Ok(TailPage { rows, next })
    }

    async fn is_ready(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn horizon(&self) -> Result<Horizon, StoreError> {
        let position: i64 = sqlx::query_scalar(HORIZON).fetch_one(&self.readers).await?;
        Ok(Horizon { position: Position(position as u64), held: Duration::ZERO })
    }
}

#[async_trait]
impl FollowerStore for SqliteStore {
    async fn follow(
        &self,
        name: &str,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<Followed>, StoreError> {
        let mut line = self.unsynced().await?;
        let mut transaction = line.begin_with("BEGIN IMMEDIATE").await?;
        let is_new_epoch: Option<bool> =
            sqlx::query_scalar(EPOCH_BEFORE).bind(name).fetch_optional(&mut *transaction).await?;
        let position: Option<i64> = sqlx::query_scalar(FOLLOW)
            .bind(name)
            .bind(owner)
            .bind(now_ms())
            .bind(lease.as_millis() as i64)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        line.done();
        let is_new_epoch = is_new_epoch.unwrap_or_default();
        Ok(position.map(|position| Followed { position: Position(position as u64), is_new_epoch }))
    }

    async fn move_follower(&self, step: &Move<'_>) -> Result<bool, StoreError> {
        let counted: Vec<_> = step
            .counted
            .iter()
            .map(|(tenant, kind, entries)| (tenant.as_str(), kind, entries))
            .collect();
        let mut line = self.unsynced().await?;
        let mut transaction = line.begin_with("BEGIN IMMEDIATE").await?;
        let moved = sqlx::query(MOVE)
            .bind(step.name)
            .bind(step.owner)
            .bind(step.from.0 as i64)
            .bind(step.to.0 as i64)
            .bind(now_ms())
            .execute(&mut *transaction)
            .await?;
        if moved.rows_affected() == 0 {
            transaction.rollback().await?;
            line.done();
            return Ok(false);
        }
        if !counted.is_empty() {
            sqlx::query(COUNT).bind(json(&counted)).execute(&mut *transaction).await?;
        }
        sqlx::query(FORGET_FOLLOWERS)
            .bind(now_ms() - SWITCHED_OFF_AFTER_MS)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(FORGET).execute(&mut *transaction).await?;
        transaction.commit().await?;
        line.done();
        Ok(true)
    }

    async fn release(&self, name: &str, owner: &str) -> Result<(), StoreError> {
        let mut line = self.unsynced().await?;
        let released = sqlx::query(RELEASE).bind(name).bind(owner).execute(&mut *line).await;
        line.ended(released)?;
        Ok(())
    }

    async fn counts(&self) -> Result<Vec<Counted>, StoreError> {
        let sql = "SELECT tenant, kind, entries FROM entry_counts ORDER BY tenant, kind";
        let rows = sqlx::query(sql).fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                let tenant =
                    TenantId::parse(row.try_get("tenant")?).map_err(|_| corrupt("tenant"))?;
                Ok((tenant, row.try_get("kind")?, row.try_get::<i64, _>("entries")? as u64))
            })
            .collect()
    }
}
