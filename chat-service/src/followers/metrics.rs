//! What is counted of the followers of the tail, under `tidings_chat_`. Each series is there from the start.

use std::sync::atomic::AtomicU64;

use platform::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::NAMES;
use crate::metrics::seconds_between;
use crate::store::tail::{Horizon, TailPage};

/// Label set of followers: a closed set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FollowerLabel {
    follower: &'static str,
}

/// The metrics.
#[derive(Debug, Clone)]
pub struct FollowerMetrics {
    entries: Family<FollowerLabel, Counter>,
    behind_seconds: Family<FollowerLabel, Gauge<f64, AtomicU64>>,
    horizon_seconds: Gauge<f64, AtomicU64>,
}

impl FollowerMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        let this = Self {
            entries: Family::default(),
            behind_seconds: Family::default(),
            horizon_seconds: Gauge::default(),
        };
        for follower in NAMES {
            this.entries.get_or_create(&FollowerLabel { follower }).inc_by(0);
            this.behind_seconds.get_or_create(&FollowerLabel { follower }).set(0.0);
        }
        metrics.register(|registry| {
            let r = registry.sub_registry_with_prefix("tidings_chat");
            r.register("follower_entries", "Entries that each follower has passed", this.entries.clone());
            r.register(
                "follower_behind_seconds",
                "Age of the newest entry that a follower of this process has passed, when it passed it",
                this.behind_seconds.clone(),
            );
            r.register(
                "tail_horizon_seconds",
                "Age of the oldest transaction that keeps followers from reading on",
                this.horizon_seconds.clone(),
            );
        });
        this
    }

    /// A follower has passed a page.
    pub(super) fn moved(&self, follower: &'static str, page: &TailPage, now_ms: u64) {
        let label = FollowerLabel { follower };
        self.entries.get_or_create(&label).inc_by(page.rows.len() as u64);
        if let Some(newest) = page.rows.iter().map(|row| row.entry.entry.created_at_ms).max() {
            let behind = seconds_between(newest, now_ms);
            self.behind_seconds.get_or_create(&label).set(behind);
        }
    }

    /// How far the tail can be read.
    pub(super) fn horizon(&self, horizon: Horizon) {
        self.horizon_seconds.set(horizon.held.as_secs_f64());
    }
}
