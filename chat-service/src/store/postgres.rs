//! The store on Postgres.
//!
//! No query here is ever put under a timeout or into `select!`: a cancelled one can poison its pool.
//! Time limits are the server's (`statement_timeout`, `lock_timeout`).

mod among;
mod append;
mod replicas;
mod settings;
pub mod statistics;

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
    use proto::id::{DEFAULT_TENANT, UserId};
    use sqlx::Row;
    use sqlx::postgres::PgPool;
    use uuid::Uuid;

    pub(super) const IN_SECOND_LIST: &str = "= ANY($2)";

    /// No more of each conversation than is wanted in all: to find who is different, this database reads
    /// everything first, and a conversation may have 100,000 members.
    const CONTACTS: &str = "
SELECT u.place, c.user_id FROM unnest($2::text[]) WITH ORDINALITY AS u (id, place)
CROSS JOIN LATERAL (
    SELECT DISTINCT o.user_id FROM members m
    CROSS JOIN LATERAL (
        SELECT x.user_id FROM members x
        WHERE x.tenant = $1 AND x.conversation_id = m.conversation_id AND x.user_id <> u.id LIMIT $3
    ) o
    WHERE m.tenant = $1 AND m.user_id = u.id LIMIT $3
) c";

    /// Pairs of a user's place and a contact.
    pub(super) async fn contacts(
        readers: &PgPool,
        users: &[UserId],
        limit: u32,
    ) -> Result<Vec<(usize, String)>, sqlx::Error> {
        let rows: Vec<(i64, String)> = sqlx::query_as(CONTACTS)
            .bind(DEFAULT_TENANT)
            .bind(texts(users.iter().map(UserId::as_str)))
            .bind(i64::from(limit))
            .fetch_all(readers)
            .await?;
        // Counted from 1.
        let place = |place: i64| usize::try_from(place - 1).unwrap_or(usize::MAX);
        Ok(rows.into_iter().map(|(user, contact)| (place(user), contact)).collect())
    }

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
