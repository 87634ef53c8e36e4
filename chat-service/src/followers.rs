//! What happens after the commit: followers of the store's tail. Each is a cursor on it that one process at a time moves,
//! so nothing is lost when a process dies, and a message pays nothing for what is done with it later.
//!
//! A follower may do its work more than once, never less. How one is written stands in `follower.rs`; `counts` is the
//! smallest: it counts entries by tenant and kind, in the transaction that moves its cursor.
//! Must not append to a log: what a follower has to say goes to the partition of that log as an operation.

mod counts;
mod events;
mod follower;
mod lag;
mod metrics;
mod nudges;
mod shared;
mod sinks;
mod walk;
pub mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use platform::shutdown::{Shutdown, Tasks};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use crate::store::{ChatStore, StoreError};

pub use counts::Counts;
pub use events::{EventConfig, EventFollower};
pub use follower::{Follower, WorkError};
pub use metrics::FollowerMetrics;
pub use nudges::Commits;
pub use shared::SharedTail;
pub use sinks::{EventSink, LogSink, Sinks};
pub use walk::Walk;

/// The kinds of all followers there are.
const KINDS: [&str; 4] = [counts::NAME, events::NAME, webhooks::KIND, "push"];

/// Pause before a cursor is tried to be made again.
const BETWEEN_PLACES: Duration = Duration::from_secs(1);

/// The section `[followers]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FollowerConfig {
    /// Whether entries are counted by tenant and kind in the table `entry_counts`.
    pub counts: bool,
    /// How long a process owns a follower without renewing its lease, in milliseconds; then another process takes over.
    pub lease_ms: u64,
    /// How often new entries are looked for when no notification arrives, in milliseconds.
    pub poll_ms: u64,
    /// Entries read at a time; more where a transaction would be split.
    pub page_entries: u32,
    /// Minimum time between two notifications from one process to the others after a commit, in milliseconds.
    pub nudge_ms: u64,
}

impl Default for FollowerConfig {
    fn default() -> Self {
        Self { counts: false, lease_ms: 10_000, poll_ms: 250, page_entries: 3_000, nudge_ms: 20 }
    }
}

/// What followers work with.
#[derive(Clone)]
pub struct FollowerParts {
    /// Which process this is, among all that may own a follower.
    pub owner: String,
    /// Where the tail is.
    pub store: Arc<dyn ChatStore>,
    /// For nudges.
    pub bus: Arc<dyn Bus>,
    /// Counts what they did.
    pub metrics: FollowerMetrics,
    /// The section `[followers]`.
    pub config: Arc<FollowerConfig>,
}

/// Makes the cursor of a follower, at the end of the tail, unless it is there. What is appended from then on is followed,
/// however late the follower begins.
pub async fn place(store: &dyn ChatStore, name: &str) -> Result<(), StoreError> {
    let nobody = Uuid::now_v7().to_string();
    store.follow(name, &nobody, Duration::from_millis(1)).await?;
    store.release(name, &nobody).await
}

/// Makes the cursors of followers before anything is appended; tries again until that is done or stopping has begun.
pub async fn place_all(parts: &FollowerParts, names: &[&str], shutdown: &Shutdown) {
    for name in names {
        while let Err(error) = place(&*parts.store, name).await {
            tracing::warn!(%error, name, "the start waits for the store: a follower has no cursor yet");
            tokio::select! {
                () = tokio::time::sleep(BETWEEN_PLACES) => {}
                () = shutdown.begun() => return,
            }
        }
    }
}

/// Tells of commits from now on: for processes that append.
pub fn tell(parts: &FollowerParts, commits: &Commits, tasks: &Tasks, shutdown: &Shutdown) {
    let least = Duration::from_millis(parts.config.nudge_ms);
    let (store, bus) = (Arc::clone(&parts.store), Arc::clone(&parts.bus));
    let telling = nudges::tell(commits.clone(), store, bus, least, shutdown.clone());
    tasks.spawn("nudges", telling);
}

/// How a process follows.
pub struct Following {
    tail: Arc<SharedTail>,
    woken: watch::Receiver<()>,
}

impl Following {
    /// Nothing is followed yet: the tail is read for those alone that have something to do.
    pub fn start(parts: &FollowerParts, tasks: &Tasks, shutdown: &Shutdown) -> Self {
        let woken = nudges::listen(Arc::clone(&parts.bus), tasks, shutdown);
        let tail = SharedTail::new(Arc::clone(&parts.store), parts.config.page_entries);
        tasks.spawn("follower lag", lag::watch(parts.clone(), shutdown.clone()));
        Self { tail: Arc::new(tail), woken }
    }

    /// The loop of one follower, to be spawned.
    pub fn walk(&self, parts: &FollowerParts, follower: Arc<dyn Follower>) -> Walk {
        Walk::new(parts.clone(), follower, Arc::clone(&self.tail), self.woken.clone())
    }
}
