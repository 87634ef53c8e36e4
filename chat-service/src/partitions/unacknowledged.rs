//! What one consumer has taken from its partition and not acknowledged, as metrics. Must not decide anything.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::now_ms;
use crate::metrics::{PartitionMetrics, seconds_between};

/// No batch has been taken, or none is counted any more.
const NONE: u64 = u64::MAX;

/// The batches of one consumer; shared with the code that acknowledges them.
#[derive(Debug)]
pub(super) struct Unacknowledged {
    counts: PartitionMetrics,
    /// The tag up to which all is acknowledged.
    acked: AtomicU64,
}

impl Unacknowledged {
    pub(super) fn new(counts: PartitionMetrics) -> Self {
        Self { counts, acked: AtomicU64::new(NONE) }
    }

    /// One more batch, whose oldest frame came to its gateway then.
    pub(super) fn took(&self, tag: u64, oldest_ms: u64) {
        // Tags of a consumer need not begin at 1.
        self.acked.fetch_min(tag.saturating_sub(1), Ordering::AcqRel);
        self.counts.batches.inc();
        self.counts.unacknowledged.inc();
        if oldest_ms > 0 {
            self.counts.age_seconds.set(seconds_between(oldest_ms, now_ms()));
        }
    }

    /// All up to this tag are done.
    pub(super) fn done(&self, tag: u64) {
        let before = self.acked.fetch_max(tag, Ordering::AcqRel);
        if before < tag {
            let were = self.counts.unacknowledged.dec_by((tag - before) as i64);
            if were == (tag - before) as i64 {
                self.counts.age_seconds.set(0.0);
            }
        }
    }

    /// The consumer has ended: what it took up to this tag goes back, and is not waited for here.
    pub(super) fn gave_back(&self, last_tag: u64) {
        let before = self.acked.swap(NONE, Ordering::AcqRel);
        if before < last_tag {
            self.counts.unacknowledged.dec_by((last_tag - before) as i64);
        }
        self.counts.age_seconds.set(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::ChatMetrics;

    #[test]
    fn what_is_taken_is_counted_until_it_is_acknowledged_or_given_back() {
        let counts = ChatMetrics::new(&platform::metrics::Metrics::new()).partition(0);
        let taken = Unacknowledged::new(counts.clone());
        // As a second consumer of a queue in memory.
        for tag in 7..=9 {
            taken.took(tag, 1);
        }
        assert_eq!(counts.unacknowledged.get(), 3);
        assert!(counts.age_seconds.get() > 1.0);
        taken.done(8);
        assert_eq!(counts.unacknowledged.get(), 1);
        taken.gave_back(9);
        taken.done(9);
        assert_eq!((counts.unacknowledged.get(), counts.batches.get()), (0, 3));
        assert!(counts.age_seconds.get().abs() < f64::EPSILON);
        let taken = Unacknowledged::new(counts.clone());
        taken.took(1, 1);
        taken.done(1);
        taken.gave_back(1);
        assert_eq!(counts.unacknowledged.get(), 0);
    }
}
