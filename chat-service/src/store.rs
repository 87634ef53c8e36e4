//! The chat store: what the service asks of a database, in two ports by user.
//!
//! # Guarantees (held by the contract suite against Postgres and SQLite)
//! 1. `append` is all or nothing, whatever the size of the batch: one statement on Postgres, one
//!    transaction on SQLite (where several statements cost less than one, see `sqlite/rows.rs`).
//! 2. Two entries never share (conversation, seq), nor two operations (sender, client id): the later
//!    batch is a `Conflict` and leaves nothing behind.
//! 3. An entry is visible to readers once `append` returned, and no reader sees seq n + 1 without n.
//! 4. `NotStored` means that nothing of the batch is stored, now or later; `Unknown` that it may be.
//! 5. `load` reads the head before the members: when the head is current, so are they.
//! 6. Cursors only grow, never pass the head, and read implies delivered.
//! 7. The epoch belongs to the database and survives restarts.
//! 8. A database that failed and came back is used again within seconds, whichever its error was: a connection
//!    that met one serves no later call.
//! 9. `entries` reads a page that fits its room, or one entry; `conversations_of` gives each conversation once in
//!    a walk, whatever is appended meanwhile.
//! 10. `generation` changes when another database answers than before, so that what was loaded may be ahead of it; a
//!     batch that was planned in another generation is a `Conflict`.
//! 11. `begin_epoch` of an adapter gives the database another epoch: after a restore, so that no device goes on from a
//!     place in a log that has other entries now.
//! 12. Tenants see nothing of each other, whatever ids they have in common. Rows and lists carry their tenant, so that
//!     one call may hold those of several.

pub mod acquainted;
pub mod among;
pub mod chosen;
mod connections;
pub mod contacts;
pub mod dead;
mod fault;
mod finding;
mod migrations;
#[cfg(feature = "cluster")]
pub mod postgres;
pub mod probe;
mod reading;
pub mod replicas;
pub mod revoked;
pub mod sqlite;
#[cfg(test)]
mod statements;
pub mod tail;

use async_trait::async_trait;
use proto::heads::HeadsDigest;
use proto::id::{ClientId, ConversationId, ConversationKey, TenantId, UserId, UserName};

use crate::domain::entry::{
    ConversationKind, ConversationRow, CursorRow, EntryRow, MemberRow, Role, Snapshot, StoredEntry,
    StoredOperation, UserRow,
};
use crate::domain::walk::{ListPlace, ListWalk};
use acquainted::AcquaintanceStore;
use among::AmongStore;
use chosen::ChosenStore;
use contacts::ContactStore;
use dead::DeadStore;
use probe::ProbeStore;
use replicas::ReplicaStore;
use revoked::RevokedStore;
use tail::{FollowerStore, TailStore};
use uuid::Uuid;

/// Everything that one append changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppendBatch {
    /// That of the store when what the batch was planned with was loaded.
    pub generation: u64,
    /// New entries, each with its client id.
    pub entries: Vec<EntryRow>,
    /// New conversations and new titles.
    pub conversations: Vec<ConversationRow>,
    /// New members and new roles.
    pub members_set: Vec<MemberRow>,
    /// Members who are gone.
    pub members_removed: Vec<(ConversationId, UserId)>,
}

impl AppendBatch {
    /// Whether appending it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.conversations.is_empty()
            && self.members_set.is_empty()
            && self.members_removed.is_empty()
    }
}

/// Why a batch was not appended, by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A seq or a client id is taken: nothing is stored. Load again and plan again.
    #[error("a sequence or a client id is taken")]
    Conflict,
    /// Nothing is stored. Try again later.
    #[error("not stored: {0}")]
    NotStored(#[source] sqlx::Error),
    /// It may be stored. Look the client ids up.
    #[error("the outcome is unknown: {0}")]
    Unknown(#[source] sqlx::Error),
    /// The database refuses a value; the same batch fails again. Nothing is stored.
    #[error("refused by the database: {0}")]
    Invalid(#[source] sqlx::Error),
}

/// The database did not answer a question. Ask again later.
#[derive(Debug, thiserror::Error)]
#[error("the database does not answer: {0}")]
pub struct StoreError(#[from] pub sqlx::Error);

/// A conversation as its members see it in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationView {
    /// Which.
    pub id: ConversationId,
    /// Its kind.
    pub kind: ConversationKind,
    /// Its title.
    pub title: String,
    /// Highest seq.
    pub head: u64,
    /// When it was made, in Unix milliseconds.
    pub created_at_ms: u64,
    /// How many members it has.
    pub member_count: u32,
    /// The asking member's own row.
    pub me: MemberView,
    /// Messages by others after `me.read_seq`, counted to 1,000.
    pub unread: u32,
    /// The newest entry, its content as lists show it.
    pub last_entry: Option<StoredEntry>,
}

/// A member with their cursors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Who.
    pub user: UserRow,
    /// As what.
    pub role: Role,
    /// First entry the member may see.
    pub from_seq: u64,
    /// Cursor.
    pub delivered_seq: u64,
    /// Cursor.
    pub read_seq: u64,
}

/// How far a member's devices have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// All up to here reached a device.
    pub seq: u64,
}

/// Where a page of a log lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The newest entries before a seq.
    Before(u64),
    /// The oldest entries after a seq.
    After(u64),
}

/// How much of a log is read at once, so that memory holds a page and not what lies in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Entries, at most.
    pub entries: u32,
    /// Bytes of them, at most; an entry that is larger comes alone.
    pub bytes: usize,
}

/// The append side: what the partition workers need.
#[async_trait]
pub trait LogStore: Send + Sync + 'static {
    /// Counts the databases that have answered one after the other: what was loaded in another generation may never
    /// have been, and has to be forgotten.
    fn generation(&self) -> u64;

    /// The present state of conversations; `None` where there is none.
    async fn load(&self, keys: &[ConversationKey]) -> Result<Vec<Option<Snapshot>>, StoreError>;

    /// What was stored under client ids, with the entries; `None` where nothing was.
    async fn find_client_ids(
        &self,
        keys: &[(UserId, ClientId)],
    ) -> Result<Vec<Option<StoredOperation>>, StoreError>;

    /// How many conversations users are members of, counted to `most`; in order.
    async fn memberships(&self, users: &[UserId], most: u32) -> Result<Vec<u32>, StoreError>;

    /// How far the members of conversations have come, all of them: for small conversations.
    async fn delivered(&self, keys: &[ConversationKey]) -> Result<Vec<Delivered>, StoreError>;

    /// Appends a batch.
    async fn append(&self, batch: &AppendBatch) -> Result<(), AppendError>;

    /// Moves cursors forward; the rows that changed, as they are now.
    async fn advance_cursors(&self, cursors: &[CursorRow]) -> Result<Vec<CursorRow>, StoreError>;

    /// Keeps what tokens say of users; writes only what changed.
    async fn upsert_users(&self, users: &[UserRow], now_ms: u64) -> Result<(), StoreError>;
}

/// The asking side: what the gRPC service needs.
#[async_trait]
pub trait QueryStore: Send + Sync + 'static {
    /// A user's conversations with their places, most recently active first: as of now, or going on with a walk.
    async fn conversations_of(
        &self,
        user_id: &UserId,
        walk: Option<&ListWalk>,
        limit: u32,
    ) -> Result<Vec<(ListPlace, ConversationView)>, StoreError>;

    /// One conversation as a member sees it; `None` for anybody else.
    async fn conversation(
        &self,
        user_id: &UserId,
        id: ConversationId,
    ) -> Result<Option<ConversationView>, StoreError>;

    /// Members after a user's name, in byte order.
    async fn members(
        &self,
        key: ConversationKey,
        after: Option<&UserName>,
        limit: u32,
    ) -> Result<Vec<MemberView>, StoreError>;

    /// A page of a log by ascending seq, nothing before `from_seq`.
    async fn entries(
        &self,
        key: ConversationKey,
        page: Page,
        from_seq: u64,
        room: Room,
    ) -> Result<Vec<StoredEntry>, StoreError>;

    /// Of every conversation of a user: id, head, first visible seq.
    async fn heads(&self, user_id: &UserId) -> Result<Vec<(ConversationId, u64, u64)>, StoreError>;

    /// How far the conversations of users have come: one digest each, in order.
    async fn head_digests(&self, users: &[UserId]) -> Result<Vec<HeadsDigest>, StoreError>;

    /// The place of the entry of a tenant that was written under a client id, whoever wrote it, or that has this id
    /// and was written within minutes of the making of its client id.
    async fn find_entry(
        &self,
        tenant: TenantId,
        id: Uuid,
    ) -> Result<Option<(ConversationId, u64)>, StoreError>;

    /// The users that are known among these.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>, StoreError>;

    /// Users of a tenant whose id or name begins with a text, without regard to case.
    async fn search_users(
        &self,
        tenant: TenantId,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<UserRow>, StoreError>;

    /// Names the database that cursors belong to.
    async fn epoch(&self) -> Result<String, StoreError>;
}

/// All sides: what an adapter provides.
pub trait ChatStore:
    LogStore
    + QueryStore
    + AcquaintanceStore
    + AmongStore
    + ContactStore
    + ChosenStore
    + ReplicaStore
    + DeadStore
    + ProbeStore
    + RevokedStore
    + TailStore
    + FollowerStore
{
}

impl<T> ChatStore for T where
    T: LogStore
        + QueryStore
        + AcquaintanceStore
        + AmongStore
        + ContactStore
        + ChosenStore
        + ReplicaStore
        + DeadStore
        + ProbeStore
        + RevokedStore
        + TailStore
        + FollowerStore
{
}
