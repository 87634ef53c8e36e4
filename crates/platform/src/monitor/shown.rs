//! What the monitor counts of itself, under `tidings_monitor_`.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::Metrics;

/// What became of an alert that was to be posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// The receiver has it.
    Delivered,
    /// The receiver did not take it in all attempts, or refused it for good.
    GivenUp,
    /// Too many waited.
    Dropped,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Delivered, Self::GivenUp, Self::Dropped];
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let label = match self {
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::Dropped => "dropped",
        };
        label.encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabel {
    alert: &'static str,
}

/// Handles to the metrics.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    alerts: Family<AlertLabel, Gauge>,
    posts: Family<OutcomeLabel, Counter>,
    failures: Counter,
}

impl Shown {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let this = Self {
            alerts: Family::default(),
            posts: Family::default(),
            failures: Counter::default(),
        };
        for outcome in Outcome::ALL {
            this.posts.get_or_create(&OutcomeLabel { outcome }).inc_by(0);
        }
        metrics.register(|registry| {
            let r = registry.sub_registry_with_prefix("tidings_monitor");
            r.register("alerts", "1 while the monitor has an alert raised", this.alerts.clone());
            r.register("posts", "Alerts to be posted, by outcome", this.posts.clone());
            r.register("post_failures", "Attempts to post that failed", this.failures.clone());
        });
        this
    }

    /// Whether the alert is raised.
    pub(super) fn set(&self, alert: &'static str, is_raised: bool) {
        self.alerts.get_or_create(&AlertLabel { alert }).set(i64::from(is_raised));
    }

    pub(super) fn post(&self, outcome: Outcome) {
        self.posts.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub(super) fn failed(&self) {
        self.failures.inc();
    }
}
