//! Which database the connections of the writers lead to. After a fail-over to a replica that was behind, or a
//! restore under a running service, the log may be shorter than what a worker remembers of it; a worker that went on from
//! its memory would leave a hole that no sync ever fills. So each new connection, and each beat of the replica, is
//! asked which database it is, and another answer than before counts up a generation (see guarantee 10 of the port).
//!
//! Must not refuse a connection: a server that cannot be asked only costs what the workers remember.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use sqlx::PgConnection;

/// The timeline is that of the write-ahead log, which changes with a promotion at once; that of the control file changes
/// with the next checkpoint only. A plain role may call these functions.
const SERVER: &str = "
SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' ||
    CASE WHEN pg_is_in_recovery() THEN 'in recovery'
        ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END,
    to_regclass('store_epoch') IS NOT NULL";

const EPOCH: &str = "SELECT CAST(epoch AS text) FROM store_epoch";

/// What the writers' connections have been told so far. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Identity(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Of the newest connection; `None` before the first.
    database: Mutex<Option<Database>>,
    generation: AtomicU64,
    is_silence_told: AtomicBool,
}

impl Identity {
    /// Asks a new connection which database it leads to. One that does not say may lead to another.
    pub(super) async fn ask_new(&self, connection: &mut PgConnection) {
        match database_of(connection).await {
            Ok(database) => self.told(database),
            Err(error) => {
                self.0.generation.fetch_add(1, Ordering::AcqRel);
                if !self.0.is_silence_told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "the database does not say which one it is: with each new connection \
                        conversations are loaded again");
                }
            }
        }
    }

    /// Asks a connection that was open before: it may have been given another database by a restore.
    pub(super) async fn ask_again(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.told(database_of(connection).await?);
        Ok(())
    }

    /// Counts up with each answer that is not the one before.
    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    fn told(&self, now: Database) {
        let mut known = self.0.database.lock();
        if let Some(before) = known.as_ref()
            && !now.is_the_same_as(before)
        {
            self.0.generation.fetch_add(1, Ordering::AcqRel);
            tracing::warn!(
                ?before,
                ?now,
                "another database answers; what is remembered of it is read again"
            );
        }
        *known = Some(now);
    }
}

/// What tells databases apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Database {
    /// The system identifier and the timeline.
    server: String,
    /// `None` before the first migration.
    epoch: Option<String>,
}

impl Database {
    fn is_the_same_as(&self, before: &Self) -> bool {
        self.server == before.server && (before.epoch.is_none() || self.epoch == before.epoch)
    }
}

async fn database_of(connection: &mut PgConnection) -> Result<Database, sqlx::Error> {
    let (server, has_epoch): (String, bool) =
        sqlx::query_as(SERVER).fetch_one(&mut *connection).await?;
    let epoch =
        if has_epoch { Some(sqlx::query_scalar(EPOCH).fetch_one(connection).await?) } else { None };
    Ok(Database { server, epoch })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(server: &str, epoch: Option<&str>) -> Database {
        Database { server: server.to_owned(), epoch: epoch.map(str::to_owned) }
    }

    #[test]
    fn only_another_server_timeline_or_epoch_counts_up() {
        let identity = Identity::default();
        let generation_after = |server: &str, epoch: Option<&str>| {
            identity.told(database(server, epoch));
            identity.generation()
        };
        assert_eq!(generation_after("1/1", None), 0);
        assert_eq!(generation_after("1/1", Some("a")), 0, "the first migration");
        assert_eq!(generation_after("1/1", Some("a")), 0);
        assert_eq!(generation_after("1/2", Some("a")), 1, "a promoted replica");
        assert_eq!(generation_after("1/2", Some("b")), 2, "a restored database");
        assert_eq!(generation_after("1/2", None), 3, "tables that are gone");
    }
}
