//! The tail on Postgres: see `store/tail.rs`.

use std::time::Duration;

use async_trait::async_trait;
use proto::id::{ConversationId, ConversationKey, TenantId};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{PostgresStore, dialect, entry, indexes};
use crate::store::StoreError;
use crate::store::reading::corrupt;
use crate::store::tail::{
    Counted, Followed, FollowerStore, Horizon, Move, Position, TailPage, TailRow, TailStore,
};

/// By the index on `xid` alone: a walk reads what it gives. Read on the primary, as the horizon is its own.
const TAIL: &str = "/* of every tenant */
SELECT e.tenant, e.conversation_id, e.seq, e.id AS entry_id, e.kind AS entry_kind, e.sender_id, e.client_id, e.content,
    e.reply_to, e.mentions, e.is_important, e.extra, e.created_at_ms, e.xid,
    COALESCE(u.name, '') AS sender_name, COALESCE(u.avatar, '') AS sender_avatar
FROM (
    SELECT * FROM entries
    WHERE xid > 0 AND xid > $1
        AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint + (SELECT xid_offset FROM store_origin)
    ORDER BY xid FETCH FIRST $2 ROWS WITH TIES
) e
LEFT JOIN users u ON u.tenant = e.tenant AND u.id = e.sender_id
ORDER BY e.xid, e.tenant, e.conversation_id, e.seq";

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

#[async_trait]
impl TailStore for PostgresStore {
    async fn tail(&self, after: Position, limit: u32) -> Result<TailPage, StoreError> {
        let rows = sqlx::query(TAIL)
            .bind(after.0 as i64)
            .bind(i64::from(limit.max(1)))
            .fetch_all(&self.writers)
            .await?;
        let rows: Result<Vec<_>, StoreError> = rows
            .iter()
            .map(|row| {
                let tenant =
                    TenantId::parse(row.try_get("tenant")?).map_err(|_| corrupt("tenant"))?;
                let id = ConversationId(dialect::uuid(row, "conversation_id")?);
                let position = Position(row.try_get::<i64, _>("xid")? as u64);
                Ok(TailRow { position, entry: entry(row, ConversationKey::new(tenant, id))? })
            })
            .collect();
        let rows = rows?;
        let next = rows.last().map_or(after, |last| last.position);
        Ok(TailPage { rows, next })
    }

    async fn is_ready(&self) -> Result<bool, StoreError> {
        let is_valid: Option<bool> = sqlx::query_scalar(indexes::IS_VALID)
            .bind(indexes::TAIL)
            .fetch_optional(&self.readers)
            .await?;
        Ok(is_valid.unwrap_or_default())
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

    async fn release(&self, name: &str, owner: &str) -> Result<(), StoreError> {
        sqlx::query(RELEASE).bind(name).bind(owner).execute(&self.writers).await?;
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
