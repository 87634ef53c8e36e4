//! Latencies of many messages in a room of fixed size.

use hdrhistogram::Histogram;

/// Longest latency told apart, in microseconds.
const MAX_US: u64 = 600_000_000;
/// Three digits: an error of 0.1 %.
const DIGITS: u8 = 3;

/// Microseconds from 1 to [`MAX_US`].
#[derive(Debug, Clone)]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Latency {
    /// No value yet.
    pub fn new() -> Self {
        // Cannot fail: the bounds are constants that satisfy `high >= 2 * low`.
        #[expect(clippy::unwrap_used, reason = "constant arguments")]
        Self(Histogram::new_with_bounds(1, MAX_US, DIGITS).unwrap())
    }

    /// Adds a value.
    pub fn record(&mut self, us: u64) {
        self.0.saturating_record(us.max(1));
    }

    /// Adds another thread's values.
    pub fn merge(&mut self, other: &Self) {
        // Cannot fail: all have the same bounds.
        let _ = self.0.add(&other.0);
    }

    /// The recorded values.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}
