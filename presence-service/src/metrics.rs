//! What the presence service counts, under `tidings_presence_`.

use platform::metrics::Metrics;
use platform::monitor::{Alert, Reading, Rule, Watch};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AnnouncementOutcome {
    /// Handed to the gateways of those who may know.
    Told,
    /// The user was back before anybody was told.
    Suppressed,
    /// Too many were waiting.
    Dropped,
    /// The chat service did not say who may know: told later.
    WithoutContacts,
    /// The store did not say where those are: told later.
    WithoutPlaces,
    /// The bus did not take it: told later.
    WithoutBus,
}

impl AnnouncementOutcome {
    /// All of them: counted from 0.
    const ALL: [Self; 6] = [
        Self::Told,
        Self::Suppressed,
        Self::Dropped,
        Self::WithoutContacts,
        Self::WithoutPlaces,
        Self::WithoutBus,
    ];
}

impl EncodeLabelValue for AnnouncementOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let label = match self {
            Self::Told => "told",
            Self::Suppressed => "suppressed",
            Self::Dropped => "dropped",
            Self::WithoutContacts => "without_contacts",
            Self::WithoutPlaces => "without_places",
            Self::WithoutBus => "without_bus",
        };
        label.encode(encoder)
    }
}

/// Label set of changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct AnnouncementLabel {
    /// What became of it.
    pub(crate) outcome: AnnouncementOutcome,
}

#[derive(Debug, Clone)]
pub(crate) struct PresenceMetrics {
    /// Connections that gateways opened.
    pub(crate) connected: Counter,
    /// Connections that gateways closed.
    pub(crate) disconnected: Counter,
    /// Connections refused because their users have as many as allowed.
    pub(crate) refused_connections: Counter,
    /// Full accounts.
    pub(crate) snapshots: Counter,
    /// Heartbeats that counted otherwise: the gateway was asked for a full account.
    pub(crate) mismatches: Counter,
    /// Reports and heartbeats of a gateway epoch that another has followed.
    pub(crate) stale: Counter,
    /// Gateways that said they leave.
    pub(crate) left_gateways: Counter,
    /// Gateways whose lease ended although they did not say so.
    pub(crate) expired_gateways: Counter,
    /// Users of each look-up.
    pub(crate) locate_users: Histogram,
    /// Seconds of each look-up in the store.
    pub(crate) locate_seconds: Histogram,
    /// Changes by what became of them.
    pub(crate) announcements: Family<AnnouncementLabel, Counter>,
    /// Conversations whose members were not told of a change, because they are too many.
    pub(crate) large_groups: Counter,
    /// Users whose choice could not be read, beyond those that are read later.
    pub(crate) choices_dropped: Counter,
    /// Users whose change waits to be told.
    pub(crate) waiting: Gauge,
    /// Batches of pushes that a gateway did not get: it is gone or full.
    pub(crate) push_failures: Counter,
    /// Users whose spending gateways told.
    pub(crate) spending_users: Counter,
    /// Calls refused because too many were under way.
    pub(crate) refused_calls: Counter,
    /// Frames on the presence lane that are not understood.
    pub(crate) unknown_frames: Counter,
}

impl PresenceMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let this = Self {
            connected: Counter::default(),
            disconnected: Counter::default(),
            refused_connections: Counter::default(),
            snapshots: Counter::default(),
            mismatches: Counter::default(),
            stale: Counter::default(),
            left_gateways: Counter::default(),
            expired_gateways: Counter::default(),
            locate_users: Histogram::new(exponential_buckets(1.0, 2.0, 14)),
            locate_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 15)),
            announcements: Family::default(),
            large_groups: Counter::default(),
            choices_dropped: Counter::default(),
            waiting: Gauge::default(),
            push_failures: Counter::default(),
            spending_users: Counter::default(),
            refused_calls: Counter::default(),
            unknown_frames: Counter::default(),
        };
        for outcome in AnnouncementOutcome::ALL {
            this.announcements.get_or_create(&AnnouncementLabel { outcome }).inc_by(0);
        }
        this.register(metrics);
        this
    }

    fn register(&self, metrics: &Metrics) {
        metrics.register(|registry| {
            let r = registry.sub_registry_with_prefix("tidings_presence");
            r.register("connected", "Connections that gateways opened", self.connected.clone());
            r.register(
                "disconnected",
                "Connections that gateways closed",
                self.disconnected.clone(),
            );
            r.register(
                "refused_connections",
                "Connections beyond what their users may have",
                self.refused_connections.clone(),
            );
            r.register("snapshots", "Full accounts of gateways", self.snapshots.clone());
            r.register(
                "heartbeat_mismatches",
                "Heartbeats that did not fit",
                self.mismatches.clone(),
            );
            r.register("stale_epochs", "Reports of followed gateway epochs", self.stale.clone());
            r.register(
                "left_gateways",
                "Gateways that signed off their lease",
                self.left_gateways.clone(),
            );
            r.register(
                "expired_gateways",
                "Gateways whose lease ended without a sign-off",
                self.expired_gateways.clone(),
            );
            self.register_answers(r);
        });
    }

    fn register_answers(&self, r: &mut Registry) {
        r.register("locate_users", "Users of each look-up", self.locate_users.clone());
        r.register("locate_seconds", "Seconds of each look-up", self.locate_seconds.clone());
        r.register("announcements", "Changes by outcome", self.announcements.clone());
        r.register(
            "large_groups_not_told",
            "Conversations whose members are too many to be told of a change",
            self.large_groups.clone(),
        );
        r.register(
            "choices_dropped",
            "Choices that were not read and are not read later",
            self.choices_dropped.clone(),
        );
        r.register("announcements_waiting", "Users to be announced", self.waiting.clone());
        r.register("push_failures", "Pushes that gateways did not get", self.push_failures.clone());
        r.register(
            "spending_users",
            "Users whose spending gateways told",
            self.spending_users.clone(),
        );
        r.register("refused_calls", "Calls refused for their number", self.refused_calls.clone());
        r.register("unknown_frames", "Frames not understood", self.unknown_frames.clone());
    }

    /// Gives the monitor of the process its figures. A fifth of the announcements that may wait is much.
    pub(crate) fn watch(&self, registry: &Metrics, most_waiting: usize) {
        let connected = self.connected.clone();
        registry.watch(Watch::new("connected", move || Reading::Total(connected.get() as f64)));
        let waiting = self.waiting.clone();
        let read = move || Reading::Level(waiting.get() as f64);
        registry.watch(Watch::new("announcements_waiting", read).alert(Alert {
            name: "TidingsPresenceLate",
            rule: Rule::Users(u32::try_from(most_waiting / 5).unwrap_or(u32::MAX)),
            says: "many users wait until others are told that they came or went: look at chat services, Redis and the broker",
        }));
    }

    pub(crate) fn announced(&self, outcome: AnnouncementOutcome, changes: usize) {
        if changes > 0 {
            self.announcements.get_or_create(&AnnouncementLabel { outcome }).inc_by(changes as u64);
        }
    }
}
