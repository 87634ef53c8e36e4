//! What offline push works with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bus::moments::Moments;

use super::config::PreparedPush;
use super::decide::Now;
use super::metrics::PushMetrics;
use super::send::Senders;
use super::underway::Underway;
use crate::clock::now_ms;
use crate::delivery::locate::Directory;
use crate::store::ChatStore;

/// Shared by all tasks of offline push of a process.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) store: Arc<dyn ChatStore>,
    /// Where users are connected.
    pub(super) directory: Arc<dyn Directory>,
    pub(super) push: Arc<PreparedPush>,
    pub(super) metrics: PushMetrics,
    pub(super) senders: Senders,
    pub(super) underway: Underway,
    /// Other systems are told of what was given up.
    pub(super) moments: Moments,
    /// This process has the follower, and with it what only one process does.
    pub(super) is_owner: Arc<AtomicBool>,
    /// What this process counts its time from.
    pub(super) began: Instant,
}

impl Parts {
    pub(super) fn is_owner(&self) -> bool {
        self.is_owner.load(Ordering::Relaxed)
    }

    pub(super) fn now(&self) -> Now {
        Now { ms: self.began.elapsed().as_millis() as u64, wall_ms: now_ms() }
    }
}
