//! The outcome of a run, as data and as a table.

mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use verdict::check::{Findings, Verdict};
use wire_client::latency::Latency;
use wire_client::processes::Usage;

use crate::counters::Totals;

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many values.
    pub count: u64,
    /// Half are below.
    pub p50: f64,
    /// 95 of 100 are below.
    pub p95: f64,
    /// 99 of 100 are below.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl From<&Latency> for Percentiles {
    fn from(latency: &Latency) -> Self {
        let values = latency.histogram();
        let ms = |us: u64| us as f64 / 1_000.0;
        if values.is_empty() {
            return Self::default();
        }
        Self {
            count: values.len(),
            p50: ms(values.value_at_quantile(0.50)),
            p95: ms(values.value_at_quantile(0.95)),
            p99: ms(values.value_at_quantile(0.99)),
            max: ms(values.max()),
        }
    }
}

/// What the processes of one name cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// As given in `--server-pids`; `fleet` is this process.
    pub name: String,
    /// CPU seconds in the measured time.
    pub cpu_seconds: f64,
    /// CPU microseconds per acknowledged message of the measured time.
    pub cpu_us_per_message: Option<f64>,
    /// CPU microseconds per delivery of the measured time.
    pub cpu_us_per_delivery: Option<f64>,
    /// Resident memory before the clients connected, in bytes.
    pub rss_before: u64,
    /// Resident memory at the end of the measured time, in bytes.
    pub rss_after: u64,
    /// What it grew by, per connection, in bytes.
    pub rss_per_connection: f64,
}

impl Process {
    /// From samples before connecting, and at both ends of the measured time.
    pub fn of(
        name: &str,
        [idle, from, until]: [Usage; 3],
        messages: u64,
        deliveries: u64,
        connections: u64,
    ) -> Self {
        let cpu_seconds = until.cpu.saturating_sub(from.cpu).as_secs_f64();
        let grown = until.rss_bytes as f64 - idle.rss_bytes as f64;
        Self {
            name: name.to_owned(),
            cpu_seconds,
            cpu_us_per_message: (messages > 0).then(|| cpu_seconds * 1e6 / messages as f64),
            cpu_us_per_delivery: (deliveries > 0).then(|| cpu_seconds * 1e6 / deliveries as f64),
            rss_before: idle.rss_bytes,
            rss_after: until.rss_bytes,
            rss_per_connection: grown / connections.max(1) as f64,
        }
    }
}

/// The outcome of a run. Rates are those of the measured time, counts those of the whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What the run shows.
    pub verdict: Verdict,
    /// Why it is not valid.
    pub reasons: Vec<String>,
    /// `pairs`, `group`, `idle`.
    pub scenario: String,
    /// The run's name: its users' names begin with it.
    pub run: String,
    /// The seed.
    pub seed: u64,
    /// Messages a second asked for, in the open loop.
    pub rate: Option<f64>,
    /// Sends in flight per sender, in the closed loop.
    pub window: Option<u32>,
    /// Bytes of each text.
    pub payload_bytes: usize,
    /// Clients.
    pub clients: u64,
    /// Conversations.
    pub conversations: u64,
    /// Length of the measured time.
    pub measured_seconds: f64,
    /// Clients that became ready, a second, from the first attempt to the last welcome.
    pub connects_per_second: f64,
    /// From the first byte to `welcome`, of each client's first connection.
    pub connect_ms: Percentiles,
    /// Sends that were due.
    pub offered: u64,
    /// Of them, dropped since the client's outbox was full.
    pub skipped: u64,
    /// `send` frames written, repeats included.
    pub sent: u64,
    /// Sends and reactions acknowledged.
    pub acknowledged: u64,
    /// Of them, reactions.
    pub reactions: u64,
    /// Entries received by members other than their sender, each once.
    pub delivered: u64,
    /// Acknowledgements a second.
    pub acknowledged_per_second: f64,
    /// Deliveries a second.
    pub delivered_per_second: f64,
    /// Bytes that came over the sockets in the measured time, per delivery: answers, receipts and heads
    /// of frames included, TCP and IP not.
    pub received_bytes_per_delivery: Option<f64>,
    /// From when a send was due to another member's socket.
    pub delivery_ms: Percentiles,
    /// From when a send was due to its acknowledgement.
    pub acknowledgement_ms: Percentiles,
    /// Call signals written, and heard.
    pub signals: [u64; 2],
    /// From when a signal was due to the other user's socket.
    pub signal_ms: Percentiles,
    /// Broadcasts heard, by all clients together.
    pub notices: u64,
    /// From when a broadcast was due to each socket.
    pub notice_ms: Percentiles,
    /// Errors by kind: error codes, close codes, failed connections.
    pub errors: BTreeMap<String, u64>,
    /// Connections after each client's first.
    pub reconnects: u64,
    /// Acknowledgements of what was acknowledged before, the same.
    pub repeated_answers: u64,
    /// Sends without an answer for so long that they were sent again.
    pub overdue_answers: u64,
    /// Syncs asked for because a live entry left a hole.
    pub gap_syncs: u64,
    /// Sync pages that dropped the client's cursor.
    pub resets: u64,
    /// How long the end waited for what was under way.
    pub drain_seconds: f64,
    /// What the checker found.
    pub findings: Findings,
    /// What processes cost.
    pub processes: Vec<Process>,
    /// CPU microseconds per message of all server processes together.
    pub servers_cpu_us_per_message: Option<f64>,
}

impl Report {
    /// What the program exits with.
    pub fn exit_code(&self) -> u8 {
        self.verdict.exit_code()
    }
}

/// The difference of two moments' totals, as a rate.
pub fn per_second(from: Totals, until: Totals, of: fn(&Totals) -> u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds == 0.0 { 0.0 } else { of(&until).saturating_sub(of(&from)) as f64 / seconds }
}
