//! The store on Postgres.
//!
//! No query here is ever put under a timeout or into `select!`: a cancelled one can poison its pool.
//! Time limits are the server's (`statement_timeout`, `lock_timeout`).

mod acquainted;
mod among;
mod append;
mod chosen;
mod contacts;
mod epoch;
mod following;
mod heads;
mod identity;
pub mod indexes;
mod names;
mod origin;
mod own;
mod reactions;
mod replicas;
mod settings;
mod statement;
pub mod statistics;
mod tail;

use std::collections::HashMap;

use proto::id::{ClientId, ConversationId, ConversationKey, TenantId, UserId, UserName};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row};

use super::connections::Connections;
use super::tail::LogKind;
use super::{
    ChangedMessage, ChangedView, ConversationView, Delivered, Listed, MemberView, Membership,
    MessagePage, MessageView, MessagesView, Page, PinnedView, Room, StoreError, aside, audit, dead,
    deliveries, finding, following as store_following, notices, privacy, probe, push,
    reactions as store_reactions, reading, revoked, verify, webhooks,
};
use crate::domain::entry::{
    Author, Body, DeviceType, Entry, Limits, Message, MessageKind, SenderType, State, StoredEntry,
    StoredOperation, Target, TargetKey, Targets, UserRow,
};
use crate::domain::notice::{Audience, Notice, NoticeMark};
use crate::domain::revocation;
use crate::domain::walk::{ListPlace, ListWalk};
use crate::domain::webhook::{Blocked, DeadEvent, Webhook, WebhookKey, WebhookState};

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

    use proto::id::{ConversationId, ConversationKey, UserId, UserName};
    use sqlx::postgres::PgArguments;
    use sqlx::query::Query;
    use sqlx::{Postgres, Row};
    use uuid::Uuid;

    pub(super) const LOCK_SHARED: &str =
        "SELECT version FROM revocation_versions WHERE tenant = $1 FOR SHARE";
    /// The users of [`bind_users`], to be joined.
    pub(super) const GIVEN_USERS: &str = "unnest($1::text[], $2::text[]) AS g (tenant, id) JOIN";
    /// The places of [`bind_places`], to be joined.
    pub(super) const GIVEN_PLACES: &str =
        "unnest($1::text[], $2::uuid[], $3::bigint[]) AS g (tenant, id, seq) JOIN";
    /// The users of [`names`], bound behind places.
    pub(super) const WITH_NAMED: &str = "m.user_id = ANY($4)";
    /// The users of [`names`], bound as the sixth.
    pub(super) const AMONG_SIXTH: &str = "m.user_id = ANY($6)";
    /// The largest of some numbers.
    pub(super) const GREATEST: &str = "GREATEST";
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

    pub(super) fn names(names: &[UserName]) -> Vec<&str> {
        names.iter().map(UserName::as_str).collect()
    }

    /// Hands seqs of conversations over as the first of what a statement takes.
    pub(super) fn bind_places<'q>(
        query: Query<'q, Postgres, PgArguments>,
        places: &[(ConversationKey, u64)],
    ) -> Query<'q, Postgres, PgArguments> {
        query
            .bind(places.iter().map(|(key, _)| key.tenant.as_str()).collect::<Vec<_>>())
            .bind(places.iter().map(|(key, _)| key.id.0).collect::<Vec<_>>())
            .bind(places.iter().map(|(_, seq)| *seq as i64).collect::<Vec<_>>())
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
audit::audit_store!(PostgresStore, writers, readers);
privacy::privacy_store!(PostgresStore, readers);
aside::aside_store!(PostgresStore, readers);
verify::verify_store!(PostgresStore, writers);
store_following::following_store!(PostgresStore, PgRow);
store_reactions::reaction_store!(PostgresStore, sqlx::Postgres, PgRow, writers);
dead::dead_store!(PostgresStore, writers, readers);
probe::probe_store!(PostgresStore, writers, PostgresStore::cause);
revoked::revoked_store!(PostgresStore, sqlx::Postgres, writers, readers);
webhooks::webhook_store!(PostgresStore, writers, readers);
deliveries::delivery_store!(PostgresStore, sqlx::Postgres, writers, readers);
push::push_store!(PostgresStore, sqlx::Postgres, PgRow, writers, readers);
notices::notice_store!(PostgresStore, sqlx::Postgres, PgRow, writers, readers);
