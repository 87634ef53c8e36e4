//! Notices of operators, from the moment they are kept: each is appended to its log when it is due, then told to all
//! gateways; what gateways gathered of who has received them is written.
//!
//! Must not append to a log: what is to be appended goes to the partition of its log as an operation. Must not decide who
//! may send notices.

pub(crate) mod audience;
mod cursors;
pub(crate) mod marks;
mod sender;

use std::sync::Arc;

use bus::Bus;
use platform::metrics::Metrics;
use platform::shutdown::{Shutdown, Tasks};
use prometheus_client::metrics::counter::Counter;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::delivery::locate::Directory;
use crate::store::ChatStore;

/// The section `[notices]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoticeConfig {
    /// When a notice without `expires_at` ends, in milliseconds after its start.
    pub expires_ms: u64,
    /// Maximum time until a notice ends, in milliseconds after its start.
    pub longest_ms: u64,
    /// How often it is looked for notices that are due, in milliseconds; a new one is sent at once.
    pub poll_ms: u64,
    /// How long a process works on a notice before another one may, in milliseconds.
    pub claim_ms: u64,
    /// How often it is tried to append a notice before it counts as failed.
    pub attempts: u64,
    /// Minimum time between two requests to send the offline push of one notice again, in milliseconds.
    pub resend_ms: u64,
}

impl Default for NoticeConfig {
    fn default() -> Self {
        const DAY_MS: u64 = 24 * 3_600 * 1_000;
        Self {
            expires_ms: 30 * DAY_MS,
            longest_ms: 365 * DAY_MS,
            poll_ms: 250,
            claim_ms: 10_000,
            attempts: 60,
            resend_ms: 60_000,
        }
    }
}

/// What sending notices counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct NoticeMetrics {
    sent: Counter,
    failed: Counter,
    cursors: Counter,
}

impl NoticeMetrics {
    pub(crate) fn new(registry: &Metrics) -> Self {
        let metrics = Self::default();
        registry.register(|registry| {
            registry.register(
                "tidings_chat_notices_sent",
                "Notices that were appended to their log.",
                metrics.sent.clone(),
            );
            registry.register(
                "tidings_chat_notices_failed",
                "Notices that their log did not take, again and again.",
                metrics.failed.clone(),
            );
            registry.register(
                "tidings_chat_notice_cursors",
                "Users whose cursor in the notices of their tenant was written.",
                metrics.cursors.clone(),
            );
        });
        metrics
    }
}

/// What notices are sent with.
#[derive(Clone)]
pub(crate) struct NoticeParts {
    pub(crate) store: Arc<dyn ChatStore>,
    pub(crate) bus: Arc<dyn Bus>,
    /// Where users are connected.
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) metrics: NoticeMetrics,
    pub(crate) config: Arc<NoticeConfig>,
    /// There is something to do now.
    pub(crate) woken: Arc<Notify>,
}

/// Starts sending what is due, and writing what gateways gathered.
pub(crate) fn start(parts: &NoticeParts, tasks: &Tasks, shutdown: &Shutdown) {
    tasks.spawn("notices", sender::run(parts.clone(), shutdown.clone()));
    tasks.spawn("notice cursors", cursors::run(parts.clone(), shutdown.clone()));
}
