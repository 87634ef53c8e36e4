//! Indexes of large tables, built beside a running service.
//!
//! Not by migrations: `CREATE INDEX CONCURRENTLY` waits for every older statement, and a replica that waits for the lock of
//! the migrations is one; and they take longer than any statement of the service may.

use std::time::Duration;

use platform::shutdown::Shutdown;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::PostgresStore;

/// Name and definition. The tail waits for its own index (see [`TAIL`]); nothing waits for the others.
const INDEXES: [(&str, &str); 4] = [
    (TAIL, "ON entries (xid) WHERE xid > 0"),
    (
        "entries_targets",
        "ON entries (tenant, conversation_id, target, seq) WHERE target IS NOT NULL",
    ),
    (
        "entries_threads",
        "ON entries (tenant, conversation_id, thread, seq) WHERE thread IS NOT NULL",
    ),
    (
        "entries_expiry",
        "ON entries (expires_at_ms) WHERE expires_at_ms IS NOT NULL AND content <> '{}'",
    ),
];

/// Without it each read of the tail would read the whole log.
pub(super) const TAIL: &str = "entries_tail";

/// Of the lock that keeps two replicas from building at once: "tidings indexes", in no protocol.
const LOCK: i64 = 0x7469_6469_6e67_7331;

pub(super) const IS_VALID: &str = "
SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)";

/// How long to wait before it is tried again.
const AGAIN: Duration = Duration::from_mins(1);

/// Builds what is missing, and tries again until that is done or stopping has begun.
pub async fn build(store: PostgresStore, shutdown: Shutdown) {
    loop {
        // Stopping does not wait for an index: its connection is of no pool, and what is half built is dropped later.
        let built = tokio::select! {
            built = store.build_indexes() => built,
            () = shutdown.begun() => return,
        };
        match built {
            Ok(true) => return,
            Ok(false) => tracing::debug!("another replica builds indexes"),
            Err(error) => {
                tracing::warn!(%error, "indexes are missing; this is tried again in a minute");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = shutdown.begun() => return,
        }
    }
}

impl PostgresStore {
    /// Builds the indexes of large tables that are missing, however long it takes. `false` when another replica is at it.
    pub async fn build_indexes(&self) -> Result<bool, sqlx::Error> {
        // A connection of no pool, without the time limits of the service.
        let unlimited = [("statement_timeout", "0"), ("lock_timeout", "0")];
        let options = self.writers.pool().connect_options().as_ref().clone().options(unlimited);
        let mut connection = PgConnection::connect_with(&options).await?;
        let built = build_on(&mut connection).await;
        // Gives the lock back, too.
        connection.close().await?;
        built
    }
}

/// Another replica that is at it leaves nothing to do; one that died left an index that is not
/// valid, which is dropped and built anew.
async fn build_on(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(LOCK)
        .fetch_one(&mut *connection)
        .await?;
    if !is_ours {
        return Ok(false);
    }
    for (name, definition) in INDEXES {
        let is_valid: Option<bool> =
            sqlx::query_scalar(IS_VALID).bind(name).fetch_optional(&mut *connection).await?;
        match is_valid {
            Some(true) => continue,
            Some(false) => {
                let sql = format!("DROP INDEX CONCURRENTLY IF EXISTS {name}");
                sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await?;
            }
            None => {}
        }
        let sql = format!("CREATE INDEX CONCURRENTLY {name} {definition}");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await?;
        tracing::info!(index = name, "built");
    }
    Ok(true)
}
