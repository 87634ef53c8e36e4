//! What this gateway counts, as one answer for operators: totals since its start, and rates of the last minute. Must do
//! no I/O.

mod sketch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::bus::Figures;

use crate::clock::unix_ms;
use crate::connections::Registry;
use crate::metrics::GatewayMetrics;
pub(crate) use sketch::Sketch;

/// How far apart the moments are that rates are taken between.
pub(crate) const EVERY: Duration = Duration::from_secs(5);
/// Moments that are remembered: a minute.
const MOMENTS: usize = 12;

/// What had been counted at a moment.
#[derive(Debug, Clone, Copy)]
struct Counted {
    at: Instant,
    answered: u64,
    micros: u64,
    frames_out: u64,
}

/// The counting of one gateway.
pub(crate) struct Counting {
    gateway_id: String,
    registry: Arc<Registry>,
    metrics: GatewayMetrics,
    began: Counted,
    moments: VecDeque<Counted>,
}

impl Counting {
    pub(crate) fn new(
        gateway_id: String,
        registry: Arc<Registry>,
        metrics: GatewayMetrics,
    ) -> Self {
        let began = counted(&metrics);
        Self { gateway_id, registry, metrics, began, moments: VecDeque::new() }
    }

    /// Remembers what is counted now. To be called each [`EVERY`].
    pub(crate) fn remember(&mut self) {
        if self.moments.len() >= MOMENTS {
            self.moments.pop_front();
        }
        self.moments.push_back(counted(&self.metrics));
    }

    /// All of it.
    pub(crate) fn show(&self) -> Figures {
        let (now, before) = (counted(&self.metrics), self.moments.front().unwrap_or(&self.began));
        let secs = now.at.duration_since(before.at).as_secs_f64().max(0.001);
        let per_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / secs;
        let answered = now.answered - before.answered;
        let micros = now.micros - before.micros;
        let mut users = Sketch::default();
        for connection in self.registry.all() {
            users.add(connection.user_hash.number());
        }
        let heard_ms = u64::try_from(self.metrics.presence_heard_ms.get()).unwrap_or_default();
        Figures {
            gateway_id: self.gateway_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_secs: now.at.duration_since(self.began.at).as_secs(),
            connections: u32::try_from(self.metrics.connections.get()).unwrap_or_default(),
            connections_limit: u64::try_from(self.metrics.connections_limit.get())
                .unwrap_or_default(),
            answered: now.answered,
            answered_per_second: per_second(now.answered, before.answered),
            frames_out: now.frames_out,
            frames_out_per_second: per_second(now.frames_out, before.frames_out),
            latency_ms: if answered == 0 { 0.0 } else { micros as f64 / answered as f64 / 1_000.0 },
            heartbeat_ms_ago: (heard_ms > 0).then(|| unix_ms().saturating_sub(heard_ms)),
            users: users.into_bytes().into(),
        }
    }
}

fn counted(metrics: &GatewayMetrics) -> Counted {
    Counted {
        at: Instant::now(),
        answered: metrics.answered.get(),
        micros: metrics.answered_micros.get(),
        frames_out: metrics.frames_out.get(),
    }
}
