//! What is counted of the followers of the tail, under `tidings_chat_`. Each series is there from the start.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use platform::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::{KINDS, lag};
use crate::metrics::seconds_between;
use crate::store::tail::{Horizon, TailPage};

/// Label set of followers: a closed set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FollowerLabel {
    pub(super) follower: &'static str,
}

/// What became of a delivery: a closed set.
const OUTCOMES: [&str; 3] = ["taken", "failed", "given_up"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone)]
pub struct FollowerMetrics {
    entries: Family<FollowerLabel, Counter>,
    behind_seconds: Family<FollowerLabel, Gauge<f64, AtomicU64>>,
    lag_seconds: Family<FollowerLabel, Gauge<f64, AtomicU64>>,
    aside: Family<FollowerLabel, Counter>,
    horizon_seconds: Gauge<f64, AtomicU64>,
    events: Counter,
    event_messages: Counter,
    sink_dropped: Counter,
    deliveries: Family<DeliveryLabel, Counter>,
    moments_lost: Counter,
}

impl FollowerMetrics {
    pub fn new(metrics: &Metrics) -> Self {
        let this = Self {
            entries: Family::default(),
            behind_seconds: Family::default(),
            lag_seconds: lag::registered(metrics),
            aside: Family::default(),
            horizon_seconds: Gauge::default(),
            events: Counter::default(),
            event_messages: Counter::default(),
            sink_dropped: Counter::default(),
            deliveries: Family::default(),
            moments_lost: Counter::default(),
        };
        for outcome in OUTCOMES {
            this.deliveries.get_or_create(&DeliveryLabel { outcome }).inc_by(0);
        }
        for follower in KINDS {
            this.entries.get_or_create(&FollowerLabel { follower }).inc_by(0);
            this.behind_seconds.get_or_create(&FollowerLabel { follower }).set(0.0);
            this.lag_seconds.get_or_create(&FollowerLabel { follower }).set(0.0);
            this.aside.get_or_create(&FollowerLabel { follower }).inc_by(0);
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
                "follower_aside",
                "Entries that a follower could not work on and has put aside",
                this.aside.clone(),
            );
            r.register(
                "tail_horizon_seconds",
                "Age of the oldest transaction that keeps followers from reading on",
                this.horizon_seconds.clone(),
            );
            r.register("events", "Events that were published from the log", this.events.clone());
            r.register(
                "event_messages",
                "Messages of the broker that events were published in",
                this.event_messages.clone(),
            );
            r.register(
                "event_sink_dropped",
                "Events that a subscriber of the process was too slow for",
                this.sink_dropped.clone(),
            );
            r.register(
                "webhook_deliveries",
                "Deliveries to webhooks: taken, failed and to be tried again, given up",
                this.deliveries.clone(),
            );
            r.register(
                "webhook_moments_lost",
                "Moments that a webhook wanted and was not sent: it was behind, or its receiver fails",
                this.moments_lost.clone(),
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

    /// Events were published in one message.
    pub(super) fn published(&self, events: usize) {
        self.events.inc_by(events as u64);
        self.event_messages.inc();
    }

    /// A subscriber of the process lost an event.
    pub(super) fn sink_dropped(&self) {
        self.sink_dropped.inc();
    }

    /// A delivery to a webhook was taken, or not.
    pub(super) fn delivered(&self, is_taken: bool) {
        let outcome = OUTCOMES[usize::from(!is_taken)];
        self.deliveries.get_or_create(&DeliveryLabel { outcome }).inc();
    }

    /// An event was given up.
    pub(super) fn given_up(&self) {
        self.deliveries.get_or_create(&DeliveryLabel { outcome: OUTCOMES[2] }).inc();
    }

    /// Moments did not reach a webhook that wants them.
    pub(super) fn moments_lost(&self, number: u64) {
        self.moments_lost.inc_by(number);
    }

    /// A follower could not work on an entry.
    pub(super) fn put_aside(&self, follower: &'static str) {
        self.aside.get_or_create(&FollowerLabel { follower }).inc();
    }

    /// How far the followers of a kind are behind.
    pub(super) fn lag(&self, follower: &'static str, lag: Duration) {
        self.lag_seconds.get_or_create(&FollowerLabel { follower }).set(lag.as_secs_f64());
    }

    /// How far the tail can be read.
    pub(super) fn horizon(&self, horizon: Horizon) {
        self.horizon_seconds.set(horizon.held.as_secs_f64());
    }
}
