//! What the presence service counts, under `tidings_presence_`.

use platform::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// The service's metrics.
#[derive(Debug, Clone)]
pub struct PresenceMetrics {
    /// Connections registered.
    pub registered: Counter,
    /// Connections removed.
    pub unregistered: Counter,
    /// Users of each look-up.
    pub locate_users: Histogram,
    /// Heartbeats whose account did not fit: the gateway was asked to report anew.
    pub mismatches: Counter,
    /// Gateways whose lease ended.
    pub expired_gateways: Counter,
    /// Changes told.
    pub announced: Counter,
    /// Changes not told: the queue was full, or who to tell could not be found out.
    pub not_announced: Counter,
}

impl PresenceMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        let this = Self {
            registered: Counter::default(),
            unregistered: Counter::default(),
            locate_users: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            mismatches: Counter::default(),
            expired_gateways: Counter::default(),
            announced: Counter::default(),
            not_announced: Counter::default(),
        };
        metrics.register(|registry| {
            let r = registry.sub_registry_with_prefix("tidings_presence");
            r.register("registered", "Connections registered", this.registered.clone());
            r.register("unregistered", "Connections removed", this.unregistered.clone());
            r.register("locate_users", "Users of each look-up", this.locate_users.clone());
            r.register(
                "heartbeat_mismatches",
                "Heartbeats that did not fit",
                this.mismatches.clone(),
            );
            r.register(
                "expired_gateways",
                "Gateways whose lease ended",
                this.expired_gateways.clone(),
            );
            r.register("announced", "Changes told", this.announced.clone());
            r.register("not_announced", "Changes not told", this.not_announced.clone());
        });
        this
    }
}
