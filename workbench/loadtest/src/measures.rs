//! What one thread measures: latencies, errors by kind, and what is wrong at once.

use std::collections::BTreeMap;

use verdict::history::Oddity;
use wire_client::latency::Latency;

/// Oddities kept by a thread; more of them say nothing new.
const MAX_ODDITIES: usize = 1_000;
/// Kinds of errors kept by a thread.
const MAX_KINDS: usize = 200;

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
