//! Two questions about this process, answered from watched state; a probe never does I/O itself.
//!
//! - Is it ready ([`Readiness::report`])? What it needs is there, its start is done, and it is not draining. For
//!   people, alerts and scripts that wait for a start. What comes or goes counts once it has lasted for [`HOLD`].
//! - Does it serve ([`Readiness::serving`])? For load balancers, which take a process out that does not. Everything
//!   it needs has been there once, it is not draining, and nothing local is in the way (it is full, or stood still).
//!   A dependency that goes away later changes nothing: it goes away for all replicas alike, and a service without
//!   replicas helps nobody.

mod measured;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::metrics::Metrics;

/// How long something has been there, or away, before the process is ready, or not, because of it. The first
/// time it is there counts at once.
pub const HOLD: Duration = Duration::from_secs(1);

/// Why a process is not ready: a closed set, for labels of metrics and for callers that decide by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The bus between the services.
    Bus,
    /// The gateway's own queue on the bus: without it nobody is answered.
    AnswerQueue,
    /// The chat store, for reading and for writing.
    Database,
    /// Any chat service.
    ChatService,
    /// Any presence service, with what it needs itself.
    PresenceService,
    /// Where the presence service keeps what it knows.
    PresenceStore,
    /// A step of the start.
    Start,
    /// The process is leaving.
    Draining,
    /// It has as many client connections as it may have.
    Full,
    /// It stood still and begins anew before it writes.
    Frozen,
    /// Another living process has its name.
    NameTaken,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Bus,
        Self::AnswerQueue,
        Self::Database,
        Self::ChatService,
        Self::PresenceService,
        Self::PresenceStore,
        Self::Start,
        Self::Draining,
        Self::Full,
        Self::Frozen,
        Self::NameTaken,
    ];

    /// Its label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bus => "bus",
            Self::AnswerQueue => "answer_queue",
            Self::Database => "database",
            Self::ChatService => "chat_service",
            Self::PresenceService => "presence_service",
            Self::PresenceStore => "presence_store",
            Self::Start => "start",
            Self::Draining => "draining",
            Self::Full => "full",
            Self::Frozen => "frozen",
            Self::NameTaken => "name_taken",
        }
    }
}

/// The state that parts report into and probes read.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something is there that was not.
    better: Notify,
    /// Client connections that are open, where the process has any.
    connections: OnceLock<Gauge>,
    /// Local reasons not to serve for now.
    obstacles: Mutex<Vec<Obstacle>>,
}

/// A local reason not to serve, and whether it holds now.
struct Obstacle {
    cause: Cause,
    /// It is one not to be ready, too.
    is_of_both: bool,
    holds: Box<dyn Fn() -> bool + Send + Sync>,
}

impl std::fmt::Debug for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.cause.as_str())
    }
}

#[derive(Debug, Default)]
struct State {
    draining: bool,
    needs: BTreeMap<Cause, Need>,
}

#[derive(Debug)]
struct Need {
    /// As it was said last.
    is_there: bool,
    /// Since when it has been so.
    since: Instant,
    /// As it counts.
    counts_as_there: bool,
    /// It has been there at some time.
    was_there: bool,
    /// Why it was away last.
    reason: String,
}

impl Need {
    fn settle(&mut self, now: Instant) {
        if now.duration_since(self.since) >= HOLD {
            self.counts_as_there = self.is_there;
        }
    }
}

/// What a probe is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// True when nothing is in the way.
    pub ready: bool,
    /// What is in the way, one sentence each.
    pub causes: Vec<String>,
    /// The same as labels.
    pub labels: Vec<Cause>,
}

impl Readiness {
    /// Ready until something is added.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds something this process needs; away until it says otherwise.
    pub fn dependency(&self, cause: Cause) -> Dependency {
        self.add(cause, "not connected yet");
        Dependency { cause, state: self.clone() }
    }

    /// Adds a step of the start; done when the latch is dropped.
    pub fn latch(&self, what: &'static str) -> Latch {
        self.add(Cause::Start, what);
        Latch(self.clone())
    }

    fn add(&self, cause: Cause, reason: &str) {
        let need = Need {
            is_there: false,
            since: Instant::now(),
            counts_as_there: false,
            was_there: false,
            reason: reason.to_owned(),
        };
        self.0.state.lock().needs.insert(cause, need);
    }

    /// Not ready from now on: the process is leaving.
    pub fn set_draining(&self) {
        self.0.state.lock().draining = true;
    }

    /// Takes the process out of load balancers while `holds` says so. It must answer at once.
    pub fn serves_unless(&self, cause: Cause, holds: impl Fn() -> bool + Send + Sync + 'static) {
        let (is_of_both, holds) = (false, Box::new(holds));
        self.0.obstacles.lock().push(Obstacle { cause, is_of_both, holds });
    }

    /// The same, and the process is not ready meanwhile either.
    pub fn is_ready_unless(&self, cause: Cause, holds: impl Fn() -> bool + Send + Sync + 'static) {
        let (is_of_both, holds) = (true, Box::new(holds));
        self.0.obstacles.lock().push(Obstacle { cause, is_of_both, holds });
    }

    /// Has the health endpoints tell how many client connections are open.
    pub fn count_connections(&self, connections: Gauge) {
        // The first one stays: a process has one gateway.
        let _ = self.0.connections.set(connections);
    }

    /// Client connections that are open; none where the process serves no clients.
    pub fn connections(&self) -> Option<i64> {
        self.0.connections.get().map(Gauge::get)
    }

    /// Has the metrics say whether the process is ready, and which causes there are that it is not.
    pub fn measure(&self, metrics: &Metrics) {
        metrics.register(|registry| registry.register_collector(Box::new(self.clone())));
    }

    /// Resolves when nothing is in the way.
    pub async fn until_ready(&self) {
        loop {
            // Listens before it looks: what happens in between is not missed.
            let mut better = std::pin::pin!(self.0.better.notified());
            better.as_mut().enable();
            if self.report().ready {
                return;
            }
            // What is there again counts only after a while, and nobody says so then.
            let _ = tokio::time::timeout(HOLD, better).await;
        }
    }

    fn there(&self, cause: Cause) -> bool {
        let now = Instant::now();
        let mut state = self.0.state.lock();
        let Some(need) = state.needs.get_mut(&cause) else { return false };
        need.settle(now);
        if need.is_there {
            return false;
        }
        (need.is_there, need.since) = (true, now);
        need.counts_as_there |= !need.was_there;
        need.was_there = true;
        drop(state);
        self.0.better.notify_waiters();
        true
    }

    /// Whether that is news.
    fn away(&self, cause: Cause, reason: &str) -> bool {
        let now = Instant::now();
        let mut state = self.0.state.lock();
        let Some(need) = state.needs.get_mut(&cause) else { return false };
        need.settle(now);
        let is_news = need.is_there || need.reason != reason;
        if need.is_there {
            (need.is_there, need.since) = (false, now);
        }
        reason.clone_into(&mut need.reason);
        is_news
    }

    /// Whether a load balancer should send clients here.
    pub fn serving(&self) -> Report {
        let state = self.0.state.lock();
        let (mut causes, mut labels) = (Vec::new(), Vec::new());
        for (cause, need) in state.needs.iter().filter(|(_, need)| !need.was_there) {
            causes.push(format!("{}: {}", cause.as_str(), need.reason));
            labels.push(*cause);
        }
        let is_draining = state.draining.then_some(Cause::Draining);
        drop(state);
        let obstacles = self.0.obstacles.lock();
        let local = obstacles.iter().filter(|it| (it.holds)()).map(|it| it.cause);
        for cause in is_draining.into_iter().chain(local) {
            causes.push(cause.as_str().to_owned());
            labels.push(cause);
        }
        Report { ready: causes.is_empty(), causes, labels }
    }

    /// The present state.
    pub fn report(&self) -> Report {
        let now = Instant::now();
        let mut state = self.0.state.lock();
        let (mut causes, mut labels) = (Vec::new(), Vec::new());
        for (cause, need) in &mut state.needs {
            need.settle(now);
            if !need.counts_as_there {
                causes.push(format!("{}: {}", cause.as_str(), need.reason));
                labels.push(*cause);
            }
        }
        if state.draining {
            causes.push(Cause::Draining.as_str().to_owned());
            labels.push(Cause::Draining);
        }
        drop(state);
        let obstacles = self.0.obstacles.lock();
        for obstacle in obstacles.iter().filter(|it| it.is_of_both && (it.holds)()) {
            causes.push(obstacle.cause.as_str().to_owned());
            labels.push(obstacle.cause);
        }
        Report { ready: causes.is_empty(), causes, labels }
    }
}

/// Something this process needs. Each change is logged once.
#[derive(Debug, Clone)]
pub struct Dependency {
    cause: Cause,
    state: Readiness,
}

impl Dependency {
    /// It answers.
    pub fn up(&self) {
        if self.state.there(self.cause) {
            tracing::info!(dependency = self.cause.as_str(), "connected");
        }
    }

    /// It does not; the reason says where it was looked for.
    pub fn down(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if self.state.away(self.cause, &reason) {
            tracing::warn!(dependency = self.cause.as_str(), reason, "not available; trying again");
        }
    }
}

/// A step of the start, done when dropped.
#[derive(Debug)]
pub struct Latch(Readiness);

impl Drop for Latch {
    fn drop(&mut self) {
        self.0.there(Cause::Start);
    }
}

#[cfg(test)]
mod tests;
