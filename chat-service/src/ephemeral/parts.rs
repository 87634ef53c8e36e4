//! What the ephemeral part of a batch is worked on with.

use std::sync::Arc;

use ::bus::moments::Moments;

use super::discreet::Discreet;
use super::reads::Reads;
use crate::delivery::PushLog;
use crate::metrics::ChatMetrics;
use crate::store::ChatStore;

/// Shared by all workers of a process.
#[derive(Clone)]
pub(crate) struct EphemeralParts {
    pub(crate) store: Arc<dyn ChatStore>,
    pub(crate) metrics: ChatMetrics,
    pub(crate) push_log: Arc<PushLog>,
    /// Told of what users read.
    pub(crate) reads: Reads,
    /// Other systems are told of what no log holds.
    pub(crate) moments: Moments,
    /// Whose receipts are told nobody.
    pub(crate) discreet: Discreet,
    /// Members up to which everybody hears of everybody's receipts and typing.
    pub(crate) receipt_members: usize,
}
