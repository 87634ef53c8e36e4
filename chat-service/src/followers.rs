//! What happens after the commit: followers of the store's tail. Each is a cursor on it that one process at a time moves,
//! so nothing is lost when a process dies, and a message pays nothing for what is done with it later.
//!
//! A follower may do its work more than once, never less: it has to be such that a repeat changes nothing, or be written
//! in the transaction that moves the cursor, as the one here does: `counts` counts entries by tenant and kind.
//! Must not append to a log: what a follower has to say goes to the partition of that log as an operation.

mod counts;
mod metrics;
mod nudges;
mod shared;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use platform::shutdown::{Shutdown, Tasks};
use serde::{Deserialize, Serialize};

use crate::store::ChatStore;

pub use counts::Counts;
pub use metrics::FollowerMetrics;
pub use nudges::Commits;
pub use shared::SharedTail;
pub use walk::{Follower, Walk};

/// The names of all followers there are.
const NAMES: [&str; 1] = [counts::NAME];

/// How often it is looked what holds the horizon of the tail.
const HORIZON: Duration = Duration::from_secs(5);

/// The section `[followers]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FollowerConfig {
    /// Whether entries are counted by tenant and kind, in the table `entry_counts`.
    pub counts: bool,
    /// For how long a process has a follower without renewing it, in milliseconds; another takes over then.
    pub lease_ms: u64,
    /// How often the tail is looked at when no nudge comes, in milliseconds.
    pub poll_ms: u64,
    /// Entries of a page of the tail; some more where a transaction would be cut.
    pub page_entries: u32,
    /// Least time between two nudges of one process to the others, in milliseconds.
    pub nudge_ms: u64,
}

impl Default for FollowerConfig {
    fn default() -> Self {
        Self { counts: false, lease_ms: 10_000, poll_ms: 250, page_entries: 3_000, nudge_ms: 20 }
    }
}

impl FollowerConfig {
    /// Whether anybody follows.
    pub fn is_any(&self) -> bool {
        self.counts
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

/// Starts the followers that are configured, and the nudges between processes. Without any, nothing runs and the tail is
/// not read.
pub fn start(parts: &FollowerParts, commits: &Commits, tasks: &Tasks, shutdown: &Shutdown) {
    if !parts.config.is_any() {
        return;
    }
    let least = Duration::from_millis(parts.config.nudge_ms);
    let bus = Arc::clone(&parts.bus);
    tasks.spawn("nudges", nudges::tell(commits.clone(), bus, least, shutdown.clone()));
    let woken = nudges::listen(Arc::clone(&parts.bus), tasks, shutdown);
    let tail = Arc::new(SharedTail::new(Arc::clone(&parts.store), parts.config.page_entries));
    tasks.spawn("tail horizon", watch_horizon(parts.clone(), shutdown.clone()));
    if parts.config.counts {
        let walk = Walk::new(parts.clone(), Arc::new(Counts), tail, woken);
        tasks.spawn("follower counts", walk.run(shutdown.clone()));
    }
}

async fn watch_horizon(parts: FollowerParts, shutdown: Shutdown) {
    loop {
        match parts.store.horizon().await {
            Ok(horizon) => parts.metrics.horizon(horizon),
            Err(error) => tracing::debug!(%error, "the horizon of the tail is not known"),
        }
        tokio::select! {
            () = tokio::time::sleep(HORIZON) => {}
            () = shutdown.begun() => return,
        }
    }
}
