//! What delivery works with.

use std::sync::Arc;

use bus::Bus;
use bus::moments::Moments;

use super::locate::Directory;
use super::missed_pushes::MissedPushes;
use super::push_log::PushLog;
use crate::config::WorkerConfig;
use crate::metrics::ChatMetrics;
use crate::store::ChatStore;

/// Shared by all workers of a process.
#[derive(Clone)]
pub(crate) struct DeliveryParts {
    /// Where pushes go.
    pub(crate) bus: Arc<dyn Bus>,
    /// Where head digests are read.
    pub(crate) store: Arc<dyn ChatStore>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) metrics: ChatMetrics,
    /// Users who may have missed a push.
    pub(crate) missed: Arc<MissedPushes>,
    /// Which entries were pushed to which gateways.
    pub(crate) push_log: Arc<PushLog>,
    /// Other systems are told of what no log holds.
    pub(crate) moments: Moments,
    pub(crate) config: Arc<WorkerConfig>,
}
