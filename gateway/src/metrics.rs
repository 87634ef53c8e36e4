//! What the gateway counts, under `tidings_gateway_`. Labels are of closed sets, and each of their series is there from
//! the start: a rate over one that appears with its first count misses that count. Must not know the types of what it
//! counts: it is told words and numbers.

mod closed;
pub(crate) mod frames;
mod watched;

use std::time::Duration;

use platform::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use proto::error_code::ErrorCode;
use proto::frame::server::Quality;

use crate::clock::unix_ms;

/// Of answers over REST.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StatusLabel {
    /// The first digit of the status, as `2xx`.
    pub status: &'static str,
}

/// A close code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CodeLabel {
    /// The number.
    pub code: &'static str,
}

/// The interface over which a client was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// A WebSocket, or the request for one.
    Ws,
    /// An event stream and what is posted for it.
    Sse,
    /// REST.
    Rest,
    /// The pages, and paths that do not exist.
    Page,
}

impl Door {
    /// As a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Sse => "sse",
            Self::Rest => "rest",
            Self::Page => "page",
        }
    }
}

/// An error: a code of the closed list, and the interface over which the client was told it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ErrorLabel {
    /// The code, as clients are told it.
    pub code: &'static str,
    /// The interface.
    pub via: &'static str,
}

/// A limit by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabel {
    /// The name, as in reasons.
    pub limit: &'static str,
}

/// A kind of frame.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    /// The kind.
    pub kind: &'static str,
}

/// How good a network is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct QualityLabel {
    /// The word, as clients are told it.
    pub quality: &'static str,
}

/// What bytes are held for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PurposeLabel {
    /// As in the keys of `limits.memory`.
    pub purpose: &'static str,
}

/// The gateway's metrics.
#[derive(Debug, Clone)]
pub struct GatewayMetrics {
    /// Open sockets.
    pub connections: Gauge,
    /// How many there may be: by the configuration, or by the files of the process.
    pub connections_limit: Gauge,
    /// Sockets welcomed.
    pub welcomed: Counter,
    /// Frames received.
    pub frames_in: Counter,
    /// Frames written.
    pub frames_out: Counter,
    /// Bytes of frames received, decompressed.
    pub bytes_in: Counter,
    /// Bytes of frames written, as JSON and before compression.
    pub bytes_out: Counter,
    /// Answers over REST by status.
    rest: Family<StatusLabel, Counter>,
    /// Its counters in the order of [`closed::STATUSES`].
    of_statuses: [Counter; closed::STATUSES.len()],
    /// Seconds of each request over REST.
    rest_seconds: Histogram,
    /// Seconds from the coming of an entry's operation to a gateway until the entry is written to a socket: of each
    /// write, the oldest.
    entry_seconds: Histogram,
    /// Seconds until a device says `delivered`: of each `delivered`, the oldest.
    delivered_seconds: Histogram,
    /// Errors that clients were told, from any service, by code and interface.
    pub errors: Family<ErrorLabel, Counter>,
    /// Sockets closed by us, by close code.
    pub closes: Family<CodeLabel, Counter>,
    /// Profiles that connections were given, by the quality of their network.
    pub profiles: Family<QualityLabel, Counter>,
    /// Connections and requests that were not let in, by the limit they met.
    pub refused: Family<LimitLabel, Counter>,
    /// Requests that may await their answer at present.
    pub unanswered_limit: Gauge,
    /// Bytes that are held for clients, by purpose.
    pub memory: Family<PurposeLabel, Gauge>,
    /// How many may be.
    pub memory_limit: Family<PurposeLabel, Gauge>,
    /// Bytes of frames that may wait for sockets.
    pub outbox_limit: Gauge,
    /// Sockets closed because too much waited for all sockets together.
    pub relieved: Counter,
    /// Open connections asked to connect anew because this gateway had more than its share.
    pub rebalanced: Counter,
    /// New connections sent to another gateway.
    pub placed: Counter,
    /// Users of both who soon came back to this gateway.
    pub rebalance_returned: Counter,
    /// Frames of each publish.
    pub batch_frames: Histogram,
    /// Seconds until a publish was confirmed.
    pub publish_seconds: Histogram,
    /// Publishes without a confirm.
    pub publish_failures: Counter,
    /// Frames dropped for slow readers, by kind; what was cleared with a socket (4009) is among them.
    pub dropped: Family<KindLabel, Counter>,
    /// Questions about the members of large conversations.
    pub channel_asks: Counter,
    /// Entries of large conversations that were left to sync.
    pub channel_lost: Counter,
    /// Broadcasts that came and were not repeats.
    pub broadcasts: Counter,
    /// Repeated broadcasts.
    pub broadcast_repeats: Counter,
    /// Pages pushed again because entries were not acknowledged.
    pub redelivered: Counter,
    /// Seconds from a request to its answer.
    answer_seconds: Histogram,
    /// How many these are, and their microseconds: a histogram cannot be read. Not exported.
    pub(crate) answered: Counter,
    pub(crate) answered_micros: Counter,
    /// When presence answered the last heartbeat, in Unix milliseconds. Not exported.
    pub(crate) presence_heard_ms: Gauge,
    /// Reports to presence that failed and were tried again.
    pub presence_failures: Counter,
    /// Full accounts sent to presence.
    pub snapshots: Counter,
    /// Users whose spending was told to presence.
    pub rates_told: Counter,
    /// Calls about that without an answer.
    pub rate_failures: Counter,
    /// Requests of users whose spending was not told to presence, for want of a place.
    pub rates_left_out: Counter,
    /// Pauses of this process after which it began anew.
    pub stood_still: Counter,
}

impl GatewayMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        let this = Self::at_0();
        this.begin_at_0();
        this.watch(metrics);
        metrics.register(|registry| {
            let r = registry.sub_registry_with_prefix("tidings_gateway");
            this.register_traffic(r);
            r.register("errors", "Errors told to clients, by code and way", this.errors.clone());
            r.register("closes", "Sockets closed, by code", this.closes.clone());
            r.register("network_profiles", "Profiles given, by quality", this.profiles.clone());
            r.register("refused", "Not let in, by the limit that was met", this.refused.clone());
            let limit = this.unanswered_limit.clone();
            r.register("unanswered_limit", "Requests that may await their answer", limit);
            this.register_memory(r);
            this.register_balance(r);
            this.register_uplink(r);
            this.register_fan_out(r);
            r.register(
                "redelivered_pages",
                "Pages pushed again for want of an acknowledgement",
                this.redelivered.clone(),
            );
            r.register(
                "answer_seconds",
                "Seconds from request to answer",
                this.answer_seconds.clone(),
            );
            this.register_presence(r);
            r.register("stood_still", "Pauses after which it began anew", this.stood_still.clone());
        });
        this
    }

    /// Nothing is registered, and nothing was counted.
    fn at_0() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.0005, 2.0, 14));
        let long = || Histogram::new(exponential_buckets(0.001, 2.0, 16));
        let rest = Family::<StatusLabel, Counter>::default();
        Self {
            connections: Gauge::default(),
            connections_limit: Gauge::default(),
            welcomed: Counter::default(),
            frames_in: Counter::default(),
            frames_out: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            of_statuses: closed::STATUSES
                .map(|status| rest.get_or_create_owned(&StatusLabel { status })),
            rest,
            rest_seconds: seconds(),
            entry_seconds: long(),
            delivered_seconds: long(),
            errors: Family::default(),
            closes: Family::default(),
            profiles: Family::default(),
            refused: Family::default(),
            unanswered_limit: Gauge::default(),
            memory: Family::default(),
            memory_limit: Family::default(),
            outbox_limit: Gauge::default(),
            relieved: Counter::default(),
            rebalanced: Counter::default(),
            placed: Counter::default(),
            rebalance_returned: Counter::default(),
            batch_frames: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            publish_seconds: seconds(),
            publish_failures: Counter::default(),
            dropped: Family::default(),
            channel_asks: Counter::default(),
            channel_lost: Counter::default(),
            broadcasts: Counter::default(),
            broadcast_repeats: Counter::default(),
            redelivered: Counter::default(),
            answer_seconds: seconds(),
            answered: Counter::default(),
            answered_micros: Counter::default(),
            presence_heard_ms: Gauge::default(),
            presence_failures: Counter::default(),
            snapshots: Counter::default(),
            rates_told: Counter::default(),
            rate_failures: Counter::default(),
            rates_left_out: Counter::default(),
            stood_still: Counter::default(),
        }
    }

    /// What goes up to the services, and what slow readers lose.
    fn register_uplink(&self, r: &mut Registry) {
        r.register("uplink_batch_frames", "Frames of each publish", self.batch_frames.clone());
        r.register("uplink_publish_seconds", "Seconds to a confirm", self.publish_seconds.clone());
        r.register("uplink_failures", "Publishes without a confirm", self.publish_failures.clone());
        r.register(
            "outbox_dropped",
            "Frames dropped for slow readers, by kind",
            self.dropped.clone(),
        );
    }

    /// What comes and goes.
    fn register_traffic(&self, r: &mut Registry) {
        r.register("connections", "Open sockets", self.connections.clone());
        r.register("connections_limit", "Sockets that may be open", self.connections_limit.clone());
        r.register("welcomed", "Sockets welcomed", self.welcomed.clone());
        r.register("frames_in", "Frames received", self.frames_in.clone());
        r.register("frames_out", "Frames written", self.frames_out.clone());
        r.register("received_bytes", "Bytes of frames received", self.bytes_in.clone());
        r.register("sent_bytes", "Bytes of frames written, as JSON", self.bytes_out.clone());
        r.register("rest_requests", "Answers over REST, by status", self.rest.clone());
        r.register("rest_seconds", "Seconds of requests over REST", self.rest_seconds.clone());
        r.register(
            "entry_seconds",
            "Seconds from the coming of a message to its writing to a socket",
            self.entry_seconds.clone(),
        );
        r.register(
            "delivered_seconds",
            "Seconds from the coming of a message to the word of a device that it has it",
            self.delivered_seconds.clone(),
        );
    }

    /// What presence is told.
    fn register_presence(&self, r: &mut Registry) {
        r.register(
            "presence_failures",
            "Failed reports to presence",
            self.presence_failures.clone(),
        );
        r.register("presence_snapshots", "Full accounts to presence", self.snapshots.clone());
        r.register("rates_told", "Users whose spending presence was told", self.rates_told.clone());
        r.register(
            "rates_failures",
            "Calls to presence about spending without an answer",
            self.rate_failures.clone(),
        );
        r.register(
            "rates_left_out",
            "Requests of heavy users whose spending is not told for want of a place",
            self.rates_left_out.clone(),
        );
    }

    /// What balances connections over gateways.
    fn register_balance(&self, r: &mut Registry) {
        let moved = self.rebalanced.clone();
        r.register(
            "rebalanced",
            "Open connections asked to connect anew: more than the share",
            moved,
        );
        r.register("placed", "New connections sent to another gateway", self.placed.clone());
        let returned = self.rebalance_returned.clone();
        r.register("rebalance_returned", "Users of both who came back here at once", returned);
    }

    /// What is held for clients.
    fn register_memory(&self, r: &mut Registry) {
        r.register("memory_bytes", "Bytes held for clients, by purpose", self.memory.clone());
        r.register("memory_limit_bytes", "Bytes that may be held", self.memory_limit.clone());
        let held = "Bytes of frames that wait for sockets";
        r.register("outbox_bytes", held, frames::HELD.clone());
        r.register("outbox_limit_bytes", "Bytes that may wait", self.outbox_limit.clone());
        let text = "Sockets closed because too much waited for all together";
        r.register("relieved", text, self.relieved.clone());
        let text = "Frames above the limit that were left out";
        r.register("oversized_frames", text, frames::OVERSIZED.clone());
    }

    /// Shows how many bytes are held for a purpose, of how many.
    pub(crate) fn held(&self, purpose: &'static str, most: usize) -> Gauge {
        let label = PurposeLabel { purpose };
        self.memory_limit.get_or_create(&label).set(most as i64);
        self.memory.get_or_create(&label).clone()
    }

    /// Large conversations and broadcasts.
    fn register_fan_out(&self, r: &mut Registry) {
        r.register(
            "channel_asks",
            "Questions about the members of large conversations",
            self.channel_asks.clone(),
        );
        r.register(
            "channel_lost",
            "Entries of large conversations left to sync",
            self.channel_lost.clone(),
        );
        r.register("broadcasts", "Broadcasts handed out", self.broadcasts.clone());
        r.register(
            "broadcast_repeats",
            "Broadcasts that had come before",
            self.broadcast_repeats.clone(),
        );
    }

    /// Counts what an outbox dropped, by the kind of its frames.
    pub fn dropped(&self, by_kind: impl IntoIterator<Item = (&'static str, u32)>) {
        for (kind, count) in by_kind {
            debug_assert!(closed::KINDS.contains(&kind), "{kind} is not in closed.rs");
            self.dropped.get_or_create(&KindLabel { kind }).inc_by(count.into());
        }
    }

    /// Counts a profile that a connection is given.
    pub fn quality(&self, quality: Quality) {
        let quality = match quality {
            Quality::Good => "good",
            Quality::Fair => "fair",
            Quality::Poor => "poor",
        };
        self.profiles.get_or_create(&QualityLabel { quality }).inc();
    }

    /// Counts a connection that this side closes with this code.
    pub fn closed(&self, code: &'static str) {
        debug_assert!(closed::CODES.contains(&code), "{code} is not in closed.rs");
        self.closes.get_or_create(&CodeLabel { code }).inc();
    }

    /// Counts a connection that was not let in.
    pub fn refused(&self, limit: &'static str) {
        debug_assert!(closed::limits().any(|known| known == limit), "{limit} is not in closed.rs");
        self.refused.get_or_create(&LimitLabel { limit }).inc();
    }

    /// Counts an answer to a request on a socket.
    pub(crate) fn answered(&self, took: Duration) {
        self.answer_seconds.observe(took.as_secs_f64());
        self.answered.inc();
        self.answered_micros.inc_by(took.as_micros() as u64);
    }

    /// Counts an answer over REST.
    pub(crate) fn answered_rest(&self, status: u16, took: Duration) {
        if let Some(counter) = self.of_statuses.get(usize::from(status / 100).saturating_sub(1)) {
            counter.inc();
        }
        self.rest_seconds.observe(took.as_secs_f64());
    }

    /// Entries were written, of which the oldest came to a gateway then.
    pub(crate) fn entries_written(&self, oldest_ms: u64, now_ms: u64) {
        if oldest_ms > 0 {
            self.entry_seconds.observe(seconds_between(oldest_ms, now_ms));
        }
    }

    /// A device said that it has what came to a gateway then.
    pub(crate) fn entries_delivered(&self, oldest_ms: u64) {
        if oldest_ms > 0 {
            self.delivered_seconds.observe(seconds_between(oldest_ms, unix_ms()));
        }
    }

    /// Counts an error that a client is told.
    pub fn error(&self, code: ErrorCode, door: Door) {
        let label = ErrorLabel { code: code.as_str(), via: door.as_str() };
        self.errors.get_or_create(&label).inc();
    }
}

/// By clocks of two machines: never less than 0.
fn seconds_between(from_ms: u64, to_ms: u64) -> f64 {
    to_ms.saturating_sub(from_ms) as f64 / 1_000.0
}
