//! What a follower is. One that is new:
//!
//! 1. Implement [`Follower`] in a file of its own and add it to [`start`](super::start), with a key of its configuration.
//! 2. Do the work in [`work`](Follower::work) and return how far *everything* is done. What has to wait (for a time, for
//!    company) is remembered in memory and done in [`due`](Follower::due); the position that these two return stays before
//!    it until then. After a crash, or when another process takes the follower over, all after the position comes again:
//!    the work is such that a repeat changes nothing (an upsert, an operation with a client id made from the entry's id).
//! 3. Return [`WorkError::Unavailable`] while what the work needs is away: the same page comes again. Return
//!    [`WorkError::Failed`], or panic, where the entry is at fault: after five tries alone it is put aside in
//!    `follower_dead`.
//! 4. `work` and `due` return well within the lease (`followers.lease_ms`, of which a third passes between renewals).
//! 5. A follower that has work only while some table has rows names it by [`need`](Follower::need): without rows nothing
//!    is read.
//!
//! Must not append to a log: what a follower has to say goes to the partition of that log as an operation.

use std::time::Duration;

use async_trait::async_trait;

use crate::store::tail::{Counted, Need, Position, TailPage};

/// Why work was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// What it needs does not answer. The same page comes again.
    #[error("not now: {0}")]
    Unavailable(String),
    /// These entries cannot be worked on. They are tried one by one.
    #[error("failed: {0}")]
    Failed(String),
}

/// What is done with entries after their commit.
#[async_trait]
pub trait Follower: Send + Sync + 'static {
    /// Names its cursor. Never changes.
    fn name(&self) -> &str;

    /// Its name in metrics: one of a closed set.
    fn kind(&self) -> &'static str;

    /// The rows that there have to be for it to have work; `None`: it always has.
    fn need(&self) -> Option<Need> {
        None
    }

    /// This process has it from now on, and everything up to `from` is done. Forgets what it remembers.
    fn begin(&self, _from: Position) {}

    /// This process does not have it any more. Ends what is under way.
    async fn end(&self) {}

    /// For how long it cannot work, as it knows already: until then nothing is read for it.
    fn pause(&self) -> Option<Duration> {
        None
    }

    /// Takes entries, each page once while this process has the follower, in order. Up to where everything is done, of
    /// earlier pages, too: `page.next` where nothing of them waits.
    async fn work(&self, page: &TailPage) -> Result<Position, WorkError>;

    /// Does what has waited; asked about every `followers.poll_ms` while this process has the follower. Up to where
    /// everything is done, where that is further than before.
    async fn due(&self) -> Result<Option<Position>, WorkError> {
        Ok(None)
    }

    /// What is written in the transaction of the next move, of all that was worked on since the last one. A follower that
    /// writes something so finishes each page in `work`.
    fn counted(&self) -> Vec<Counted> {
        Vec::new()
    }
}
