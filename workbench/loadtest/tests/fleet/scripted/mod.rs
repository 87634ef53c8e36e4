//! A small server of the public protocol in memory, right in everything but the fault it is told.
//!
//! It is written on another WebSocket library than the fleet's own and shares no code with it, so
//! that a mistake in one does not hide in the other.

mod log;
mod rest;
mod socket;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};

use log::Logs;

/// What the server does wrong, now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Every 10th entry is pushed to nobody, and no sync brings it.
    Lose,
    /// Every 10th entry is pushed to nobody; a sync brings it.
    LosePush,
    /// Every 10th entry is pushed twice.
    RepeatPush,
    /// Every 10th send is stored twice.
    StoreTwice,
    /// Every 10th entry is pushed after the next one.
    Reorder,
    /// Every 10th place of a log is left out.
    SkipPlace,
    /// Every 10th entry is pushed with another id.
    ChangeId,
    /// Every 10th text arrives changed.
    ChangeText,
    /// Every 10th entry is answered and pushed, but not in the log that REST reads.
    Forget,
    /// Every 10th entry is one that nobody sent.
    Invent,
    /// Every 10th entry goes to a stranger too.
    Leak,
    /// Every 50th send, the connection is cut after storing and before answering.
    Cut,
    /// Every 10th send is refused for the moment as not stored.
    Refuse,
    /// Every 10th send is stored, and answered with an error that does not know it.
    Doubt,
    /// Sends are never answered.
    Silence,
    /// One client at a time is welcomed, and each takes a moment.
    Dawdle,
}

/// What all connections share.
#[derive(Debug)]
pub struct State {
    fault: Fault,
    logs: Mutex<Logs>,
    sends: AtomicU64,
    /// Whom `Dawdle` welcomes.
    door: tokio::sync::Mutex<()>,
}

impl State {
    fn logs(&self) -> std::sync::MutexGuard<'_, Logs> {
        // A panic elsewhere fails the test by itself.
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True for every n-th send while the fault is `fault`.
    fn is_hit(&self, fault: Fault, send: u64, every: u64) -> bool {
        self.fault == fault && send % every == every - 1
    }

    fn next_send(&self) -> u64 {
        self.sends.fetch_add(1, Ordering::Relaxed)
    }
}

/// A server on a port of its own, until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    pub fn start(fault: Fault) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (logs, sends, door) = <_>::default();
        let state = Arc::new(State { fault, logs, sends, door });
        let router = Router::new()
            .route("/ws", get(socket::upgrade))
            .route("/api/v1/conversations", post(rest::create))
            .route("/api/v1/conversations/{id}/messages", get(rest::messages))
            .route("/api/v1/presence", get(rest::presence))
            .with_state(state);
        let listener =
            runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = async move { axum::serve(listener, router).await };
        drop(runtime.handle().spawn(serving));
        Self { address, runtime: Some(runtime) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

/// The user a token names. The signature is another's concern.
fn user_of(token: &str) -> Option<String> {
    let body = token.split('.').nth(1)?;
    let bytes = base64_url(body)?;
    let claims: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    Some(claims["sub"].as_str()?.to_owned())
}

/// Base64 in its URL form without padding.
fn base64_url(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == byte)? as u32;
        (bits, count) = (bits << 6 | digit, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

fn bearer(headers: &axum::http::HeaderMap) -> Option<String> {
    let header = headers.get("authorization")?.to_str().ok()?;
    user_of(header.strip_prefix("Bearer ")?)
}
