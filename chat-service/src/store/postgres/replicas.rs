//! Live replicas on Postgres: a row each, stamped by the server.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row;

use super::PostgresStore;
use crate::store::StoreError;
use crate::store::replicas::{LiveReplica, ReplicaStore};

/// Rows of crashed replicas go when they are this many times older than gone.
const FORGET_TIMES: f64 = 20.0;

const BEAT: &str = "
INSERT INTO chat_replicas (replica_id, beat_at) VALUES ($1, clock_timestamp())
ON CONFLICT (replica_id) DO UPDATE SET beat_at = excluded.beat_at";

const LIVE: &str = "
WITH forgotten AS (
    DELETE FROM chat_replicas WHERE beat_at < clock_timestamp() - make_interval(secs => $2 * $3)
)
SELECT replica_id, (extract(epoch FROM clock_timestamp() - beat_at) * 1000)::bigint AS ago_ms
FROM chat_replicas
WHERE replica_id = $1 OR beat_at > clock_timestamp() - make_interval(secs => $2)";

#[async_trait]
impl ReplicaStore for PostgresStore {
    async fn beat(
        &self,
        replica_id: &str,
        gone_after: Duration,
    ) -> Result<Vec<LiveReplica>, StoreError> {
        let mut line = self.writers.line().await?;
        // Connections that stay open may have been given another database: a restore under a running service.
        let asked = self.identity.ask_again(&mut line).await;
        // A server that cannot be asked is no reason not to beat.
        let _ = line.ended(asked);
        sqlx::query(BEAT).bind(replica_id).execute(&self.writers).await?;
        let rows = sqlx::query(LIVE)
            .bind(replica_id)
            .bind(gone_after.as_secs_f64())
            .bind(FORGET_TIMES)
            .fetch_all(&self.writers)
            .await?;
        rows.iter()
            .map(|row| {
                // A database clock that is set back would make it negative.
                let ago_ms = row.try_get::<i64, _>("ago_ms")?.max(0).unsigned_abs();
                Ok(LiveReplica {
                    id: row.try_get("replica_id")?,
                    beat_ago: Duration::from_millis(ago_ms),
                })
            })
            .collect()
    }

    async fn leave(&self, replica_id: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM chat_replicas WHERE replica_id = $1")
            .bind(replica_id)
            .execute(&self.writers)
            .await?;
        Ok(())
    }
}
