//! What is counted of offline push. Each series is there from the start.

use platform::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use push::Provider;

/// What becomes of a push: a closed set. The first four are what a provider answered.
const OUTCOMES: [&str; 8] =
    ["sent", "gone", "retry", "refused", "dead", "rate", "dropped", "outdated"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PushLabel {
    provider: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, Default)]
pub struct PushMetrics {
    pushes: Family<PushLabel, Counter>,
    waiting: Gauge,
    decided: Counter,
    taken_back: Counter,
}

impl PushMetrics {
    pub fn new(metrics: &Metrics) -> Self {
        let this = Self::default();
        for provider in Provider::ALL {
            for outcome in OUTCOMES {
                let provider = provider.name();
                this.pushes.get_or_create(&PushLabel { provider, outcome }).inc_by(0);
            }
        }
        metrics.register(|registry| {
            let r = registry.sub_registry_with_prefix("tidings");
            r.register(
                "push",
                "Offline pushes by provider and by what became of them: each attempt is one",
                this.pushes.clone(),
            );
            r.register(
                "push_waiting_conversations",
                "Conversations in which it is not decided yet who is told by an offline push",
                this.waiting.clone(),
            );
            r.register(
                "push_decisions",
                "Members for whom it was decided whether they are told by an offline push",
                this.decided.clone(),
            );
            r.register(
                "push_taken_back",
                "Notifications that were taken back because they were read or deleted elsewhere",
                this.taken_back.clone(),
            );
        });
        this
    }

    pub(super) fn push(&self, provider: Provider, outcome: &'static str) {
        let provider = provider.name();
        self.pushes.get_or_create(&PushLabel { provider, outcome }).inc();
    }

    pub(super) fn waiting(&self, conversations: usize) {
        self.waiting.set(conversations as i64);
    }

    pub(super) fn decided(&self, members: usize) {
        self.decided.inc_by(members as u64);
    }

    pub(super) fn taken_back(&self) {
        self.taken_back.inc();
    }
}
