//! The store on Postgres.
//!
//! No query here is ever put under a timeout or into `select!`: a cancelled one can poison its pool.
//! Time limits are the server's (`statement_timeout`, `lock_timeout`).

mod among;
mod append;
mod replicas;
mod settings;

use std::collections::HashMap;

use proto::heads::HeadsDigest;
use proto::id::{ClientId, ConversationId, DEFAULT_TENANT, UserId};
use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};

use super::{ConversationView, ListPlace, MemberView, Page, StoreError, dead, finding, reading};
use crate::domain::entry::{EntryRow, StoredEntry, UserRow};

pub use settings::DatabaseConfig;

/// The store on Postgres.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    /// For appends and everything else that workers write or read.
    writers: PgPool,
    /// For questions, so that a flood of them does not hold up the log.
    readers: PgPool,
}

/// How ids and lists are handed over.
mod dialect {
    use sqlx::Row;
    use uuid::Uuid;

    pub(super) const IN_SECOND_LIST: &str = "= ANY($2)";

    /// No more of each conversation than is wanted in all: to find who is different, this database reads
    /// everything first, and a conversation may have 100,000 members.
    pub(super) const CONTACTS: &str = "
SELECT DISTINCT o.user_id FROM members m
CROSS JOIN LATERAL (
    SELECT x.user_id FROM members x
    WHERE x.tenant = m.tenant AND x.conversation_id = m.conversation_id AND x.user_id <> m.user_id LIMIT $3
) o
WHERE m.tenant = $1 AND m.user_id = $2 LIMIT $3";

    pub(super) fn id(id: Uuid) -> Uuid {
        id
    }

    pub(super) fn uuid(row: &sqlx::postgres::PgRow, column: &str) -> Result<Uuid, sqlx::Error> {
        row.try_get(column)
    }

    pub(super) fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        texts.collect()
    }
}

reading::query_store!(PostgresStore, PgRow);
dead::dead_store!(PostgresStore, writers, readers);
