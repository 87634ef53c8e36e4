//! What the chat service counts, under `tidings_chat_`. Labels are of closed sets, and each of their series is there
//! from the start: a rate over one that appears with its first count misses that count.

use std::sync::atomic::AtomicU64;

use platform::metrics::Metrics;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use proto::error_code::ErrorCode;
use proto::partition::Partition;

use crate::domain::body;

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum OutcomeKind {
    Stored,
    Repeated,
    Unchanged,
    Tallied,
    Refused,
    Unavailable,
    Poisoned,
}

impl OutcomeKind {
    /// All of them, in the order of their numbers.
    const ALL: [Self; 7] = [
        Self::Stored,
        Self::Repeated,
        Self::Unchanged,
        Self::Tallied,
        Self::Refused,
        Self::Unavailable,
        Self::Poisoned,
    ];
}

impl EncodeLabelValue for OutcomeKind {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let label = match self {
            Self::Stored => "stored",
            Self::Repeated => "repeated",
            Self::Unchanged => "unchanged",
            Self::Tallied => "tallied",
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

impl PushKind {
    const ALL: [Self; 3] = [Self::Confirmed, Self::GatewayGone, Self::GivenUp];
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
    pub partition: u32,
}

/// Label set of entries.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EntryLabel {
    /// What a message says of itself.
    pub kind: &'static str,
}

/// What is counted of one partition. Its consumer keeps it: no label is looked for at a batch.
#[derive(Debug, Clone)]
pub struct PartitionMetrics {
    /// Batches that were taken.
    pub batches: Counter,
    /// Of these, those that are not acknowledged yet.
    pub unacknowledged: Gauge,
    /// How long the frames of the last batch had waited, in seconds.
    pub age_seconds: Gauge<f64, AtomicU64>,
}

#[derive(Debug, Clone)]
pub struct ChatMetrics {
    /// Operations by outcome.
    operations: Family<OutcomeLabel, Counter>,
    /// Its counters in the order of [`OutcomeKind::ALL`]: no label is looked for at a message.
    of_outcomes: [Counter; OutcomeKind::ALL.len()],
    /// Entries stored, by the kind of the message.
    entries: Family<EntryLabel, Counter>,
    /// Its counters in the order of [`body::KINDS`].
    of_kinds: [Counter; body::KINDS.len()],
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
    /// Users who may have missed a push and could not be remembered: the bound is `lanes.missed_push_users`.
    pub missed_dropped: Counter,
    /// Frames and bodies that were put aside.
    pub dead_letters: Counter,
    /// Of these, those that could not be kept: no room, or no database.
    pub dead_letters_lost: Counter,
    /// Replicas that live, this one included.
    pub replicas: Gauge,
    /// Partition workers that are at work on a batch now.
    pub workers_busy: Gauge,
    pub workers: Gauge,
    /// Seconds from a frame's coming to a gateway until its batch is planned, of the oldest of each batch of the bus.
    partition_wait_seconds: Histogram,
    /// Batches taken from each partition: they grow where this replica is the active consumer.
    partition_batches: Family<PartitionLabel, Counter>,
    partition_unacknowledged: Family<PartitionLabel, Gauge>,
    partition_age_seconds: Family<PartitionLabel, Gauge<f64, AtomicU64>>,
    /// Partitions yielded to their owners.
    pub partition_yields: Counter,
    /// Changed messages whose states were compared with their logs.
    pub states_verified: Counter,
    /// Of these, those that were not what the log says.
    pub state_mismatches: Counter,
}

impl ChatMetrics {
    pub fn new(metrics: &Metrics) -> Self {
        let this = Self::at_0();
        this.begin_at_0();
        metrics.register(|registry| {
            let r = registry.sub_registry_with_prefix("tidings_chat");
            this.register_operations(r);
            r.register("errors", "Operations refused, by code", this.errors.clone());
            r.register("batch_frames", "Frames of each appended batch", this.batch_frames.clone());
            r.register("lanes", "Partition workers", this.workers.clone());
            r.register(
                "lanes_busy",
                "Partition workers at work on a batch",
                this.workers_busy.clone(),
            );
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
                "missed_pushes_dropped",
                "Users who were not remembered after a lost push",
                this.missed_dropped.clone(),
            );
            this.register_dead_letters(r);
            this.register_balance(r);
            this.register_states(registry.sub_registry_with_prefix("tidings"));
        });
        this
    }

    /// Nothing is registered, and nothing was counted.
    fn at_0() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.0005, 2.0, 14));
        let (operations, entries) =
            (Family::<OutcomeLabel, Counter>::default(), Family::<EntryLabel, Counter>::default());
        Self {
            of_outcomes: OutcomeKind::ALL
                .map(|outcome| operations.get_or_create_owned(&OutcomeLabel { outcome })),
            of_kinds: body::KINDS.map(|kind| entries.get_or_create_owned(&EntryLabel { kind })),
            operations,
            entries,
            errors: Family::default(),
            batch_frames: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            append_seconds: seconds(),
            conflicts: Counter::default(),
            locate_seconds: seconds(),
            locate_failures: Counter::default(),
            pushes: Family::default(),
            cursor_failures: Counter::default(),
            missed_dropped: Counter::default(),
            dead_letters: Counter::default(),
            dead_letters_lost: Counter::default(),
            replicas: Gauge::default(),
            workers_busy: Gauge::default(),
            workers: Gauge::default(),
            // To two minutes: frames wait while the database is away.
            partition_wait_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 18)),
            states_verified: Counter::default(),
            state_mismatches: Counter::default(),
            partition_batches: Family::default(),
            partition_unacknowledged: Family::default(),
            partition_age_seconds: Family::default(),
            partition_yields: Counter::default(),
        }
    }

    fn begin_at_0(&self) {
        for code in ErrorCode::ALL {
            self.errors.get_or_create(&ErrorLabel { code: code.as_str() }).inc_by(0);
        }
        for outcome in PushKind::ALL {
            self.pushes.get_or_create(&PushLabel { outcome }).inc_by(0);
        }
    }

    fn register_operations(&self, r: &mut Registry) {
        r.register("operations", "Operations by outcome", self.operations.clone());
        r.register("entries", "Messages stored, by kind", self.entries.clone());
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
        r.register(
            "partition_wait_seconds",
            "Seconds from the coming of a batch's oldest frame until the batch is planned",
            self.partition_wait_seconds.clone(),
        );
        r.register(
            "partition_unacknowledged_batches",
            "Batches taken from each partition and not acknowledged yet",
            self.partition_unacknowledged.clone(),
        );
        r.register(
            "partition_age_seconds",
            "Age of the oldest frame of the batch that was taken last; 0 when none is left",
            self.partition_age_seconds.clone(),
        );
    }

    fn register_states(&self, r: &mut Registry) {
        r.register(
            "states_verified",
            "Changed messages whose states were compared with their logs",
            self.states_verified.clone(),
        );
        r.register(
            "state_mismatches",
            "Messages whose state was not what their log says; must be 0",
            self.state_mismatches.clone(),
        );
    }

    /// What is counted of a partition.
    pub fn partition(&self, partition: Partition) -> PartitionMetrics {
        let label = PartitionLabel { partition: u32::from(partition) };
        PartitionMetrics {
            batches: self.partition_batches.get_or_create_owned(&label),
            unacknowledged: self.partition_unacknowledged.get_or_create_owned(&label),
            age_seconds: self.partition_age_seconds.get_or_create_owned(&label),
        }
    }

    /// Takes note of how long the oldest frame of a batch has waited that is planned now.
    pub fn waited(&self, oldest_ms: u64, now_ms: u64) {
        if oldest_ms > 0 {
            self.partition_wait_seconds.observe(seconds_between(oldest_ms, now_ms));
        }
    }

    /// How many operations ended so.
    pub fn operations(&self, outcome: OutcomeKind) -> u64 {
        self.of_outcomes[outcome as usize].get()
    }

    /// Age of the oldest frame that is worked on, in any of the partitions; 0 when none is.
    pub fn oldest_seconds(&self, partitions: Partition) -> f64 {
        let ages = (0..partitions).map(|it| {
            let label = PartitionLabel { partition: u32::from(it) };
            self.partition_age_seconds.get(&label).map_or(0.0, |age| age.get())
        });
        ages.fold(0.0, f64::max)
    }

    pub fn operation(&self, outcome: OutcomeKind) {
        self.of_outcomes[outcome as usize].inc();
    }

    /// Counts a message that is stored now.
    pub fn entry(&self, kind: &str) {
        if let Some(place) = body::KINDS.iter().position(|known| *known == kind) {
            self.of_kinds[place].inc();
        }
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

/// By clocks of two machines: never less than 0.
pub(crate) fn seconds_between(from_ms: u64, to_ms: u64) -> f64 {
    to_ms.saturating_sub(from_ms) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_in_the_order_of_their_labels_and_every_series_begins_at_0() {
        let registry = Metrics::new();
        let metrics = ChatMetrics::new(&registry);
        let _partition = metrics.partition(3);
        for outcome in OutcomeKind::ALL {
            metrics.operation(outcome);
            assert_eq!(metrics.operations.get_or_create(&OutcomeLabel { outcome }).get(), 1);
        }
        for kind in body::KINDS {
            metrics.entry(kind);
            assert_eq!(metrics.entries.get_or_create(&EntryLabel { kind }).get(), 1);
        }
        let text = registry.encode();
        for line in [
            r#"tidings_chat_errors_total{code="not_member"} 0"#,
            r#"tidings_chat_push_batches_total{outcome="given_up"} 0"#,
            r#"tidings_chat_partition_batches_total{partition="3"} 0"#,
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
