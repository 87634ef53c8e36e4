//! The tail of a store: its entries in the order of their commits, over all conversations, for followers that have to do
//! something after the commit (events, push, search). Nobody writes a row for it on the way of a message.
//!
//! # Guarantees (held by the contract suite against Postgres and SQLite)
//! 1. Walking from a position gives each entry that was appended after it exactly once, whichever transaction
//!    committed late or was rolled back meanwhile.
//! 2. Entries of one conversation come in the order of their seqs.
//! 3. A page holds whole transactions: a walk that goes on from its end neither lacks nor repeats an entry.
//! 4. An entry whose content was blanked later stays at its place.
//! 5. Positions only grow, also in a database that was dumped and restored into another cluster.
//! 6. A follower has one owner at a time; an owner that lost it moves nothing any more, and what is to be written with a move
//!    is written with it or not at all.
//!
//! On Postgres a position is the id of a transaction, and a page ends before the oldest one that still runs
//! (`pg_snapshot_xmin`): whatever is below it is finished and visible. Guarantee 2 needs that an append is one statement
//! alone in its transaction: a writer of seq n + 1 saw n committed and got its id later.

use std::time::Duration;

use async_trait::async_trait;
use proto::id::{ConversationId, ConversationKey, TenantId};
use sqlx::{ColumnIndex, Decode, Row, Type};
use uuid::Uuid;

use super::fault::StoreError;
use super::reading;
use crate::domain::entry::StoredEntry;

/// A place in the tail. The first entry of a store is after 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(pub u64);

/// One entry of the tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailRow {
    /// That of the transaction which appended it.
    pub position: Position,
    /// Whose log it is of.
    pub kind: LogKind,
    /// The entry, as it is stored now.
    pub entry: StoredEntry,
}

impl TailRow {
    /// Whether others than the users of its log may be told: of a self log, what was pressed of a bot's cards.
    pub fn is_told(&self) -> bool {
        self.kind.is_told() || self.entry.entry.body.is_act()
    }
}

/// Whose log an entry is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogKind {
    /// Of two users.
    Direct,
    Group,
    /// Of a group in which few write.
    Channel,
    /// What operators tell all users of a tenant.
    Notices,
    /// Of one user, of operators, or of a kind that this version does not know: told to nobody else.
    Private,
}

impl LogKind {
    /// Of the kind of its conversation, as it is stored; 0 where there is none.
    pub fn of(code: i64) -> Self {
        match code {
            1 => Self::Direct,
            0 | 2 => Self::Group,
            3 => Self::Channel,
            5 => Self::Notices,
            _ => Self::Private,
        }
    }

    /// As events say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
            Self::Channel => "channel",
            Self::Notices => "notices",
            Self::Private => "private",
        }
    }

    /// Whether others than its users may be told what is in it.
    pub fn is_told(self) -> bool {
        self != Self::Private
    }
}

/// What follows a position. Never changes: the page after a position is the same for all who ask, but for blanked
/// contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TailPage {
    /// In order; some more than were asked for where a transaction would be cut.
    pub rows: Vec<TailRow>,
    /// Where to go on; the position that was asked for when there is nothing.
    pub next: Position,
}

/// How far the tail can be read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// All up to here can be read.
    pub position: Position,
    /// For how long the oldest transaction has been running that holds it.
    pub held: Duration,
}

/// The tail of one store.
#[async_trait]
pub trait TailStore: Send + Sync + 'static {
    /// The entries after a position, `limit` of them and the rest of the last transaction.
    async fn tail(&self, after: Position, limit: u32) -> Result<TailPage, StoreError>;

    /// Where an entry is in the tail; `None` when it has no place, or none any more because all followers are past it.
    async fn place(&self, key: ConversationKey, seq: u64) -> Result<Option<Position>, StoreError>;

    /// Whether it can be read at a cost that does not grow with the log: an index may still be being built.
    async fn is_ready(&self) -> Result<bool, StoreError>;

    /// Somebody reads the tail who is no follower: a store that keeps places for followers alone keeps them for seven days.
    async fn keep_for_readers(&self) -> Result<(), StoreError>;

    /// The places after it are there.
    async fn kept_from(&self) -> Result<Position, StoreError>;

    /// How far the tail can be read now.
    async fn horizon(&self) -> Result<Horizon, StoreError>;
}

/// Entries to count: a tenant, a kind, how many.
pub type Counted = (TenantId, String, u64);

/// A move of a follower, by its present owner.
#[derive(Debug, Clone)]
pub struct Move<'m> {
    /// Which follower.
    pub name: &'m str,
    /// The process that has it.
    pub owner: &'m str,
    /// Where it stands.
    pub from: Position,
    /// Where it is to stand.
    pub to: Position,
    /// What the follower `counts` writes with the move.
    pub counted: &'m [Counted],
}

/// A follower that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// Where it stands.
    pub position: Position,
    /// The store was put back from a backup since it was taken before. Its cursor was put back, too.
    pub is_new_epoch: bool,
}

/// What there has to be for a follower to have work. On SQLite a trigger of the table sets `followers.is_resting` to 0 with
/// each new row: places in the tail are not even kept while all who follow rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// A table with rows.
    pub table: &'static str,
}

/// What became of a follower that perhaps has nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// There is work for it; it stands where it stood.
    Needed,
    /// There is none; it stands at the horizon now.
    Resting(Position),
    /// It is another's, or stands elsewhere.
    Lost,
}

/// An entry that a follower could not work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsideRow {
    pub conversation: ConversationKey,
    pub seq: u64,
    /// Why.
    pub error: String,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
}

/// A follower, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowerView {
    pub name: String,
    /// All up to here is done.
    pub position: Position,
    /// The process that has it now.
    pub owner: Option<String>,
    /// Age of the oldest entry after its position.
    pub lag: Duration,
    /// When it last moved, in Unix milliseconds.
    pub moved_at_ms: u64,
    /// How many entries it could not work on.
    pub aside: u64,
}

/// Keeps the first error of an entry.
pub(super) const PUT_ASIDE: &str = "
INSERT INTO follower_dead (tenant, follower, conversation_id, seq, error, at_ms) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, follower, conversation_id, seq) DO NOTHING";

/// Longest error that is kept, in bytes.
const ERROR_BYTES: usize = 500;

/// As much of an error as is kept; no database takes a NUL character.
pub(super) fn kept_error(error: &str) -> String {
    let end = error.floor_char_boundary(ERROR_BYTES);
    error[..end].replace('\0', " ")
}

/// What the follower `counts` has counted, for both databases.
pub(super) const COUNTS: &str =
    "SELECT tenant, kind, entries FROM entry_counts ORDER BY tenant, kind";

/// The rows that follow a position as a page, of either database: `entry` and `uuid` are how it reads them.
pub(super) fn page<'r, R>(
    rows: &'r [R],
    after: Position,
    entry: fn(&R, ConversationKey) -> Result<StoredEntry, StoreError>,
    uuid: fn(&R, &str) -> Result<Uuid, sqlx::Error>,
) -> Result<TailPage, StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
{
    let row = |row: &'r R| -> Result<TailRow, StoreError> {
        let id = ConversationId(uuid(row, "conversation_id")?);
        let key = ConversationKey::new(reading::tenant(row.try_get("tenant")?)?, id);
        let position = Position(row.try_get::<i64, _>("position")? as u64);
        let kind = LogKind::of(row.try_get("log_kind")?);
        Ok(TailRow { position, kind, entry: entry(row, key)? })
    };
    let rows: Vec<TailRow> = rows.iter().map(row).collect::<Result<_, _>>()?;
    let next = rows.last().map_or(after, |last| last.position);
    Ok(TailPage { rows, next })
}

/// The rows of a question for all followers, of either database.
pub(super) fn views<'r, R>(rows: &'r [R]) -> Result<Vec<FollowerView>, StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    let row = |row: &'r R| -> Result<FollowerView, StoreError> {
        let number = |column| -> Result<u64, sqlx::Error> {
            Ok(row.try_get::<i64, _>(column)?.max(0).cast_unsigned())
        };
        Ok(FollowerView {
            name: row.try_get("name")?,
            position: Position(number("position")?),
            owner: Some(row.try_get::<String, _>("owner")?).filter(|owner| !owner.is_empty()),
            lag: Duration::from_millis(number("lag_ms")?),
            moved_at_ms: number("moved_at_ms")?,
            aside: number("aside")?,
        })
    };
    rows.iter().map(row).collect()
}

/// The rows of [`COUNTS`], of either database.
pub(super) fn counted<'r, R>(rows: &'r [R]) -> Result<Vec<Counted>, StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
{
    let row = |row: &'r R| -> Result<Counted, StoreError> {
        let tenant = reading::tenant(row.try_get("tenant")?)?;
        Ok((tenant, row.try_get("kind")?, row.try_get::<i64, _>("entries")? as u64))
    };
    rows.iter().map(row).collect()
}

/// Who follows the tail, and how far they are.
#[async_trait]
pub trait FollowerStore: Send + Sync + 'static {
    /// Takes a follower, or renews that it is taken, by the clock of the database: where it stands, or `None` while
    /// another owner has it. One that is new begins at the horizon: what is older was never to be followed.
    async fn follow(
        &self,
        name: &str,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<Followed>, StoreError>;

    /// Moves a follower; `false` when it is another's, or stands elsewhere: then nothing was written.
    async fn move_follower(&self, step: &Move<'_>) -> Result<bool, StoreError>;

    /// Whether there is what a follower needs.
    async fn is_needed(&self, need: &Need) -> Result<bool, StoreError>;

    /// Moves a follower to the horizon while there is nothing that it needs, in one statement: what is appended after
    /// there is something comes after its position.
    async fn rest(
        &self,
        name: &str,
        owner: &str,
        from: Position,
        need: &Need,
    ) -> Result<Rest, StoreError>;

    /// Keeps an entry that a follower could not work on.
    async fn put_aside(&self, follower: &str, row: &AsideRow) -> Result<(), StoreError>;

    /// Whether any process follows now and does not rest.
    async fn is_followed(&self) -> Result<bool, StoreError>;

    /// All followers there are, by name.
    async fn followers(&self) -> Result<Vec<FollowerView>, StoreError>;

    /// Gives a follower up, so that another process has it at once.
    async fn release(&self, name: &str, owner: &str) -> Result<(), StoreError>;

    /// What the follower `counts` has counted.
    async fn counts(&self) -> Result<Vec<Counted>, StoreError>;
}
