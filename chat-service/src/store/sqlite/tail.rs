//! The tail on SQLite: see `store/tail.rs`. Each transaction that appends leaves one row with the places of its entries,
//! while somebody follows; rows go when all followers are past them.

use std::time::Duration;

use async_trait::async_trait;
use proto::id::ConversationKey;
use sqlx::{AssertSqlSafe, Connection, Sqlite, Transaction};

use super::json::json;
use super::{SqliteStore, dialect, entry};
use crate::clock::now_ms;
use crate::domain::entry::Entry;
use crate::store::StoreError;
use crate::store::tail::{
    AsideRow, COUNTS, Counted, Followed, FollowerStore, FollowerView, Horizon, Move, Need,
    PUT_ASIDE, Position, Rest, TailPage, TailStore, counted, kept_error, page, views,
};

/// Transactions first, so that a page holds whole ones, then their entries by key.
pub(super) const TAIL: &str = "
WITH counted AS MATERIALIZED (
    SELECT pos, places, sum(json_array_length(places)) OVER (ORDER BY pos) - json_array_length(places) AS before
    FROM (SELECT pos, places FROM appends WHERE pos > $1 ORDER BY pos LIMIT $2)
)
SELECT a.pos AS position, e.tenant, e.conversation_id, e.seq, e.id AS entry_id, e.kind AS entry_kind, e.sender_id, e.client_id,
    e.content, e.reply_to, e.mentions, e.is_important, e.extra, e.created_at_ms, e.sender_type, e.device_type,
    e.target, e.thread, e.also_in_main, e.expires_at_ms, e.flags, e.forwarded,
    COALESCE(u.name, '') AS sender_name, COALESCE(u.avatar, '') AS sender_avatar, COALESCE(c.kind, 0) AS log_kind
FROM counted a
CROSS JOIN json_each(a.places) p
CROSS JOIN entries e ON e.tenant = p.value ->> 0 AND e.conversation_id = p.value ->> 1 AND e.seq = p.value ->> 2
LEFT JOIN users u ON u.tenant = e.tenant AND u.id = e.sender_id
LEFT JOIN conversations c ON c.tenant = e.tenant AND c.id = e.conversation_id
WHERE a.before < $2
ORDER BY a.pos, e.tenant, e.conversation_id, e.seq";

/// Transactions in which an entry is looked for, the newest ones.
const SEARCHED: i64 = 100_000;

const PLACE: &str = "
SELECT a.pos FROM appends a
WHERE a.pos > (SELECT COALESCE(max(pos), 0) FROM appends) - $4 AND EXISTS (
    SELECT 1 FROM json_each(a.places) p
    WHERE p.value ->> 0 = $1 AND p.value ->> 1 = $2 AND p.value ->> 2 = $3
)
ORDER BY a.pos DESC LIMIT 1";

/// The highest place that was ever given: rows that all have passed are gone.
const HORIZON: &str =
    "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'appends'), 0)";

const IS_FOLLOWED: &str = "SELECT EXISTS (SELECT 1 FROM followers WHERE is_resting = 0)";

const APPENDED: &str = "INSERT INTO appends (at_ms, places) VALUES ($1, $2)";

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

/// The cursor that stands for all who read without following: what is younger than seven days is kept for them.
const READERS: &str = "readers";

const KEEP_FOR_READERS: &str = "
INSERT INTO followers (name, position, epoch, moved_at_ms)
VALUES ($1, COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'appends'), 0), (SELECT epoch FROM store_epoch), $2)
ON CONFLICT (name) DO UPDATE SET moved_at_ms = excluded.moved_at_ms,
    position = max(position, COALESCE((SELECT max(pos) FROM appends WHERE at_ms < $3), 0))";

/// Nothing is kept: what comes next is there.
const KEPT_FROM: &str = "
SELECT COALESCE((SELECT min(pos) - 1 FROM appends),
    (SELECT seq FROM sqlite_sequence WHERE name = 'appends'), 0)";

const REST: &str = "
UPDATE followers SET moved_at_ms = $4, is_resting = 1,
    position = max(position, COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'appends'), 0))
WHERE name = $1 AND owner = $2 AND position = $3 AND lease_until_ms >= $4
RETURNING position";

const WAKE: &str =
    "UPDATE followers SET is_resting = 0 WHERE name = $1 AND owner = $2 AND is_resting = 1";

const FOLLOWERS: &str = "/* of every tenant */
SELECT f.name, f.position, CASE WHEN f.lease_until_ms >= $1 THEN COALESCE(f.owner, '') ELSE '' END AS owner,
    f.moved_at_ms,
    $1 - COALESCE((SELECT a.at_ms FROM appends a WHERE a.pos > f.position ORDER BY a.pos LIMIT 1), $1) AS lag_ms,
    (SELECT count(*) FROM follower_dead d WHERE d.follower = f.name) AS aside
FROM followers f WHERE f.name <> $2 ORDER BY f.name";

const COUNT: &str = "
INSERT INTO entry_counts (tenant, kind, entries)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1) WHERE true
ON CONFLICT (tenant, kind) DO UPDATE SET entries = entries + excluded.entries";

const FORGET: &str = "DELETE FROM appends WHERE pos <= (SELECT min(position) FROM followers)";

const RELEASE: &str =
    "UPDATE followers SET owner = NULL, lease_until_ms = NULL WHERE name = $1 AND owner = $2";

/// A follower that has not moved for so long was switched off: it holds the rows of the tail no longer, and begins at
/// the horizon when it is switched on again.
const FORGET_FOLLOWERS: &str = "DELETE FROM followers WHERE moved_at_ms < $1 AND COALESCE(lease_until_ms, 0) < $1 RETURNING name";

/// In milliseconds: seven days.
const SWITCHED_OFF_AFTER_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// Leaves the places of a transaction's entries for those who follow. While nobody does, they are not even put together.
pub(super) async fn appended(
    transaction: &mut Transaction<'_, Sqlite>,
    entries: &[Entry],
) -> Result<(), sqlx::Error> {
    if entries.is_empty() {
        return Ok(());
    }
    // Asked in the transaction that appends: a follower that is new begins behind it or is seen.
    if !sqlx::query_scalar::<_, bool>(IS_FOLLOWED).fetch_one(&mut **transaction).await? {
        return Ok(());
    }
    let places: Vec<_> = entries
        .iter()
        .map(|entry| (entry.author.id.tenant(), entry.conversation_id, entry.seq))
        .collect();
    sqlx::query(APPENDED)
        .bind(now_ms() as i64)
        .bind(json(&places))
        .execute(&mut **transaction)
        .await
        .map(|_| ())
}

/// Forgets followers that were switched off, and rows that all others have passed.
async fn forget(transaction: &mut Transaction<'_, Sqlite>) -> Result<(), sqlx::Error> {
    let forgotten: Vec<String> = sqlx::query_scalar(FORGET_FOLLOWERS)
        .bind(now_ms() as i64 - SWITCHED_OFF_AFTER_MS)
        .fetch_all(&mut **transaction)
        .await?;
    for name in forgotten {
        tracing::warn!(
            name,
            "the follower has not moved for seven days: it was switched off, and begins anew when it is back"
        );
    }
    sqlx::query(FORGET).execute(&mut **transaction).await.map(|_| ())
}

#[async_trait]
impl TailStore for SqliteStore {
    async fn tail(&self, after: Position, limit: u32) -> Result<TailPage, StoreError> {
        let rows = sqlx::query(TAIL)
            .bind(after.0 as i64)
            .bind(i64::from(limit.max(1)))
            .fetch_all(&self.readers)
            .await?;
        page(&rows, after, entry, dialect::uuid)
    }

    async fn place(&self, key: ConversationKey, seq: u64) -> Result<Option<Position>, StoreError> {
        let position: Option<i64> = sqlx::query_scalar(PLACE)
            .bind(key.tenant.as_str())
            .bind(dialect::id(key.id.0))
            .bind(seq as i64)
            .bind(SEARCHED)
            .fetch_optional(&self.readers)
            .await?;
        Ok(position.map(|it| Position(it as u64)))
    }

    async fn is_ready(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn keep_for_readers(&self) -> Result<(), StoreError> {
        let mut line = self.unsynced().await?;
        let mut transaction = line.begin_with("BEGIN IMMEDIATE").await?;
        let now = now_ms() as i64;
        sqlx::query(KEEP_FOR_READERS)
            .bind(READERS)
            .bind(now)
            .bind(now - SWITCHED_OFF_AFTER_MS)
            .execute(&mut *transaction)
            .await?;
        forget(&mut transaction).await?;
        transaction.commit().await?;
        line.done();
        Ok(())
    }

    async fn kept_from(&self) -> Result<Position, StoreError> {
        let position: i64 = sqlx::query_scalar(KEPT_FROM).fetch_one(&self.readers).await?;
        Ok(Position(position as u64))
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
            .bind(now_ms() as i64)
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
            .bind(now_ms() as i64)
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
        forget(&mut transaction).await?;
        transaction.commit().await?;
        line.done();
        Ok(true)
    }

    async fn is_needed(&self, need: &Need) -> Result<bool, StoreError> {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", need.table);
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.readers).await?)
    }

    async fn rest(
        &self,
        name: &str,
        owner: &str,
        from: Position,
        need: &Need,
    ) -> Result<Rest, StoreError> {
        let mut line = self.unsynced().await?;
        let mut transaction = line.begin_with("BEGIN IMMEDIATE").await?;
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", need.table);
        let is_needed: bool =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *transaction).await?;
        let mut rest = Rest::Needed;
        if is_needed {
            sqlx::query(WAKE).bind(name).bind(owner).execute(&mut *transaction).await?;
        } else {
            let position: Option<i64> = sqlx::query_scalar(REST)
                .bind(name)
                .bind(owner)
                .bind(from.0 as i64)
                .bind(now_ms() as i64)
                .fetch_optional(&mut *transaction)
                .await?;
            rest = position.map_or(Rest::Lost, |it| Rest::Resting(Position(it as u64)));
            forget(&mut transaction).await?;
        }
        transaction.commit().await?;
        line.done();
        Ok(rest)
    }

    async fn put_aside(&self, follower: &str, row: &AsideRow) -> Result<(), StoreError> {
        let mut line = self.unsynced().await?;
        let kept = sqlx::query(PUT_ASIDE)
            .bind(row.conversation.tenant.as_str())
            .bind(follower)
            .bind(dialect::id(row.conversation.id.0))
            .bind(row.seq as i64)
            .bind(kept_error(&row.error))
            .bind(row.at_ms as i64)
            .execute(&mut *line)
            .await;
        line.ended(kept)?;
        Ok(())
    }

    async fn is_followed(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(IS_FOLLOWED).fetch_one(&self.readers).await?)
    }

    async fn followers(&self) -> Result<Vec<FollowerView>, StoreError> {
        let rows = sqlx::query(FOLLOWERS)
            .bind(now_ms() as i64)
            .bind(READERS)
            .fetch_all(&self.readers)
            .await?;
        views(&rows)
    }

    async fn release(&self, name: &str, owner: &str) -> Result<(), StoreError> {
        let mut line = self.unsynced().await?;
        let released = sqlx::query(RELEASE).bind(name).bind(owner).execute(&mut *line).await;
        line.ended(released)?;
        Ok(())
    }

    async fn counts(&self) -> Result<Vec<Counted>, StoreError> {
        let rows = sqlx::query(COUNTS).fetch_all(&self.readers).await?;
        counted(&rows)
    }
}

#[cfg(test)]
mod tests {
    use proto::id::UserId;

    use super::*;
    use crate::domain::entry::tests::text;
    use crate::store::{AppendBatch, LogStore};

    #[tokio::test]
    async fn places_are_kept_only_while_somebody_follows() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("chat.db")).await.unwrap();
        let ann = UserId::parse_qualified("ann").unwrap();
        let append = async |seq| {
            let batch = AppendBatch { entries: vec![text(seq, &ann)], ..AppendBatch::default() };
            store.append(&batch).await.unwrap();
        };
        let kept = async || {
            let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM appends");
            count.fetch_one(&store.readers).await.unwrap()
        };
        append(1).await;
        assert_eq!(kept().await, 0, "nobody follows");
        let taken = store.follow("counts", "me", Duration::from_secs(9)).await.unwrap().unwrap();
        append(2).await;
        assert_eq!(kept().await, 1);
        store.release("counts", "me").await.unwrap();
        append(3).await;
        assert_eq!(kept().await, 2, "the next owner goes on from its place");
        let page = store.tail(taken.position, 9).await.unwrap();
        assert_eq!(page.rows.len(), 2);
        store.close().await;
    }
}
