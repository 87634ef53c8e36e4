//! The consumer of a partition: it feeds the worker that its number falls to, and yields its
//! partition when the balance asks for it.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, FrameAcker, FrameConsumer, Lane};
use platform::backoff::Backoff;
use platform::shutdown::Shutdown;
use proto::partition::Partition;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::acknowledge::HeardAcker;
use super::balance::{Hold, Seat};
use super::batch::Received;
use super::unacknowledged::Unacknowledged;
use crate::metrics::{ChatMetrics, PartitionMetrics};

pub(super) struct Consumer {
    pub(super) bus: Arc<dyn Bus>,
    pub(super) partition: Partition,
    pub(super) prefetch: u16,
    pub(super) yield_for: Duration,
    pub(super) seat: Seat,
    pub(super) metrics: ChatMetrics,
    pub(super) counts: PartitionMetrics,
    pub(super) inbox: mpsc::Sender<Received>,
    pub(super) worker_done: CancellationToken,
    pub(super) shutdown: Shutdown,
}

/// Why a consumer stopped.
enum End {
    Lost,
    Yielded,
    Stopping,
}

impl Consumer {
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            let joined = tokio::select! {
                joined = self.bus.consume_frames(Lane::Chat, self.partition, self.prefetch) => joined,
                () = self.shutdown.begun() => return,
            };
            let pause = match joined {
                Ok(mut consumer) => {
                    backoff.reset();
                    self.seat.stands_in_line(true);
                    match self.feed(consumer.as_mut()).await {
                        End::Stopping => {
                            // The worker ends when all its senders are gone; until it has acknowledged
                            // what it took, the consumer must live, or all of it would come again
                            // elsewhere.
                            let Self { inbox, worker_done, .. } = self;
                            drop(inbox);
                            worker_done.cancelled().await;
                            return;
                        }
                        End::Yielded => {
                            drop(consumer);
                            self.yield_partition().await;
                            continue;
                        }
                        End::Lost => {
                            self.seat.stands_in_line(false);
                            backoff.next_delay()
                        }
                    }
                }
                Err(error) => {
                    tracing::debug!(partition = self.partition, %error, "cannot consume yet");
                    self.seat.stands_in_line(false);
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
    async fn yield_partition(&self) {
        tokio::select! {
            () = tokio::time::sleep(self.yield_for) => {}
            () = self.seat.is_own() => {}
            () = self.shutdown.begun() => {}
        }
    }

    /// Hands batches to the worker until the consumer ends, is to yield, or the process stops.
    async fn feed(&self, consumer: &mut dyn FrameConsumer) -> End {
        let taken = Arc::new(Unacknowledged::new(self.counts.clone()));
        let (end, handed) = self.hand_on(consumer, &taken).await;
        // When it stops, the worker still acknowledges all of it.
        if !matches!(end, End::Stopping) {
            taken.gave_back(handed);
        }
        end
    }

    /// The same, with the tag of the last batch.
    async fn hand_on(
        &self,
        consumer: &mut dyn FrameConsumer,
        taken: &Arc<Unacknowledged>,
    ) -> (End, u64) {
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
            hold.get_or_insert_with(|| self.seat.hold());
            let (partition, acker) = (self.partition, Arc::clone(&acker));
            let received = Received { delivery, partition, acker, has_joined };
            if self.inbox.send(received).await.is_err() {
                tracing::error!(
                    partition = self.partition,
                    "its worker is gone; the partition is given back"
                );
                return (End::Lost, handed);
            }
        }
    }
}

async fn yield_asked(hold: Option<&Hold<'_>>) {
    match hold {
        Some(hold) => hold.yield_asked().await,
        // A consumer that is not the active one has nothing to yield.
        None => std::future::pending().await,
    }
}
