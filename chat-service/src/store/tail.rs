//! The tail of a store: its entries in the order of their commits, over all conversations, for whoever has to do
//! something after the commit (events, push, search). Nobody writes a row for it on the way of a message.
//!
//! # Guarantees (held by the contract suite against Postgres and SQLite)
//! 1. Walking from a position gives each entry that was appended after it exactly once, whichever transaction
//!    committed late or was rolled back meanwhile.
//! 2. Entries of one conversation come in the order of their seqs.
//! 3. A page holds whole transactions: a walk that goes on from its end neither lacks nor repeats an entry.
//! 4. An entry whose content was blanked later stays at its place.
//! 5. Positions only grow, also in a database that was dumped and restored into another cluster.
//! 6. A follower has one owner at a time; whoever lost it moves nothing any more, and what is to be written with a move
//!    is written with it or not at all.
//!
//! On Postgres a position is the id of a transaction, and a page ends before the oldest one that still runs
//! (`pg_snapshot_xmin`): whatever is below it is finished and visible. Guarantee 2 needs that an append is one statement
//! alone in its transaction: whoever writes seq n + 1 saw n committed and got its id later.

use std::time::Duration;

use async_trait::async_trait;
use proto::id::TenantId;

use super::StoreError;
use crate::domain::entry::StoredEntry;

/// A place in the tail. The first entry of a store is after 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(pub u64);

/// One entry of the tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailRow {
    /// That of the transaction which appended it.
    pub position: Position,
    /// The entry, as it is stored now.
    pub entry: StoredEntry,
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

    /// Whether it can be read at a cost that does not grow with the log: an index may still be being built.
    async fn is_ready(&self) -> Result<bool, StoreError>;

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

    /// Gives a follower up, so that another process has it at once.
    async fn release(&self, name: &str, owner: &str) -> Result<(), StoreError>;

    /// What the follower `counts` has counted.
    async fn counts(&self) -> Result<Vec<Counted>, StoreError>;
}
