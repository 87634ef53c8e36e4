//! Consumers of the partitions: each feeds the lane that its number falls to, and yields its
//! partition when the balance asks for it.

pub mod depth;
mod taken;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::{Bus, FrameAcker, FrameConsumer, Lane};
use platform::backoff::Backoff;
use platform::shutdown::{Shutdown, Tasks};
use proto::partition::Partition;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::balance::{Balance, Hold, Place};
use crate::lane::{self, LaneParts, Received};
use crate::metrics::{ChatMetrics, PartitionMetrics};
use taken::Taken;

/// Batches waiting in a lane's inbox. When it is full, its partitions are not read.
const INBOX_BATCHES: usize = 256;

/// Starts the lanes, a consumer for every partition, and their balance with other replicas, which is the answer.
pub fn start(parts: &LaneParts, tasks: &Tasks, shutdown: &Shutdown) -> Balance {
    let lanes = parts.config.lanes.max(1);
    parts.metrics.lanes.set(i64::from(lanes));
    let inboxes: Vec<_> = (0..lanes)
        .map(|_| {
            let (sender, receiver) = mpsc::channel(INBOX_BATCHES);
            let done = CancellationToken::new();
            lane::start(parts.clone(), receiver, tasks, done.clone());
            (sender, done)
        })
        .collect();
    let balance = Balance::new(parts.bus.partitions());
    for partition in 0..parts.bus.partitions() {
        let (inbox, lane_done) = inboxes[usize::from(partition % lanes)].clone();
        let consumer = Consumer {
            bus: Arc::clone(&parts.bus),
            partition,
            prefetch: parts.config.prefetch,
            yield_for: Duration::from_millis(parts.config.yield_ms),
            place: balance.place(partition),
            metrics: parts.metrics.clone(),
            counts: parts.metrics.partition(partition),
            inbox,
            lane_done,
            shutdown: shutdown.clone(),
        };
        tasks.spawn("partition consumer", consumer.run());
    }
    let (store, config) = (Arc::clone(&parts.store), Arc::clone(&parts.config));
    let running = balance.clone();
    tasks.spawn("balance", running.run(store, config, parts.metrics.clone(), shutdown.clone()));
    if parts.config.depth_ms > 0 {
        let every = Duration::from_millis(parts.config.depth_ms);
        let asking = depth::run(Arc::clone(&parts.bus), balance.clone(), every, shutdown.clone());
        tasks.spawn("depths", asking);
    }
    balance
}

struct Consumer {
    bus: Arc<dyn Bus>,
    partition: Partition,
    prefetch: u16,
    yield_for: Duration,
    place: Place,
    metrics: ChatMetrics,
    counts: PartitionMetrics,
    inbox: mpsc::Sender<Received>,
    lane_done: CancellationToken,
    shutdown: Shutdown,
}

/// Why a consumer stopped.
enum End {
    Lost,
    Yielded,
    Stopping,
}

impl Consumer {
    async fn run(self) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            let joined = tokio::select! {
                joined = self.bus.consume_frames(Lane::Chat, self.partition, self.prefetch) => joined,
                () = self.shutdown.begun() => return,
            };
            let pause = match joined {
                Ok(mut consumer) => {
                    backoff.reset();
                    self.place.stands_in_line(true);
                    match self.feed(consumer.as_mut()).await {
                        End::Stopping => {
                            // The lane ends when all its senders are gone; until it has acknowledged
                            // what it took, the consumer must live, or all of it would come again
                            // elsewhere.
                            let Self { inbox, lane_done, .. } = self;
                            drop(inbox);
                            lane_done.cancelled().await;
                            return;
                        }
                        End::Yielded => {
                            drop(consumer);
                            self.let_another_go_first().await;
                            continue;
                        }
                        End::Lost => {
                            self.place.stands_in_line(false);
                            backoff.next_delay()
                        }
                    }
                }
                Err(error) => {
                    tracing::debug!(partition = self.partition, %error, "cannot consume yet");
                    self.place.stands_in_line(false);
                    backoff.next_delay()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shutdown.begun() => return,
            }
        }
    }

    /// Stays out of the line for a while, or until the partition is its own after all.
    async fn let_another_go_first(&self) {
        tokio::select! {
            () = tokio::time::sleep(self.yield_for) => {}
            () = self.place.is_own() => {}
            () = self.shutdown.begun() => {}
        }
    }

    /// Hands batches to the lane until the consumer ends, is to yield, or the process stops.
    async fn feed(&self, consumer: &mut dyn FrameConsumer) -> End {
        let taken = Arc::new(Taken::new(self.counts.clone()));
        let (end, handed) = self.hand_on(consumer, &taken).await;
        // When it stops, the lane still acknowledges all of it.
        if !matches!(end, End::Stopping) {
            taken.gave_back(handed);
        }
        end
    }

    /// The same, with the tag of the last batch.
    async fn hand_on(&self, consumer: &mut dyn FrameConsumer, taken: &Arc<Taken>) -> (End, u64) {
        let (acked, mut acks) = watch::channel(0);
        let acker: Arc<dyn FrameAcker> =
            Arc::new(HeardAcker { inner: consumer.acker(), acked, taken: Arc::clone(taken) });
        let mut hold: Option<Hold<'_>> = None;
        let mut handed = 0;
        loop {
            let delivery = tokio::select! {
                biased;
                () = self.shutdown.begun() => return (End::Stopping, handed),
                () = yield_asked(hold.as_ref()) => {
                    // What was handed over is finished here; what was not goes back in order.
                    tokio::select! {
                        _ = acks.wait_for(|acked| *acked >= handed) => {}
                        () = self.inbox.closed() => return (End::Lost, handed),
                    }
                    self.metrics.partition_yields.inc();
                    return (End::Yielded, handed);
                }
                delivery = consumer.next() => delivery,
            };
            let Some(delivery) = delivery else { return (End::Lost, handed) };
            taken.took(delivery.tag, delivery.batch.oldest_ms);
            handed = delivery.tag;
            // Another replica may have written these conversations before.
            let has_joined = hold.is_none();
            hold.get_or_insert_with(|| self.place.hold());
            let (partition, acker) = (self.partition, Arc::clone(&acker));
            let received = Received { delivery, partition, acker, has_joined };
            if self.inbox.send(received).await.is_err() {
                tracing::error!(
                    partition = self.partition,
                    "its lane is gone; the partition is given back"
                );
                return (End::Lost, handed);
            }
        }
    }
}

async fn yield_asked(hold: Option<&Hold<'_>>) {
    match hold {
        Some(hold) => hold.yield_asked().await,
        // Whoever only stands in line has nothing to yield.
        None => std::future::pending().await,
    }
}

/// Tells the consumer how far its lane has acknowledged.
struct HeardAcker {
    inner: Box<dyn FrameAcker>,
    acked: watch::Sender<u64>,
    taken: Arc<Taken>,
}

#[async_trait]
impl FrameAcker for HeardAcker {
    async fn ack_through(&self, tag: u64) {
        self.inner.ack_through(tag).await;
        self.taken.done(tag);
        self.acked.send_replace(tag);
    }
}
