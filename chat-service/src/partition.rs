//! Consumers of the partitions: each feeds the lane that its number falls to.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, FrameAcker, Lane};
use platform::backoff::Backoff;
use platform::shutdown::{Shutdown, Tasks};
use proto::partition::Partition;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::lane::{self, LaneParts, Received};

/// Batches waiting in a lane's inbox. When it is full, its partitions are not read.
const INBOX_BATCHES: usize = 256;

/// Starts the lanes and a consumer for every partition.
pub fn start(parts: &LaneParts, tasks: &Tasks, shutdown: &Shutdown) {
    let lanes = parts.config.lanes.max(1);
    let inboxes: Vec<_> = (0..lanes)
        .map(|_| {
            let (sender, receiver) = mpsc::channel(INBOX_BATCHES);
            let done = CancellationToken::new();
            lane::start(parts.clone(), receiver, tasks, done.clone());
            (sender, done)
        })
        .collect();
    for partition in 0..parts.bus.partitions() {
        let (inbox, lane_done) = inboxes[usize::from(partition % lanes)].clone();
        let consumer = Consumer {
            bus: Arc::clone(&parts.bus),
            partition,
            prefetch: parts.config.prefetch,
            inbox,
            lane_done,
            shutdown: shutdown.clone(),
        };
        tasks.spawn("partition consumer", consumer.run());
    }
}

struct Consumer {
    bus: Arc<dyn Bus>,
    partition: Partition,
    prefetch: u16,
    inbox: mpsc::Sender<Received>,
    lane_done: CancellationToken,
    shutdown: Shutdown,
}

/// Why a consumer stopped.
enum End {
    Lost,
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
            match joined {
                Ok(mut consumer) => {
                    backoff.reset();
                    let acker: Arc<dyn FrameAcker> = Arc::from(consumer.acker());
                    if let End::Stopping = self.feed(consumer.as_mut(), &acker).await {
                        // The lane ends when all its senders are gone; until it has acknowledged what
                        // it took, the consumer must live, or all of it would come again elsewhere.
                        let Self { inbox, lane_done, .. } = self;
                        drop(inbox);
                        lane_done.cancelled().await;
                        return;
                    }
                }
                Err(error) => {
                    tracing::debug!(partition = self.partition, %error, "cannot consume yet");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = self.shutdown.begun() => return,
            }
        }
    }

    async fn feed(
        &self,
        consumer: &mut dyn bus::FrameConsumer,
        acker: &Arc<dyn FrameAcker>,
    ) -> End {
        loop {
            let delivery = tokio::select! {
                delivery = consumer.next() => delivery,
                () = self.shutdown.begun() => return End::Stopping,
            };
            let Some(delivery) = delivery else { return End::Lost };
            let received = Received { delivery, acker: Arc::clone(acker) };
            if self.inbox.send(received).await.is_err() {
                tracing::error!(
                    partition = self.partition,
                    "its lane is gone; the partition is given back"
                );
                return End::Lost;
            }
        }
    }
}
