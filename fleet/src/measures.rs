//! What one thread measures: latencies, errors by kind, and what is wrong at once.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::history::Oddity;

/// Longest latency told apart, in microseconds.
const MAX_US: u64 = 600_000_000;
/// Three digits: an error of 0.1 %.
const DIGITS: u8 = 3;
/// Oddities kept by a thread; more of them say nothing new.
const MAX_ODDITIES: usize = 1_000;
/// Kinds of errors kept by a thread.
const MAX_KINDS: usize = 200;

/// Microseconds from 1 to [`MAX_US`].
#[derive(Debug, Clone)]
pub struct Latency(Histogram<u64>);

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

/// What one thread measures.
#[derive(Debug)]
pub struct Measures {
    /// From when a send was due to another member's socket.
    pub delivery: Latency,
    /// From when a send was due to its acknowledgement.
    pub acknowledgement: Latency,
    /// From when a signal was due to the other user's socket.
    pub signal: Latency,
    /// From when a broadcast was due to each socket.
    pub notice: Latency,
    /// From the start of a client's first connection to its `welcome`.
    pub connect: Latency,
    /// Error codes, close codes, failed connections.
    pub errors: BTreeMap<String, u64>,
    /// Wrong at once.
    pub oddities: Vec<Oddity>,
}

impl Measures {
    /// Nothing measured yet.
    pub fn new() -> Self {
        Self {
            delivery: Latency::new(),
            acknowledgement: Latency::new(),
            signal: Latency::new(),
            notice: Latency::new(),
            connect: Latency::new(),
            errors: BTreeMap::new(),
            oddities: Vec::new(),
        }
    }

    /// Counts an error by its kind.
    pub fn count_error(&mut self, kind: String) {
        let is_known = self.errors.contains_key(&kind) || self.errors.len() < MAX_KINDS;
        *self.errors.entry(if is_known { kind } else { "other".to_owned() }).or_default() += 1;
    }

    /// Keeps an oddity while there is room.
    pub fn keep_oddity(&mut self, oddity: Oddity) {
        if self.oddities.len() < MAX_ODDITIES {
            self.oddities.push(oddity);
        }
    }

    /// Adds another thread's measures.
    pub fn merge(&mut self, other: Self) {
        self.delivery.merge(&other.delivery);
        self.acknowledgement.merge(&other.acknowledgement);
        self.signal.merge(&other.signal);
        self.notice.merge(&other.notice);
        self.connect.merge(&other.connect);
        for (kind, count) in other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
        self.oddities.extend(other.oddities);
    }
}
