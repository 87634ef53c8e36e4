//! What the append step works with.

use std::sync::Arc;

use ::bus::moments::Moments;
use platform::trace::Tracer;
use proto::partition::Partition;

use super::dead_letters::DeadLetterWriter;
use super::quotas::Quotas;
use super::suspects::Suspects;
use crate::config::{MessagesConfig, WorkerConfig};
use crate::delivery::locate::Directory;
use crate::ephemeral::EphemeralParts;
use crate::followers::Commits;
use crate::metrics::ChatMetrics;
use crate::store::ChatStore;
use crate::store::health::StoreHealth;

/// Shared by all workers of a process.
#[derive(Clone)]
pub(crate) struct AppendParts {
    /// How many partitions the bus has.
    pub(crate) partitions: Partition,
    /// Where the log is.
    pub(crate) store: Arc<dyn ChatStore>,
    /// Asked before the commit by a planted bug, and never else.
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) metrics: ChatMetrics,
    pub(crate) tracer: Tracer,
    /// Where frames go that cannot be worked on.
    pub(crate) dead_letters: Arc<DeadLetterWriter>,
    /// What users have used of their bounds today.
    pub(crate) quotas: Arc<Quotas>,
    /// Frames that may have ended a process.
    pub(crate) suspects: Arc<Suspects>,
    /// Whether the store takes what it is given.
    pub(crate) health: Arc<StoreHealth>,
    /// Followers of the log are told of what was appended.
    pub(crate) commits: Commits,
    /// Other systems are told of what no log holds.
    pub(crate) moments: Moments,
    /// For what is no operation.
    pub(crate) ephemeral: EphemeralParts,
    /// What may become of messages.
    pub(crate) messages: MessagesConfig,
    pub(crate) config: Arc<WorkerConfig>,
}
