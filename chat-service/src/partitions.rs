//! The partitions of the bus: one consumer for each, workers that append and deliver what comes, and the balance with the
//! other replicas.
//!
//! All frames of a conversation are in one partition and go through one worker of a process. That is for order, not for
//! safety: another process may still write the same conversation, and the store settles it. Must not look into frames,
//! and acknowledges a batch only when all of it is delivered.

mod acknowledge;
pub(crate) mod balance;
mod batch;
mod consumer;
pub(crate) mod depth;
mod parts;
mod unacknowledged;
pub(crate) mod watches;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use platform::shutdown::{Shutdown, Tasks};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use balance::Balance;
use consumer::Consumer;

pub use batch::Received;
pub use parts::{WorkerAdapters, WorkerParts};
pub use worker::start as start_worker;

/// Batches waiting in a worker's inbox. When it is full, its partitions are not read.
const INBOX_BATCHES: usize = 256;

/// Starts the workers, a consumer for every partition, and their balance with other replicas, which is the answer.
pub(crate) fn start(parts: &WorkerParts, tasks: &Tasks, shutdown: &Shutdown) -> Balance {
    let (bus, config, metrics) = (&parts.bus, &parts.append.config, &parts.append.metrics);
    let workers = config.lanes.max(1);
    metrics.workers.set(i64::from(workers));
    let inboxes: Vec<_> = (0..workers)
        .map(|_| {
            let (sender, receiver) = mpsc::channel(INBOX_BATCHES);
            let done = CancellationToken::new();
            worker::start(parts.clone(), receiver, tasks, done.clone());
            (sender, done)
        })
        .collect();
    let balance = Balance::new(bus.partitions());
    for partition in 0..bus.partitions() {
        let (inbox, worker_done) = inboxes[usize::from(partition % workers)].clone();
        let consumer = Consumer {
            bus: Arc::clone(bus),
            partition,
            prefetch: config.prefetch,
            yield_for: Duration::from_millis(config.yield_ms),
            seat: balance.seat(partition),
            metrics: metrics.clone(),
            counts: metrics.partition(partition),
            inbox,
            worker_done,
            shutdown: shutdown.clone(),
        };
        tasks.spawn("partition consumer", consumer.run());
    }
    let (store, running) = (Arc::clone(&parts.append.store), balance.clone());
    let balancing = running.run(store, Arc::clone(config), metrics.clone(), shutdown.clone());
    tasks.spawn("balance", balancing);
    if config.depth_ms > 0 {
        let every = Duration::from_millis(config.depth_ms);
        let asking = depth::run(Arc::clone(bus), balance.clone(), every, shutdown.clone());
        tasks.spawn("depths", asking);
    }
    balance
}
