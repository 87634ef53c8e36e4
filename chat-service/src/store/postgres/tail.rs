//! The tail on Postgres: see `store/tail.rs`.

use std::time::Duration;

use async_trait::async_trait;
use proto::id::ConversationKey;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};

use super::{PostgresStore, dialect, entry, indexes};
use crate::store::StoreError;
use crate::store::tail::{
    AsideRow, COUNTS, Counted, Followed, FollowerStore, FollowerView, Horizon, Move, Need,
    PUT_ASIDE, Position, Rest, TailPage, TailStore, counted, kept_error, page, views,
};

/// By the index on `xid` alone: a walk reads what it gives. Read on the primary, as the horizon is its own.
const TAIL: &str = "/* of every tenant */
SELECT e.tenant, e.conversation_id, e.seq, e.id AS entry_id, e.kind AS entry_kind, e.sender_id, e.client_id, e.content,
    e.reply_to, e.mentions, e.is_important, e.extra, e.created_at_ms, CAST(e.sender_type AS bigint) AS sender_type,
    CAST(e.device_type AS bigint) AS device_type, e.target, e.thread, e.also_in_main, e.expires_at_ms, CAST(e.flags AS bigint) AS flags, e.forwarded,
    e.xid AS position,
    COALESCE(u.name, '') AS sender_name, COALESCE(u.avatar, '') AS sender_avatar,
    CAST(COALESCE(c.kind, 0) AS bigint) AS log_kind
FROM (
    SELECT * FROM entries
    WHERE xid > 0 AND xid > $1
        AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint + (SELECT xid_offset FROM store_origin)
    ORDER BY xid FETCH FIRST $2 ROWS WITH TIES
) e
LEFT JOIN users u ON u.tenant = e.tenant AND u.id = e.sender_id
LEFT JOIN conversations c ON c.tenant = e.tenant AND c.id = e.conversation_id
ORDER BY e.xid, e.tenant, e.conversation_id, e.seq";

const PLACE: &str =
    "SELECT xid FROM entries WHERE tenant = $1 AND conversation_id = $2 AND seq = $3";

const HORIZON: &str = "
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint + (SELECT xid_offset FROM store_origin) - 1 AS position,
    COALESCE(GREATEST(
        (SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity
            WHERE backend_xid IS NOT NULL),
        (SELECT extract(epoch FROM clock_timestamp() - min(prepared)) FROM pg_prepared_xacts)
    ), 0)::double precision AS held";

/// A follower that is new gets its row, at the horizon; one that nobody has, or whose owner is late, gets this owner.
const FOLLOW: &str = "
WITH before AS (SELECT epoch FROM followers WHERE name = $1)
INSERT INTO followers (name, position, epoch, owner, lease_until)
SELECT $1, pg_snapshot_xmin(pg_current_snapshot())::text::bigint + (SELECT xid_offset FROM store_origin) - 1,
    (SELECT epoch FROM store_epoch), $2, clock_timestamp() + make_interval(secs => $3)
ON CONFLICT (name) DO UPDATE
SET epoch = excluded.epoch, owner = excluded.owner, lease_until = excluded.lease_until
    WHERE followers.owner IS NULL OR followers.owner = excluded.owner OR followers.lease_until < clock_timestamp()
RETURNING position, COALESCE((SELECT epoch <> followers.epoch FROM before), false) AS is_new_epoch";

/// What is counted is written by the statement that moves, and only if it does.
const MOVE: &str = "
WITH moved AS (
    UPDATE followers SET position = $4, moved_at = clock_timestamp()
    WHERE name = $1 AND owner = $2 AND position = $3 AND lease_until >= clock_timestamp()
    RETURNING name
), counted AS (
    INSERT INTO entry_counts (tenant, kind, entries)
    SELECT c.tenant, c.kind, c.entries FROM moved, unnest($5::text[], $6::text[], $7::bigint[]) AS c (tenant, kind, entries)
    ON CONFLICT (tenant, kind) DO UPDATE SET entries = entry_counts.entries + excluded.entries
)
SELECT count(*) FROM moved";

const RELEASE: &str =
    "UPDATE followers SET owner = NULL, lease_until = NULL WHERE name = $1 AND owner = $2";

/// Of the same snapshot: what is needed and was not seen has a transaction that holds the horizon, or begins after it.
macro_rules! rest_sql {
    () => {
        "
WITH needed AS (SELECT EXISTS (SELECT 1 FROM {table}) AS is_needed),
moved AS (
    UPDATE followers SET moved_at = clock_timestamp(), is_resting = true, position = GREATEST(position,
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint + (SELECT xid_offset FROM store_origin) - 1)
    WHERE name = $1 AND owner = $2 AND position = $3 AND lease_until >= clock_timestamp()
        AND NOT (SELECT is_needed FROM needed)
    RETURNING position
), woken AS (
    UPDATE followers SET is_resting = false
    WHERE name = $1 AND owner = $2 AND is_resting AND (SELECT is_needed FROM needed)
)
SELECT (SELECT is_needed FROM needed) AS is_needed, (SELECT position FROM moved) AS position"
    };
}

const IS_FOLLOWED: &str = "
SELECT EXISTS (SELECT 1 FROM followers WHERE lease_until >= clock_timestamp() AND NOT is_resting)";

const FOLLOWERS: &str = "/* of every tenant */
SELECT f.name, f.position,
    CASE WHEN f.lease_until >= clock_timestamp() THEN COALESCE(f.owner, '') ELSE '' END AS owner,
    (extract(epoch FROM f.moved_at) * 1000)::bigint AS moved_at_ms,
    COALESCE((extract(epoch FROM clock_timestamp()) * 1000)::bigint - (
        SELECT e.created_at_ms FROM entries e WHERE e.xid > 0 AND e.xid > f.position ORDER BY e.xid LIMIT 1
    ), 0) AS lag_ms,
    (SELECT count(*) FROM follower_dead d WHERE d.follower = f.name) AS aside
FROM followers f ORDER BY f.name";

#[async_trait]
impl TailStore for PostgresStore {
    async fn tail(&self, after: Position, limit: u32) -> Result<TailPage, StoreError> {
        let tail = if crate::planted::TAIL_WITHOUT_HORIZON {
            sqlx::query(AssertSqlSafe(TAIL.replace("AND xid < ", "AND 0 < ")))
        } else {
            sqlx::query(TAIL)
        };
        let rows = tail
            .bind(after.0 as i64)
            .bind(i64::from(limit.max(1)))
            .fetch_all(&self.writers)
            .await?;
        page(&rows, after, entry, dialect::uuid)
    }

    async fn place(&self, key: ConversationKey, seq: u64) -> Result<Option<Position>, StoreError> {
        let position: Option<i64> = sqlx::query_scalar(PLACE)
            .bind(key.tenant.as_str())
            .bind(dialect::id(key.id.0))
            .bind(seq as i64)
            .fetch_optional(&self.readers)
            .await?;
        Ok(position.filter(|it| *it > 0).map(|it| Position(it as u64)))
    }

    async fn is_ready(&self) -> Result<bool, StoreError> {
        let is_valid: Option<bool> = sqlx::query_scalar(indexes::IS_VALID)
            .bind(indexes::TAIL)
            .fetch_optional(&self.readers)
            .await?;
        Ok(is_valid.unwrap_or_default())
    }

    /// Entries have their places as long as they are there.
    async fn keep_for_readers(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn kept_from(&self) -> Result<Position, StoreError> {
        Ok(Position(0))
    }

    async fn horizon(&self) -> Result<Horizon, StoreError> {
        let row = sqlx::query(HORIZON).fetch_one(&self.writers).await?;
        Ok(Horizon {
            position: Position(row.try_get::<i64, _>("position")?.max(0) as u64),
            held: Duration::try_from_secs_f64(row.try_get("held")?).unwrap_or_default(),
        })
    }
}

#[async_trait]
impl FollowerStore for PostgresStore {
    async fn follow(
        &self,
        name: &str,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<Followed>, StoreError> {
        let row = sqlx::query(FOLLOW)
            .bind(name)
            .bind(owner)
            .bind(lease.as_secs_f64())
            .fetch_optional(&self.writers)
            .await?;
        let followed = |row: PgRow| -> Result<_, StoreError> {
            let position = Position(row.try_get::<i64, _>("position")? as u64);
            Ok(Followed { position, is_new_epoch: row.try_get("is_new_epoch")? })
        };
        row.map(followed).transpose()
    }

    async fn move_follower(&self, step: &Move<'_>) -> Result<bool, StoreError> {
        let tenants: Vec<_> = step.counted.iter().map(|(tenant, _, _)| tenant.as_str()).collect();
        let kinds: Vec<_> = step.counted.iter().map(|(_, kind, _)| kind.as_str()).collect();
        let entries: Vec<_> = step.counted.iter().map(|(_, _, entries)| *entries as i64).collect();
        let moved: i64 = sqlx::query_scalar(MOVE)
            .bind(step.name)
            .bind(step.owner)
            .bind(step.from.0 as i64)
            .bind(step.to.0 as i64)
            .bind(tenants)
            .bind(kinds)
            .bind(entries)
            .fetch_one(&self.writers)
            .await?;
        Ok(moved == 1)
    }

    async fn is_needed(&self, need: &Need) -> Result<bool, StoreError> {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", need.table);
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.writers).await?)
    }

    async fn rest(
        &self,
        name: &str,
        owner: &str,
        from: Position,
        need: &Need,
    ) -> Result<Rest, StoreError> {
        let sql = format!(rest_sql!(), table = need.table);
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(name)
            .bind(owner)
            .bind(from.0 as i64)
            .fetch_one(&self.writers)
            .await?;
        if row.try_get("is_needed")? {
            return Ok(Rest::Needed);
        }
        let position: Option<i64> = row.try_get("position")?;
        Ok(position.map_or(Rest::Lost, |position| Rest::Resting(Position(position as u64))))
    }

    async fn put_aside(&self, follower: &str, row: &AsideRow) -> Result<(), StoreError> {
        sqlx::query(PUT_ASIDE)
            .bind(row.conversation.tenant.as_str())
            .bind(follower)
            .bind(dialect::id(row.conversation.id.0))
            .bind(row.seq as i64)
            .bind(kept_error(&row.error))
            .bind(row.at_ms as i64)
            .execute(&self.writers)
            .await?;
        Ok(())
    }

    async fn is_followed(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(IS_FOLLOWED).fetch_one(&self.writers).await?)
    }

    async fn followers(&self) -> Result<Vec<FollowerView>, StoreError> {
        views(&sqlx::query(FOLLOWERS).fetch_all(&self.writers).await?)
    }

    async fn release(&self, name: &str, owner: &str) -> Result<(), StoreError> {
        sqlx::query(RELEASE).bind(name).bind(owner).execute(&self.writers).await?;
        Ok(())
    }

    async fn counts(&self) -> Result<Vec<Counted>, StoreError> {
        let rows = sqlx::query(COUNTS).fetch_all(&self.readers).await?;
        counted(&rows)
    }
}
