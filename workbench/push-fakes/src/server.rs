//! The HTTP server of a fake: one connection a task, requests handed to the provider's rules, faults on demand.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a fake behaves towards everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As it should.
    Healthy,
    /// It takes nothing: 429 with `Retry-After` of so many seconds.
    Throttled(u64),
    /// It ends each connection at its first request.
    Dying,
    /// It never answers.
    Silent,
}

/// An answer that stands for all requests about one token.
#[derive(Debug, Clone)]
pub struct Canned {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: String,
}

/// A push that was taken.
#[derive(Debug, Clone)]
pub struct Received {
    /// Whom it is for, as the provider knows the device.
    pub token: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// What the application reads: type, conversation_id, seq and so on.
    pub data: Value,
    /// The whole body, in the provider's own form; of Web Push what was encrypted.
    pub body: Value,
    /// When it came.
    pub at: Instant,
}

/// What a provider thinks of a request.
pub(crate) enum Verdict {
    /// It is for nobody: a token endpoint, or a path that does not exist.
    Answer(Response<Full<Bytes>>),
    /// A good push.
    Taken(Box<Received>, Response<Full<Bytes>>),
    /// It breaks a rule of the provider, which answers so.
    Wrong(String, Response<Full<Bytes>>),
}

/// The rules of a provider.
pub(crate) trait Rules: Send + Sync + 'static {
    fn judge(&self, request: &Request<Bytes>) -> Verdict;
    /// Whom a request is for, where it can be seen.
    fn token(&self, request: &Request<Bytes>) -> Option<String>;
}

#[derive(Debug)]
struct State {
    mode: Mutex<Mode>,
    canned: Mutex<HashMap<String, Canned>>,
    received: Mutex<Vec<Received>>,
    problems: Mutex<Vec<String>>,
    asked: AtomicU64,
    connections: AtomicU64,
    /// Requests that a connection takes until the server says GOAWAY; 0: all.
    per_connection: AtomicU64,
}

/// A provider that is running.
#[derive(Debug)]
pub struct Fake {
    address: SocketAddr,
    state: Arc<State>,
    stop: CancellationToken,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Fake {
    /// Runs on a free port of this machine; ends when it is dropped.
    pub(crate) async fn start<R: Rules>(
        is_http2: bool,
        rules: impl FnOnce(SocketAddr) -> R,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State {
            mode: Mutex::new(Mode::Healthy),
            canned: Mutex::default(),
            received: Mutex::default(),
            problems: Mutex::default(),
            asked: AtomicU64::default(),
            connections: AtomicU64::default(),
            per_connection: AtomicU64::default(),
        });
        let stop = CancellationToken::new();
        let door = Door { state: Arc::clone(&state), rules: Arc::new(rules(address)), is_http2 };
        let tasks = TaskTracker::new();
        let inner = tasks.clone();
        let stopped = stop.clone();
        tasks.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stopped.cancelled() => return,
                };
                let Ok((tcp, _)) = accepted else { continue };
                let (door, stopped) = (door.clone(), stopped.clone());
                inner.spawn(async move {
                    tokio::select! {
                        () = door.serve(tcp) => {}
                        () = stopped.cancelled() => {}
                    }
                });
            }
        });
        Self { address, state, stop }
    }

    /// The beginning of its URLs.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The pushes that it took.
    pub fn received(&self) -> Vec<Received> {
        self.state.received.lock().clone()
    }

    /// Those of one token.
    pub fn received_of(&self, token: &str) -> Vec<Received> {
        self.received().into_iter().filter(|it| it.token == token).collect()
    }

    /// What it found wrong.
    pub fn problems(&self) -> Vec<String> {
        self.state.problems.lock().clone()
    }

    /// How often it was asked for anything.
    pub fn asked(&self) -> u64 {
        self.state.asked.load(Ordering::Relaxed)
    }

    /// How many connections it has had.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// From now on it behaves so.
    pub fn behave(&self, mode: Mode) {
        *self.state.mode.lock() = mode;
    }

    /// From now on each request about a token is answered so.
    pub fn answer(&self, token: &str, canned: Canned) {
        self.state.canned.lock().insert(token.to_owned(), canned);
    }

    /// Each connection ends (HTTP/2: by GOAWAY) after so many requests.
    pub fn end_connections_after(&self, requests: u64) {
        self.state.per_connection.store(requests, Ordering::Relaxed);
    }
}

struct Door<R> {
    state: Arc<State>,
    rules: Arc<R>,
    is_http2: bool,
}

impl<R> Clone for Door<R> {
    fn clone(&self) -> Self {
        let (state, rules) = (Arc::clone(&self.state), Arc::clone(&self.rules));
        Self { state, rules, is_http2: self.is_http2 }
    }
}

impl<R: Rules> Door<R> {
    async fn serve(self, tcp: TcpStream) {
        self.state.connections.fetch_add(1, Ordering::Relaxed);
        let (served, enough) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let (door, is_enough) = (self.clone(), enough.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (door, served, is_enough) = (door.clone(), Arc::clone(&served), is_enough.clone());
            async move {
                let count = served.fetch_add(1, Ordering::Relaxed) + 1;
                let bound = door.state.per_connection.load(Ordering::Relaxed);
                if bound > 0 && count >= bound {
                    is_enough.cancel();
                }
                door.answer(request).await.ok_or_else(|| std::io::Error::other("it dies"))
            }
        });
        let io = TokioIo::new(tcp);
        // Whatever ends a connection ends it: the client says what it made of it.
        if self.is_http2 {
            let serving = http2::Builder::new(TokioExecutor::new()).serve_connection(io, service);
            let mut serving = std::pin::pin!(serving);
            tokio::select! {
                _ = serving.as_mut() => return,
                () = enough.cancelled() => serving.as_mut().graceful_shutdown(),
            }
            let _ = serving.await;
        } else {
            let serving = http1::Builder::new().serve_connection(io, service);
            let mut serving = std::pin::pin!(serving);
            tokio::select! {
                _ = serving.as_mut() => return,
                () = enough.cancelled() => serving.as_mut().graceful_shutdown(),
            }
            let _ = serving.await;
        }
    }

    /// None ends the connection.
    async fn answer(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        self.state.asked.fetch_add(1, Ordering::Relaxed);
        let mode = *self.state.mode.lock();
        match mode {
            Mode::Healthy => {}
            Mode::Dying => return None,
            Mode::Silent => tokio::time::sleep(Duration::from_mins(10)).await,
            Mode::Throttled(seconds) => {
                return Some(answer(429, &[("retry-after", &seconds.to_string())], "slow down"));
            }
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let request = Request::from_parts(parts, body);
        let token = self.rules.token(&request);
        let canned = token.and_then(|token| self.state.canned.lock().get(&token).cloned());
        if let Some(Canned { status, headers, body }) = canned {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
            return Some(answer(status, &headers, &body));
        }
        Some(match self.rules.judge(&request) {
            Verdict::Answer(answer) => answer,
            Verdict::Taken(received, answer) => {
                self.state.received.lock().push(*received);
                answer
            }
            Verdict::Wrong(problem, answer) => {
                self.state.problems.lock().push(problem);
                answer
            }
        })
    }
}

/// An answer.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Full<Bytes>> {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(Bytes::from(body.to_owned()))).expect("a sound answer")
}
