//! A lane: takes what has piled up in its partitions, appends it as one batch, and hands it to
//! delivery. The next append overlaps the delivery of the batch before; deliveries stay in order.
//!
//! All frames of a conversation go through one lane of a process. That is for order, not for safety:
//! another process may still write the same conversation, and the store settles it.

mod append;
mod cache;
mod deliver;
mod ephemeral;
mod message;
pub mod owed;
mod signal;

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, FrameAcker, FrameDelivery};
use platform::shutdown::Tasks;
use platform::trace::Tracer;
use proto::partition::Partition;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::LaneConfig;
use crate::directory::Directory;
use crate::metrics::ChatMetrics;
use crate::store::ChatStore;

pub use append::{Appended, Appender};
pub use deliver::Deliverer;
use owed::Owed;

/// What lanes work with.
#[derive(Clone)]
pub struct LaneParts {
    /// Where pushes go.
    pub bus: Arc<dyn Bus>,
    /// Where the log is.
    pub store: Arc<dyn ChatStore>,
    /// Where users are.
    pub directory: Arc<dyn Directory>,
    /// What is counted.
    pub metrics: ChatMetrics,
    /// What is traced.
    pub tracer: Tracer,
    /// Those whom a push did not reach.
    pub owed: Arc<Owed>,
    /// The bounds.
    pub config: Arc<LaneConfig>,
}

/// A batch from a partition, with the way to acknowledge it.
pub struct Received {
    /// The batch.
    pub delivery: FrameDelivery,
    /// Its consumer's.
    pub acker: Arc<dyn FrameAcker>,
    /// Its partition, when it is the first batch since the consumer joined: another replica may have
    /// written the partition's conversations meanwhile.
    pub joined: Option<Partition>,
}

/// Deliveries that an append may run ahead of: one under way and one waiting.
const AHEAD: usize = 1;

/// Starts a lane. It ends when all senders of `inbox` are gone and everything is delivered; then
/// `done` is cancelled.
pub fn start(
    parts: LaneParts,
    inbox: mpsc::Receiver<Received>,
    tasks: &Tasks,
    done: CancellationToken,
) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let appender = Appender::new(parts.clone());
    let deliverer = Deliverer::new(parts);
    tasks.spawn("lane append", append_all(appender, inbox, sender));
    tasks.spawn("lane deliver", async move {
        deliverer.run(receiver).await;
        done.cancel();
    });
}

async fn append_all(
    mut appender: Appender,
    mut inbox: mpsc::Receiver<Received>,
    deliveries: mpsc::Sender<(Appended, Acks)>,
) {
    while let Some(first) = inbox.recv().await {
        let (batches, acks, joined) = pile_up(first, &mut inbox, appender.batch_frames());
        appender.forget(&joined);
        let appended = appender.step(batches).await;
        if deliveries.send((appended, acks)).await.is_err() {
            // Delivery panicked: nothing is acknowledged, so all of it comes again.
            return;
        }
    }
}

/// Takes what is there, never waiting for more.
fn pile_up(
    first: Received,
    inbox: &mut mpsc::Receiver<Received>,
    batch_frames: usize,
) -> (Vec<FrameDelivery>, Acks, Vec<Partition>) {
    let mut frames = first.delivery.batch.frames.len();
    let mut acks = Acks::default();
    acks.add(first.acker, first.delivery.tag);
    let mut joined = Vec::from_iter(first.joined);
    let mut batches = vec![first.delivery];
    while frames < batch_frames {
        let Ok(next) = inbox.try_recv() else { break };
        frames += next.delivery.batch.frames.len();
        acks.add(next.acker, next.delivery.tag);
        joined.extend(next.joined);
        batches.push(next.delivery);
    }
    (batches, acks, joined)
}

/// The highest tag of each consumer in a batch.
#[derive(Default)]
pub struct Acks(Vec<(Arc<dyn FrameAcker>, u64)>);

impl Acks {
    fn add(&mut self, acker: Arc<dyn FrameAcker>, tag: u64) {
        match self.0.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &acker)) {
            Some((_, highest)) => *highest = tag.max(*highest),
            None => self.0.push((acker, tag)),
        }
    }

    async fn send(self) {
        for (acker, tag) in self.0 {
            acker.ack_through(tag).await;
        }
    }
}

/// Waits of a retry inside a lane.
fn retry_backoff() -> platform::backoff::Backoff {
    platform::backoff::Backoff::new(Duration::from_millis(20), Duration::from_millis(500))
}
