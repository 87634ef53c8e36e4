//! A TCP proxy that spoils connections on demand: what a network and dying peers do to a link.
//!
//! It listens on loopback, forwards to one upstream, and its fault can be changed at any moment,
//! for open connections as for new ones. It knows bytes only, nothing of what they mean. Each
//! direction of a connection holds at most [`BUFFER_BYTES`]; every task ends with the proxy.

mod accept;
pub mod command;
mod direction;
mod link;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes that one direction of a connection may hold back; beyond it the sender is not read.
pub const BUFFER_BYTES: usize = 256 * 1024;
/// Connections that may be open at once; further ones are closed at once.
pub const MAX_CONNECTIONS: u64 = 4_096;

/// Words that wait to be said; a connection that is further behind misses the oldest.
const WORDS: usize = 16;

/// What is said to a connection in the name of its upstream: the number of the connection, and the bytes.
type Word = (u64, Vec<u8>);

/// Which way bytes flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the client to the upstream.
    Up,
    /// From the upstream to the client.
    Down,
}

/// What a link does to its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Forwards; what was held back goes on.
    Pass,
    /// Forwards later; order is kept.
    Delay {
        /// At least so late, in milliseconds.
        ms: u64,
        /// And up to so much later, in milliseconds.
        #[serde(default)]
        jitter_ms: u64,
    },
    /// Forwards slowly, each direction of each connection by itself.
    Throttle {
        /// Bytes a second, at least 1.
        bytes_per_second: u64,
    },
    /// Accepts connections and reads nothing, either way.
    HalfOpen,
    /// Forwards one way only.
    OneWay {
        /// The way that still works.
        way: Way,
    },
    /// New connections are refused by the kernel; open ones are reset.
    Refuse,
    /// Once: resets the open connections. New ones pass.
    Reset,
    /// Once: ends the open connections as a dying peer does, with what is held back lost. New ones
    /// pass.
    Cut,
    /// Once: each open connection forwards so many bytes more and is then cut, mid-stream.
    Truncate {
        /// In this direction.
        way: Way,
        /// So many bytes more.
        after_bytes: u64,
    },
}

/// What a link has seen. Counts never go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Connections open now.
    pub open: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that a fault ended.
    pub broken: u64,
    /// Chunks that a fault held back.
    pub held: u64,
    /// Connections whose upstream could not be reached.
    pub unreachable: u64,
    /// Bytes forwarded to the upstream.
    pub up_bytes: u64,
    /// Bytes forwarded to the client.
    pub down_bytes: u64,
}

/// The counts behind [`Seen`].
#[derive(Debug, Default)]
struct Counts {
    open: AtomicU64,
    accepted: AtomicU64,
    broken: AtomicU64,
    held: AtomicU64,
    unreachable: AtomicU64,
    up_bytes: AtomicU64,
    down_bytes: AtomicU64,
}

impl Counts {
    fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::Relaxed);
    }

    fn seen(&self) -> Seen {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Seen {
            open: get(&self.open),
            accepted: get(&self.accepted),
            broken: get(&self.broken),
            held: get(&self.held),
            unreachable: get(&self.unreachable),
            up_bytes: get(&self.up_bytes),
            down_bytes: get(&self.down_bytes),
        }
    }
}

/// What all connections of a link obey; each change is a new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Orders {
    /// Lasts until the next.
    mode: Fault,
    /// Raised to reset the connections that are open.
    resets: u64,
    /// Raised to cut them.
    cuts: u64,
    /// Raised to truncate them, with where.
    truncations: (u64, Way, u64),
}

/// A running proxy; ends when it is dropped or stopped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    orders: watch::Sender<Orders>,
    words: broadcast::Sender<Word>,
    counts: Arc<Counts>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Proxy {
    /// Listens on `listen` and forwards to `upstream`.
    pub fn start(listen: SocketAddr, upstream: SocketAddr) -> io::Result<Self> {
        let listener = accept::listen(listen)?;
        let address = listener.local_addr()?;
        let (orders, receiver) = watch::channel(Orders {
            mode: Fault::Pass,
            resets: 0,
            cuts: 0,
            truncations: (0, Way::Down, 0),
        });
        let counts = Arc::new(Counts::default());
        let words = broadcast::Sender::new(WORDS);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let door = accept::Door {
            address,
            upstream,
            orders: receiver,
            words: words.clone(),
            counts: Arc::clone(&counts),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(door.keep(listener));
        Ok(Self { address, orders, words, counts, stop, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Applies a fault from now on; [`Fault::Reset`], [`Fault::Cut`] and [`Fault::Truncate`] happen
    /// once and leave the lasting fault as it was.
    pub fn set(&self, fault: Fault) {
        self.orders.send_modify(|orders| match fault {
            Fault::Reset => orders.resets += 1,
            Fault::Cut => orders.cuts += 1,
            Fault::Truncate { way, after_bytes } => {
                orders.truncations = (orders.truncations.0 + 1, way, after_bytes);
            }
            Fault::Refuse => {
                orders.mode = fault;
                orders.resets += 1;
            }
            lasting => orders.mode = lasting,
        });
    }

    /// Says something to the client of a connection in the name of its upstream. Connections are numbered from 0 as they
    /// are accepted; the stream must be quiet just then, or the bytes end up in the middle of others.
    pub fn say(&self, connection: u64, bytes: Vec<u8>) {
        // Without a connection nobody hears it.
        let _ = self.words.send((connection, bytes));
    }

    /// What it has seen so far.
    pub fn seen(&self) -> Seen {
        self.counts.seen()
    }

    /// Ends all connections and waits for the tasks.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
