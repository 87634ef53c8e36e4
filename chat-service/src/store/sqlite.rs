//! The store on SQLite: one writer at a time, any number of readers, in one file.

mod acquainted;
mod among;
mod append;
pub mod backup;
mod chosen;
mod contacts;
mod following;
mod heads;
mod json;
mod names;
mod own;
#[cfg(test)]
mod plans;
mod reactions;
mod replicas;
mod rows;
mod tail;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use proto::id::{ClientId, ConversationId, ConversationKey, TenantId, UserId, UserName};
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Row, Sqlite};

use super::connections::Connections;
use super::tail::LogKind;
use super::{
    ChangedMessage, ChangedView, ConversationView, Delivered, Listed, MemberView, Membership,
    MessagePage, MessageView, MessagesView, Page, PinnedView, Room, StoreError, aside, audit, dead,
    deliveries, finding, following as store_following, migrations, notices, privacy, probe, push,
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

/// Pages of 4 KiB in the log before they are moved into the file.
const WAL_PAGES: &str = "4096";
/// Negative: in KiB.
const CACHE: &str = "-32768";
/// Connections for questions.
const READERS: u32 = 4;

/// The store on SQLite.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    /// One connection: SQLite has one writer, and waiting in a pool is fairer than in the file lock.
    writer: Connections<Sqlite>,
    readers: Connections<Sqlite>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a database, no permission, no space.
    #[error("the database file cannot be opened: {0}")]
    Open(#[from] sqlx::Error),
    /// The tables cannot be brought up to date.
    #[error("the tables cannot be brought up to date: {0}")]
    Migrate(#[from] MigrateError),
}

impl SqliteStore {
    /// Opens or makes the file and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            // Readers go on while the writer writes.
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged message survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            // Fewer checkpoints, each of which syncs the file twice, and the hot pages in memory.
            .pragma("wal_autocheckpoint", WAL_PAGES)
            .pragma("cache_size", CACHE);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            // One that is closed may have to move the log into the file first.
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options.clone())
            .await?;
        migrations::SQLITE.run::<Sqlite>(&mut *writer.acquire().await?).await?;
        names::fill(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .acquire_timeout(Duration::from_secs(2))
            .connect_with(options.read_only(true))
            .await?;
        Ok(Self { writer: Connections::new(writer), readers: Connections::new(readers) })
    }

    /// Its errors say all there is to say.
    #[expect(clippy::unused_async, reason = "the other database asks again")]
    async fn cause(&self, error: sqlx::Error) -> sqlx::Error {
        error
    }

    /// Closes the file after what is under way.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// How ids and lists are handed over.
mod dialect {
    use std::collections::BTreeSet;

    use proto::id::{ConversationId, ConversationKey, UserId, UserName};
    use sqlx::query::Query;
    use sqlx::sqlite::SqliteArguments;
    use sqlx::{Row, Sqlite};
    use uuid::Uuid;

    /// There is one writer.
    pub(super) const LOCK_SHARED: &str =
        "SELECT version FROM revocation_versions WHERE tenant = $1";
    /// The users of [`bind_users`], to be joined. `CROSS JOIN` has SQLite go through the list and look each up.
    pub(super) const GIVEN_USERS: &str =
        "(SELECT value ->> 0 AS tenant, value ->> 1 AS id FROM json_each($1)) g CROSS JOIN";
    /// The places of [`bind_places`], to be joined.
    pub(super) const GIVEN_PLACES: &str =
        "(SELECT value ->> 0 AS tenant, value ->> 1 AS id, value ->> 2 AS seq
        FROM json_each($1)) g CROSS JOIN";
    /// The users of [`names`], bound behind places.
    pub(super) const WITH_NAMED: &str = "m.user_id IN (SELECT value FROM json_each($2))";
    /// The users of [`names`], bound as the sixth.
    pub(super) const AMONG_SIXTH: &str = "m.user_id IN (SELECT value FROM json_each($6))";
    /// The largest of some numbers.
    pub(super) const GREATEST: &str = "max";
    pub(super) const NOT_IN_SIXTH_LIST: &str = "NOT IN (SELECT value FROM json_each($6))";

    pub(super) fn id(id: Uuid) -> String {
        id.to_string()
    }

    pub(super) fn uuid(row: &sqlx::sqlite::SqliteRow, column: &str) -> Result<Uuid, sqlx::Error> {
        let text: &str = row.try_get(column)?;
        Uuid::try_parse(text).map_err(|_| super::reading::corrupt("id"))
    }

    pub(super) fn ids(ids: &[ConversationId]) -> String {
        super::json::json(ids)
    }

    pub(super) fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> String {
        serde_json::Value::from(texts.collect::<Vec<_>>()).to_string()
    }

    pub(super) fn names(names: &[UserName]) -> String {
        texts(names.iter().map(UserName::as_str))
    }

    /// Hands seqs of conversations over as the first of what a statement takes.
    pub(super) fn bind_places<'q>(
        query: Query<'q, Sqlite, SqliteArguments>,
        places: &[(ConversationKey, u64)],
    ) -> Query<'q, Sqlite, SqliteArguments> {
        let places: Vec<_> =
            places.iter().map(|(key, seq)| (key.tenant.as_str(), key.id, *seq)).collect();
        query.bind(super::json::json(&places))
    }

    /// Hands users over as the first of what a statement takes, each once.
    pub(super) fn bind_users<'q>(
        query: Query<'q, Sqlite, SqliteArguments>,
        users: &'q [UserId],
    ) -> Query<'q, Sqlite, SqliteArguments> {
        let users: BTreeSet<&UserId> = users.iter().collect();
        query.bind(super::json::json(&users.into_iter().map(pair).collect::<Vec<_>>()))
    }

    /// A user as rows hold it.
    pub(super) fn pair(user: &UserId) -> [&str; 2] {
        [user.tenant().as_str(), user.name_str()]
    }
}

reading::query_store!(SqliteStore, SqliteRow);
audit::audit_store!(SqliteStore, writer, readers);
privacy::privacy_store!(SqliteStore, readers);
aside::aside_store!(SqliteStore, readers);
verify::verify_store!(SqliteStore, writer);
store_reactions::reaction_store!(SqliteStore, Sqlite, SqliteRow, writer);
store_following::following_store!(SqliteStore, SqliteRow);
dead::dead_store!(SqliteStore, writer, readers);
probe::probe_store!(SqliteStore, writer, SqliteStore::cause);
revoked::revoked_store!(SqliteStore, sqlx::Sqlite, writer, readers);
webhooks::webhook_store!(SqliteStore, writer, readers);
deliveries::delivery_store!(SqliteStore, sqlx::Sqlite, writer, readers);
push::push_store!(SqliteStore, sqlx::Sqlite, SqliteRow, writer, readers);
notices::notice_store!(SqliteStore, sqlx::Sqlite, SqliteRow, writer, readers);
