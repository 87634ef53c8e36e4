//! Whether this process can serve: latches released, dependencies up, not draining.
//!
//! A probe reads this watched state; it never does I/O itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

/// The state that parts report into and probes read.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something was taken out of the way.
    better: Notify,
}

#[derive(Debug, Default)]
struct State {
    draining: bool,
    /// By name, the reason why it is not up or not done.
    causes: BTreeMap<&'static str, String>,
}

/// What a probe is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// True when nothing is in the way.
    pub ready: bool,
    /// What is in the way, one sentence each.
    pub causes: Vec<String>,
}

impl Readiness {
    /// Ready until something is added.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds something this process needs; down until it says otherwise.
    pub fn dependency(&self, name: &'static str) -> Dependency {
        self.0.state.lock().causes.insert(name, "not connected yet".to_owned());
        Dependency { name, state: self.clone() }
    }

    /// Adds a step of the start; done when the latch is dropped.
    pub fn latch(&self, name: &'static str) -> Latch {
        self.0.state.lock().causes.insert(name, "not done yet".to_owned());
        Latch { name, state: self.clone() }
    }

    /// Not ready from now on: the process is leaving.
    pub fn set_draining(&self) {
        self.0.state.lock().draining = true;
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
            better.await;
        }
    }

    fn clear(&self, name: &'static str) -> bool {
        let was_in_the_way = self.0.state.lock().causes.remove(name).is_some();
        if was_in_the_way {
            self.0.better.notify_waiters();
        }
        was_in_the_way
    }

    /// The present state.
    pub fn report(&self) -> Report {
        let state = self.0.state.lock();
        let mut causes: Vec<String> =
            state.causes.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        if state.draining {
            causes.push("draining".to_owned());
        }
        Report { ready: causes.is_empty(), causes }
    }
}

/// Something this process needs. Each change is logged once.
#[derive(Debug, Clone)]
pub struct Dependency {
    name: &'static str,
    state: Readiness,
}

impl Dependency {
    /// It answers.
    pub fn up(&self) {
        if self.state.clear(self.name) {
            tracing::info!(dependency = self.name, "connected");
        }
    }

    /// It does not; the reason says where it was looked for.
    pub fn down(&self, reason: impl Into<String>) {
        let reason = reason.into();
        let before = self.state.0.state.lock().causes.insert(self.name, reason.clone());
        if before.as_ref() != Some(&reason) {
            tracing::warn!(dependency = self.name, reason, "not available; trying again");
        }
    }
}

/// A step of the start, done when dropped.
#[derive(Debug)]
pub struct Latch {
    name: &'static str,
    state: Readiness,
}

impl Drop for Latch {
    fn drop(&mut self) {
        self.state.clear(self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ready_means_latches_released_dependencies_up_and_not_draining() {
        let readiness = Readiness::new();
        assert!(readiness.report().ready);
        let latch = readiness.latch("migrations");
        let broker = readiness.dependency("rabbitmq");
        broker.down("nobody answers at 127.0.0.1:5672");
        let report = readiness.report();
        assert!(!report.ready);
        assert_eq!(
            report.causes,
            ["migrations: not done yet", "rabbitmq: nobody answers at 127.0.0.1:5672"]
        );
        drop(latch);
        broker.up();
        assert!(readiness.report().ready);
        broker.down("lost");
        assert!(!readiness.report().ready, "it can go back");
        broker.up();
        readiness.set_draining();
        assert_eq!(readiness.report().causes, ["draining"]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_hears_when_everything_is_there() {
        let readiness = Readiness::new();
        readiness.until_ready().await;
        let (latch, broker) = (readiness.latch("migrations"), readiness.dependency("rabbitmq"));
        let waiting = tokio::time::timeout(Duration::from_secs(1), readiness.until_ready());
        let arriving = async {
            broker.up();
            drop(latch);
        };
        let (waited, ()) = tokio::join!(waiting, arriving);
        assert!(waited.is_ok());
        broker.down("lost");
        let waiting = tokio::time::timeout(Duration::from_secs(1), readiness.until_ready());
        assert!(waiting.await.is_err());
    }

    #[test]
    fn each_change_of_a_dependency_is_logged_once_with_its_reason() {
        let text = crate::telemetry::captured::log("info", || {
            let broker = Readiness::new().dependency("rabbitmq");
            for _ in 0..3 {
                broker.down("nobody answers at 127.0.0.1:5672");
            }
            broker.up();
            broker.up();
            broker.down("connection lost");
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].contains("rabbitmq") && lines[0].contains("127.0.0.1:5672"), "{text}");
        assert!(lines[1].contains("connected") && lines[2].contains("connection lost"), "{text}");
    }
}
