//! Keeps the planner informed while tables are young. Without statistics it takes a tenant for a small part of
//! a table and reads all of it for a few keys, and a table may grow a thousandfold before autovacuum looks,
//! once a minute at best. Large tables are left to autovacuum: what is known of them stays true.

use std::time::Duration;

use platform::shutdown::Shutdown;

use super::PostgresStore;

/// Young tables that have changed by half or more since somebody looked. The thousand keeps out those that are
/// small and stay so.
const OUTDATED: &str = "
SELECT relname::text FROM pg_stat_user_tables
WHERE schemaname = current_schema() AND n_live_tup < 1000000
    AND n_mod_since_analyze >= GREATEST(1000, n_live_tup / 2)
    AND relname IN ('users', 'conversations', 'members', 'entries', 'client_ids')";

/// Looks again and again until the process stops.
pub async fn keep(store: PostgresStore, period: Duration, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = shutdown.begun() => return,
        }
        // Another replica may be at it, the role may not own the tables, the database may be away: plans are
        // worse for a while.
        if let Err(error) = store.analyze_young_tables().await {
            tracing::debug!(%error, "statistics are not renewed");
        }
    }
}

impl PostgresStore {
    /// Renews the statistics of young tables that are outdated, and names these.
    pub async fn analyze_young_tables(&self) -> Result<Vec<String>, sqlx::Error> {
        let tables: Vec<String> = sqlx::query_scalar(OUTDATED).fetch_all(&self.readers).await?;
        for table in &tables {
            sqlx::query(sqlx::AssertSqlSafe(format!("ANALYZE {table}")))
                .execute(&self.readers)
                .await?;
        }
        Ok(tables)
    }
}
