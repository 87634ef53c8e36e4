//! The whole of it in one process: a figure, the log's place taken by the metrics, and receivers that are slow, broken,
//! elsewhere or away.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use parking_lot::Mutex;

use super::*;
use crate::reload::Reload;
use crate::secret::Secret;

const ALERT: Alert = Alert { name: "TidingsTest", rule: Rule::Depth, says: "much waits" };

/// A process with one figure.
struct Rig {
    metrics: Metrics,
    readiness: Readiness,
    tasks: Tasks,
    shutdown: Shutdown,
    waiting: Arc<AtomicU64>,
}

impl Rig {
    fn start(config: &MonitorConfig) -> Self {
        crate::install_crypto_provider();
        let (metrics, tasks, shutdown) = (Metrics::new(), Tasks::new(), Shutdown::new());
        let waiting = Arc::new(AtomicU64::new(0));
        let rig = Self { metrics, readiness: Readiness::new(), tasks, shutdown, waiting };
        rig.watch();
        let addresses = Addresses::new(&rig.metrics, &Reload::new(), &rig.tasks, &rig.shutdown);
        config.prepare().unwrap().start(Observed {
            metrics: &rig.metrics,
            readiness: &rig.readiness,
            service: "test",
            instance: "one".to_owned(),
            addresses: &addresses,
            tasks: &rig.tasks,
            shutdown: &rig.shutdown,
        });
        rig
    }

    fn watch(&self) {
        let waiting = Arc::clone(&self.waiting);
        let read = move || Reading::Level(waiting.load(Ordering::Relaxed) as f64);
        self.metrics.watch(Watch::new("waiting", read).alert(ALERT));
    }

    fn set(&self, waiting: u64) {
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    /// Waits until this line is in the metrics.
    async fn until(&self, line: &str) {
        let shown = async {
            while !self.metrics.encode().lines().any(|it| it == line) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), shown).await;
        assert!(waited.is_ok(), "{line}: {}", self.metrics.encode());
    }

    async fn raise_and_clear(&self) {
        self.set(1_000);
        self.until("tidings_monitor_alerts{alert=\"TidingsTest\"} 1").await;
        self.set(0);
        self.until("tidings_monitor_alerts{alert=\"TidingsTest\"} 0").await;
    }

    async fn end(self) {
        self.shutdown.force();
        assert_eq!(self.tasks.join(Duration::from_secs(5)).await, Ok(()));
    }
}

fn config(url: &str) -> MonitorConfig {
    MonitorConfig {
        every_ms: 50,
        raise_after: 2,
        clear_after: 2,
        url: Secret::new(url),
        post_timeout_ms: 300,
        attempts: 2,
        queue_alerts: 2,
        ..MonitorConfig::default()
    }
}

/// What was posted to each path.
type Posted = Arc<Mutex<Vec<(String, serde_json::Value)>>>;

async fn receiver() -> (String, Posted, Tasks) {
    let posted = Posted::default();
    let take = |path: &'static str, posted: &Posted| {
        let posted = Arc::clone(posted);
        move |Json(body): Json<serde_json::Value>| async move {
            posted.lock().push((path.to_owned(), body));
            match path {
                "ok" => StatusCode::NO_CONTENT.into_response(),
                "broken" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                "moved" => {
                    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/ok")]).into_response()
                }
                _ => std::future::pending().await,
            }
        }
    };
    let mut routes = Router::new();
    for path in ["ok", "broken", "moved", "hangs"] {
        routes = routes.route(&format!("/{path}"), post(take(path, &posted)));
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let tasks = Tasks::new();
    tasks.spawn("receiver", async move { axum::serve(listener, routes).await.unwrap() });
    (address, posted, tasks)
}

#[tokio::test]
async fn an_alert_is_posted_once_when_it_is_raised_and_once_when_it_is_cleared() {
    let (address, posted, _tasks) = receiver().await;
    let rig = Rig::start(&config(&format!("{address}/ok")));
    rig.raise_and_clear().await;
    rig.until("tidings_monitor_posts_total{outcome=\"delivered\"} 2").await;
    let posted = posted.lock().clone();
    let states: Vec<_> = posted.iter().map(|(_, it)| it["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["raised", "cleared"]);
    let mut raised = posted[0].1.clone();
    assert!(raised["at_ms"].as_u64().unwrap() > 1_600_000_000_000, "{raised}");
    raised["at_ms"] = 0.into();
    assert_eq!(
        raised,
        serde_json::json!({
            "alert": "TidingsTest", "state": "raised", "value": 1000.0, "threshold": 500.0,
            "unit": "batches", "service": "test", "instance": "one",
            "process_id": std::process::id(), "version": env!("CARGO_PKG_VERSION"), "at_ms": 0,
            "says": "much waits", "runbook": "docs/runbook.md#tidingstest",
        })
    );
    rig.end().await;
}

#[tokio::test]
async fn a_receiver_that_is_broken_or_hangs_is_asked_a_bounded_number_of_times() {
    let (address, posted, _tasks) = receiver().await;
    for path in ["broken", "hangs"] {
        posted.lock().clear();
        let rig = Rig::start(&config(&format!("{address}/{path}")));
        rig.raise_and_clear().await;
        rig.until("tidings_monitor_posts_total{outcome=\"given_up\"} 2").await;
        rig.until("tidings_monitor_post_failures_total 4").await;
        let posted = posted.lock().clone();
        assert_eq!(posted.len(), 4, "{path}: two attempts each");
        assert_eq!(posted[0].1["at_ms"], posted[1].1["at_ms"], "the same one again");
        rig.end().await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_not_asked_again() {
    let (address, posted, _tasks) = receiver().await;
    let rig = Rig::start(&config(&format!("{address}/moved")));
    rig.raise_and_clear().await;
    rig.until("tidings_monitor_posts_total{outcome=\"given_up\"} 2").await;
    let paths: Vec<_> = posted.lock().iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(paths, ["moved", "moved"]);
    rig.end().await;
}

#[tokio::test]
async fn what_has_no_room_is_dropped_and_nothing_waits_for_a_receiver() {
    let (address, _posted, _tasks) = receiver().await;
    let hanging = MonitorConfig { post_timeout_ms: 60_000, ..config(&format!("{address}/hangs")) };
    let rig = Rig::start(&hanging);
    // One is under way and two wait.
    for _ in 0..3 {
        rig.raise_and_clear().await;
    }
    rig.until("tidings_monitor_posts_total{outcome=\"dropped\"} 3").await;
    // The post under way does not hold up the stop.
    rig.end().await;
}

#[tokio::test]
async fn nobody_at_the_address_costs_nothing_but_the_post() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let rig = Rig::start(&config(&format!("http://{address}/hunter2")));
    rig.raise_and_clear().await;
    rig.until("tidings_monitor_posts_total{outcome=\"given_up\"} 2").await;
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_figure_that_a_part_gives_later_is_watched_and_what_is_missing_raises_an_alert() {
    let rig = Rig::start(&MonitorConfig { url: Secret::default(), ..config("") });
    let bus = rig.readiness.dependency(crate::readiness::Cause::Bus);
    rig.until("tidings_monitor_alerts{alert=\"TidingsReplicaNotReady\"} 1").await;
    bus.up();
    rig.until("tidings_monitor_alerts{alert=\"TidingsReplicaNotReady\"} 0").await;
    let late = Alert { name: "TidingsLate", ..ALERT };
    rig.metrics.watch(Watch::new("late", || Reading::Level(501.0)).alert(late));
    rig.until("tidings_monitor_alerts{alert=\"TidingsLate\"} 1").await;
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn errors_that_are_over_clear_their_alert_however_many_there_were() {
    let rig = Rig::start(&MonitorConfig { url: Secret::default(), ..config("") });
    let (all, bad) = (AtomicU64::new(0), AtomicU64::new(0));
    let waiting = Arc::clone(&rig.waiting);
    // In each interval so many fail as `set` says, and a hundred do not.
    let read = move || {
        let failed = waiting.load(Ordering::Relaxed);
        let bad = bad.fetch_add(failed, Ordering::Relaxed) + failed;
        let all = all.fetch_add(failed + 100, Ordering::Relaxed) + failed + 100;
        Reading::Bad { bad, all }
    };
    let alert = Alert { name: "TidingsErrors", rule: Rule::Errors, ..ALERT };
    rig.metrics.watch(Watch::new("errors", read).alert(alert));
    rig.set(1_000_000);
    rig.until("tidings_monitor_alerts{alert=\"TidingsErrors\"} 1").await;
    rig.set(0);
    rig.until("tidings_monitor_alerts{alert=\"TidingsErrors\"} 0").await;
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_off_raises_nothing() {
    let rig = Rig::start(&MonitorConfig { every_ms: 0, ..config("http://127.0.0.1:1") });
    rig.set(1_000);
    tokio::time::advance(Duration::from_mins(10)).await;
    assert!(!rig.metrics.encode().contains("tidings_monitor_alerts{"));
    rig.end().await;
}
