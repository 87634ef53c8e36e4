//! A monitor inside the process, for installs without Prometheus: at intervals one log line with the figures of the
//! process, and alerts when one of them has been beyond its threshold for some samples, to the log and to an HTTP
//! address where one is configured. It reads what the services count anyway and must not hold up anything: what is
//! posted waits in a bounded queue. It knows figures and thresholds, and not what they are about.

mod config;
mod post;
mod rules;
mod shown;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::address::Addresses;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::shutdown::{Shutdown, Tasks};
use crate::usage::{self, Usage};

use crate::metrics::watch::Watches;
pub use crate::metrics::watch::{Alert, Reading, Rule, Watch};
pub use config::{MonitorConfig, MonitorError, PreparedMonitor};
use post::{Notice, Poster, State};
use rules::{Change, Hysteresis, Sample, sample};
use shown::Shown;

/// What a process gives its monitor.
#[derive(Debug)]
pub struct Observed<'a> {
    /// Its registry, with the figures that its parts have given.
    pub metrics: &'a Metrics,
    /// What it lacks.
    pub readiness: &'a Readiness,
    /// Which program it is.
    pub service: &'static str,
    /// Which instance of it.
    pub instance: String,
    /// Keeps the address that alerts are posted to as its file is.
    pub addresses: &'a Addresses,
    /// Where its tasks run.
    pub tasks: &'a Tasks,
    /// Until when.
    pub shutdown: &'a Shutdown,
}

impl PreparedMonitor {
    /// Begins to watch, until stopping begins. Call it inside the runtime, once for each process.
    pub fn start(self, observed: Observed<'_>) {
        let Self { config, post } = self;
        let shown = Shown::new(observed.metrics);
        watch_process(observed.metrics, observed.readiness);
        if config.every_ms == 0 {
            return;
        }
        let posts = post.map(|(address, client)| {
            observed.addresses.keep(&address, |_| {});
            let (sender, receiver) = mpsc::channel(config.queue_alerts.max(1));
            let poster = Poster {
                address,
                client,
                attempts: config.attempts.max(1),
                pauses: post::PAUSES,
                shown: shown.clone(),
                shutdown: observed.shutdown.clone(),
            };
            observed.tasks.spawn("monitor posts", poster.run(receiver));
            sender
        });
        let monitor = Monitor {
            config,
            watches: observed.metrics.watches(),
            watched: Vec::new(),
            posts,
            shown,
            service: observed.service,
            instance: observed.instance,
            asked_at: Instant::now(),
        };
        observed.tasks.spawn("monitor", monitor.run(observed.shutdown.clone()));
    }
}

/// What every process can tell of itself.
fn watch_process(metrics: &Metrics, readiness: &Readiness) {
    let readiness = readiness.clone();
    let lacks = move || Reading::Level(readiness.report().labels.len() as f64);
    metrics.watch(Watch::new("not_ready", lacks).alert(Alert {
        name: "TidingsReplicaNotReady",
        rule: Rule::NotReady,
        says: "this process lacks something that it needs: its /health/ready names it",
    }));
    metrics.watch(Watch::new("memory_mib", || {
        let mib = |it: Usage| Reading::Level(it.resident_bytes as f64 / 1_048_576.0);
        usage::own().map_or(Reading::Unknown, mib)
    }));
    metrics.watch(Watch::new("cpu", || {
        usage::own().map_or(Reading::Unknown, |it| Reading::Total(it.cpu_seconds))
    }));
}

/// One figure, and what is remembered of it.
#[derive(Debug)]
struct Watched {
    watch: Arc<Watch>,
    before: Option<Reading>,
    state: Hysteresis,
}

struct Monitor {
    config: MonitorConfig,
    watches: Watches,
    watched: Vec<Watched>,
    posts: Option<mpsc::Sender<Notice>>,
    shown: Shown,
    service: &'static str,
    instance: String,
    /// When the figures were read last.
    asked_at: Instant,
}

impl Monitor {
    async fn run(mut self, shutdown: Shutdown) {
        let every = Duration::from_millis(self.config.every_ms.max(MIN_EVERY_MS));
        let mut moments = tokio::time::interval_at(Instant::now() + every, every);
        moments.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.meet_new();
        let watches = self.watches.clone();
        loop {
            tokio::select! {
                _ = moments.tick() => self.round(),
                () = watches.more() => self.meet_new(),
                () = shutdown.begun() => return,
            }
        }
    }

    /// Takes up figures that parts have given since: services come after the monitor.
    fn meet_new(&mut self) {
        for watch in self.watches.after(self.watched.len()) {
            if let Some(alert) = &watch.alert {
                self.shown.set(alert.name, false);
            }
            // Rates begin where the figure is met.
            let before = Some(watch.read());
            self.watched.push(Watched { watch, before, state: Hysteresis::default() });
        }
    }

    fn round(&mut self) {
        let secs = self.asked_at.elapsed().as_secs_f64();
        self.asked_at = Instant::now();
        let mut line = String::new();
        let mut changes = Vec::new();
        for it in &mut self.watched {
            let now = it.watch.read();
            let sample = sample(it.before, now, secs, self.config.least_requests);
            it.before = Some(now);
            rules::describe(&mut line, it.watch.name, now, sample);
            let Some(alert) = &it.watch.alert else { continue };
            let Some(bounds) = self.config.bounds(alert.rule) else { continue };
            if let Some(change) = it.state.take(sample, &bounds) {
                let value = if let Sample::Value(value) = sample { value } else { 0.0 };
                // More digits say nothing.
                let value = (value * 10_000.0).round() / 10_000.0;
                changes.push((*alert, change, value, bounds.above));
            }
        }
        tracing::info!(figures = line, "monitor");
        for (alert, change, value, threshold) in changes {
            self.tell(alert, change, value, threshold);
        }
    }

    fn tell(&self, alert: Alert, change: Change, value: f64, threshold: f64) {
        self.shown.set(alert.name, change == Change::Raised);
        let runbook = format!("docs/runbook.md#{}", alert.name.to_lowercase());
        let (name, unit, says) = (alert.name, alert.rule.unit(), alert.says);
        // Both at one level: a reader who sees that something began also sees that it is over.
        match change {
            Change::Raised => {
                tracing::warn!(
                    alert = name,
                    value,
                    threshold,
                    unit,
                    runbook,
                    "alert raised: {says}"
                );
            }
            Change::Cleared => {
                tracing::warn!(alert = name, value, threshold, unit, "alert cleared");
            }
        }
        let Some(posts) = &self.posts else { return };
        let notice = Notice {
            alert: name,
            state: match change {
                Change::Raised => State::Raised,
                Change::Cleared => State::Cleared,
            },
            value,
            threshold,
            unit,
            service: self.service,
            instance: self.instance.clone(),
            process_id: std::process::id(),
            version: env!("CARGO_PKG_VERSION"),
            at_ms: post::unix_ms(),
            says,
            runbook,
        };
        if posts.try_send(notice).is_err() {
            self.shown.post(shown::Outcome::Dropped);
            tracing::warn!(alert = name, "no room for another alert to be posted: it stays here");
        }
    }
}

/// Less would count noise.
const MIN_EVERY_MS: u64 = 50;

#[cfg(test)]
mod tests;
