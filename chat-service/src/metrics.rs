//! What the chat service counts, under `tidings_chat_`.

use platform::metrics::Metrics;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use proto::error_code::ErrorCode;

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum OutcomeKind {
    Stored,
    Repeated,
    Unchanged,
    Refused,
    Unavailable,
    Poisoned,
}

impl EncodeLabelValue for OutcomeKind {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let label = match self {
            Self::Stored => "stored",
            Self::Repeated => "repeated",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Poisoned => "poisoned",
        };
        label.encode(encoder)
    }
}

/// Label set of operations.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// What became of it.
    pub outcome: OutcomeKind,
}

/// Label set of refused operations: a closed set in lower case, the codes of frames.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ErrorLabel {
    /// What the sender is told.
    pub code: &'static str,
}

/// What became of a batch of pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum PushKind {
    Confirmed,
    GatewayGone,
    GivenUp,
}

impl EncodeLabelValue for PushKind {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let label = match self {
            Self::Confirmed => "confirmed",
            Self::GatewayGone => "gateway_gone",
            Self::GivenUp => "given_up",
        };
        label.encode(encoder)
    }
}

/// Label set of pushes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PushLabel {
    /// What became of it.
    pub outcome: PushKind,
}

/// Label set of partitions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PartitionLabel {
    /// Which.
    pub partition: u32,
}

/// The service's metrics.
#[derive(Debug, Clone)]
pub struct ChatMetrics {
    /// Operations by outcome.
    pub operations: Family<OutcomeLabel, Counter>,
    /// Operations refused, by the code that their senders are told.
    pub errors: Family<ErrorLabel, Counter>,
    /// Frames of each appended batch.
    pub batch_frames: Histogram,
    /// Seconds of each append, tries included.
    pub append_seconds: Histogram,
    /// Batches planned again because a head or a client id was taken.
    pub conflicts: Counter,
    /// Seconds of each look-up of connections.
    pub locate_seconds: Histogram,
    /// Look-ups without an answer: their entries wait for the next sync.
    pub locate_failures: Counter,
    /// Batches of pushes by outcome.
    pub pushes: Family<PushLabel, Counter>,
    /// Cursors that could not be moved; clients send them again.
    pub cursor_failures: Counter,
    /// Users for whom there was no room among the owed.
    pub owed_dropped: Counter,
    /// Frames and bodies that were put aside.
    pub dead_letters: Counter,
    /// Of these, those that could not be kept: no room, or no database.
    pub dead_letters_lost: Counter,
    /// Replicas that live, this one included.
    pub replicas: Gauge,
    /// Batches taken from each partition: they grow where this replica is the active consumer.
    pub partition_batches: Family<PartitionLabel, Counter>,
    /// Partitions yielded to their owners.
    pub partition_yields: Counter,
}

impl ChatMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.0005, 2.0, 14));
        let this = Self {
            operations: Family::default(),
            errors: Family::default(),
            batch_frames: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            append_seconds: seconds(),
            conflicts: Counter::default(),
            locate_seconds: seconds(),
            locate_failures: Counter::default(),
            pushes: Family::default(),
            cursor_failures: Counter::default(),
            owed_dropped: Counter::default(),
            dead_letters: Counter::default(),
            dead_letters_lost: Counter::default(),
            replicas: Gauge::default(),
            partition_batches: Family::default(),
            partition_yields: Counter::default(),
        };
        metrics.register(|registry| {
            let r = registry.sub_registry_with_prefix("tidings_chat");
            r.register("operations", "Operations by outcome", this.operations.clone());
            r.register("errors", "Operations refused, by code", this.errors.clone());
            r.register("batch_frames", "Frames of each appended batch", this.batch_frames.clone());
            r.register("append_seconds", "Seconds of each append", this.append_seconds.clone());
            r.register("append_conflicts", "Batches planned again", this.conflicts.clone());
            r.register(
                "locate_seconds",
                "Seconds of each look-up of connections",
                this.locate_seconds.clone(),
            );
            r.register(
                "locate_failures",
                "Look-ups without an answer",
                this.locate_failures.clone(),
            );
            r.register("push_batches", "Batches of pushes by outcome", this.pushes.clone());
            r.register(
                "cursor_failures",
                "Cursors that could not be moved",
                this.cursor_failures.clone(),
            );
            r.register(
                "owed_dropped",
                "Users who were not remembered after a lost push",
                this.owed_dropped.clone(),
            );
            this.register_dead_letters(r);
            this.register_balance(r);
        });
        this
    }

    fn register_dead_letters(&self, r: &mut Registry) {
        r.register("dead_letters", "Frames that were put aside", self.dead_letters.clone());
        r.register(
            "dead_letters_lost",
            "Frames that were put aside and could not be kept",
            self.dead_letters_lost.clone(),
        );
    }

    fn register_balance(&self, r: &mut Registry) {
        r.register("replicas", "Replicas that live", self.replicas.clone());
        r.register(
            "partition_batches",
            "Batches taken from each partition",
            self.partition_batches.clone(),
        );
        r.register(
            "partition_yields",
            "Partitions yielded to their owners",
            self.partition_yields.clone(),
        );
    }

    /// Counts a batch from a partition.
    pub fn partition_batch(&self, partition: u16) {
        let label = PartitionLabel { partition: u32::from(partition) };
        self.partition_batches.get_or_create(&label).inc();
    }

    /// Counts an operation.
    pub fn operation(&self, outcome: OutcomeKind) {
        self.operations.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts an operation that its sender is told an error for.
    pub fn error(&self, code: ErrorCode) {
        self.errors.get_or_create(&ErrorLabel { code: code.as_str() }).inc();
    }

    /// Counts a batch of pushes.
    pub fn push(&self, outcome: PushKind) {
        self.pushes.get_or_create(&PushLabel { outcome }).inc();
    }
}
