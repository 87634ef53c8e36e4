//! The store on Postgres.
//!
//! No query here is ever put under a timeout or into `select!`: a cancelled one can poison its pool.
//! Time limits are the server's (`statement_timeout`, `lock_timeout`).

mod acquainted;
mod among;
mod append;
mod chosen;
mod contacts;
mod identity;
pub mod indexes;
mod names;
mod origin;
mod replicas;
mod settings;
pub mod statistics;
mod tail;

use std::collections::HashMap;

use proto::heads::HeadsDigest;
use proto::id::{ClientId, ConversationId, ConversationKey, TenantId, UserId, UserName};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row};

use super::connections::Connections;
use super::{
    ConversationView, Delivered, MemberView, Page, Room, StoreError, dead, finding, probe, reading,
    revoked,
};
use crate::domain::entry::{EntryRow, StoredEntry, StoredOperation, UserRow};
use crate::domain::revocation;
use crate::domain::walk::{ListPlace, ListWalk};

use identity::Identity;
pub use settings::DatabaseConfig;

/// The store on Postgres.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    /// For appends and everything else that workers write or read.
    writers: Connections<Postgres>,
    /// For questions, so that a flood of them does not hold up the log.
    readers: Connections<Postgres>,
    /// Of the writers.
    identity: Identity,
}

/// How ids and lists are handed over.
mod dialect {
    use std::collections::BTreeSet;

    use proto::id::{ConversationId, UserId};
    use sqlx::postgres::PgArguments;
    use sqlx::query::Query;
    use sqlx::{Postgres, Row};
    use uuid::Uuid;

    pub(super) const LOCK_SHARED: &str =
        "SELECT version FROM revocation_versions WHERE tenant = $1 FOR SHARE";
    /// The users of [`bind_users`], to be joined.
    pub(super) const GIVEN_USERS: &str = "unnest($1::text[], $2::text[]) AS g (tenant, id) JOIN";
    pub(super) const NOT_IN_SIXTH_LIST: &str = "<> ALL($6)";

    pub(super) fn id(id: Uuid) -> Uuid {
        id
    }

    pub(super) fn uuid(row: &sqlx::postgres::PgRow, column: &str) -> Result<Uuid, sqlx::Error> {
        row.try_get(column)
    }

    pub(super) fn ids(ids: &[ConversationId]) -> Vec<Uuid> {
        ids.iter().map(|id| id.0).collect()
    }

    /// Hands users over as the first of what a statement takes, each once.
    pub(super) fn bind_users<'q>(
        query: Query<'q, Postgres, PgArguments>,
        users: &'q [UserId],
    ) -> Query<'q, Postgres, PgArguments> {
        let users: BTreeSet<&UserId> = users.iter().collect();
        query
            .bind(users.iter().map(|user| user.tenant().as_str()).collect::<Vec<_>>())
            .bind(users.iter().map(|user| user.name_str()).collect::<Vec<_>>())
    }
}

reading::query_store!(PostgresStore, PgRow);
dead::dead_store!(PostgresStore, writers, readers);
probe::probe_store!(PostgresStore, writers, PostgresStore::cause);
revoked::revoked_store!(PostgresStore, sqlx::Postgres, writers, readers);
