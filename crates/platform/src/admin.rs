//! The management port, on a thread and runtime of its own, so that it answers while the data plane is
//! busy:
//!
//! - `GET /health/live`: 200 while this process runs, with its name, version, uptime, connections and last
//!   error; never asks a dependency
//! - `GET /health/serve`: 200 or 503, with the causes as JSON, for load balancers: its start is done and nothing local
//!   is in the way; never depends on what all replicas share
//! - `GET /health/ready`: 200 or 503, with the causes as JSON, for people and alerts: everything it needs is there now
//! - `GET /metrics`: OpenMetrics text where the reader accepts it, else the text format 0.0.4

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::metrics::{CONTENT_TYPE, Metrics, PLAIN_CONTENT_TYPE};
use crate::readiness::{Readiness, Report};
use crate::telemetry::last_error;

/// What the port tells.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Whether this process can serve.
    pub readiness: Readiness,
    /// Its metrics.
    pub metrics: Metrics,
    /// Which program it is.
    pub service: &'static str,
    /// Which instance of it.
    pub instance: String,
}

/// The running port; stops when dropped.
#[derive(Debug)]
pub struct AdminHandle {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl AdminHandle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AdminHandle {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // The thread only serves probes; a panic there was printed by its own hook.
            let _ = thread.join();
        }
    }
}

/// Serves the management endpoints on a bound listener.
pub fn start(listener: std::net::TcpListener, admin: Admin) -> std::io::Result<AdminHandle> {
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    admin.readiness.measure(&admin.metrics);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("management".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let routes = routes(admin);
            let serve = async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(listener, routes).await
            };
            tokio::select! {
                served = serve => if let Err(error) = served {
                    tracing::error!(%error, "the management port ended");
                },
                () = stopped.cancelled() => {}
            }
        });
        // Open keep-alive connections of probes do not hold up the stop.
        runtime.shutdown_timeout(Duration::from_millis(100));
    })?;
    Ok(AdminHandle { address, stop, thread: Some(thread) })
}

#[derive(Clone)]
struct AdminState {
    admin: Admin,
    started: Instant,
}

fn routes(admin: Admin) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health/serve", get(serve))
        .route("/metrics", get(metrics))
        .with_state(AdminState { admin, started: Instant::now() })
}

async fn live(State(state): State<AdminState>) -> impl IntoResponse {
    Json(json!({
        "service": state.admin.service,
        "instance": state.admin.instance,
        "version": env!("CARGO_PKG_VERSION"),
        "node_id": state.admin.instance,
        "uptime_secs": state.started.elapsed().as_secs(),
        // Of clients; null where this process serves none.
        "connections": state.admin.readiness.connections(),
        "last_error": last_error::last(),
    }))
}

async fn ready(State(state): State<AdminState>) -> impl IntoResponse {
    told(state.admin.readiness.report())
}

async fn serve(State(state): State<AdminState>) -> impl IntoResponse {
    told(state.admin.readiness.serving())
}

fn told(report: Report) -> impl IntoResponse {
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

async fn metrics(State(state): State<AdminState>, headers: HeaderMap) -> impl IntoResponse {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|it| it.to_str().ok());
    let is_open = accepted.into_iter().any(|it| it.contains("application/openmetrics-text"));
    let metrics = &state.admin.metrics;
    let (kind, text) = if is_open {
        (CONTENT_TYPE, metrics.encode())
    } else {
        (PLAIN_CONTENT_TYPE, metrics.encode_plain())
    };
    ([(header::CONTENT_TYPE, kind)], text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readiness::Cause;
    use std::io::{Read, Write};

    fn ask(address: SocketAddr, path: &str) -> String {
        ask_for(address, path, "*/*")
    }

    fn ask_for(address: SocketAddr, path: &str, accept: &str) -> String {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        write!(socket, "GET {path} HTTP/1.0\r\nAccept: {accept}\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn probes_are_answered_from_the_watched_state() {
        let readiness = Readiness::new();
        let store = readiness.dependency(Cause::Database);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = Admin {
            readiness,
            metrics: Metrics::new(),
            service: "test",
            instance: "one".to_owned(),
        };
        let handle = start(listener, admin).unwrap();
        let address = handle.address();
        assert!(ask(address, "/health/live").contains("200 OK"));
        let waiting = ask(address, "/health/ready");
        assert!(waiting.contains("503") && waiting.contains("database"), "{waiting}");
        store.up();
        assert!(ask(address, "/health/ready").contains("200 OK"));
        assert!(ask(address, "/health/serve").contains("200 OK"));
        let live = ask(address, "/health/live");
        for part in
            [r#""node_id":"one""#, r#""uptime_secs":"#, r#""connections":null"#, "last_error"]
        {
            assert!(live.contains(part), "{part}: {live}");
        }
        let metrics = ask(address, "/metrics");
        assert!(metrics.contains("tidings_ready 1\n"), "{metrics}");
        assert!(metrics.contains("tidings_not_ready{cause=\"database\"} 0\n"), "{metrics}");
        assert!(metrics.contains(PLAIN_CONTENT_TYPE) && !metrics.contains("# EOF"), "{metrics}");
        let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;q=0.3";
        let metrics = ask_for(address, "/metrics", prometheus);
        assert!(metrics.contains(CONTENT_TYPE) && metrics.ends_with("# EOF\n"), "{metrics}");
        drop(handle);
        assert!(std::net::TcpStream::connect(address).is_err(), "the port is closed");
    }
}
