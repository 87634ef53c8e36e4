//! What waits in a worker's inbox, as one batch, with the way to acknowledge all of it.

use std::sync::Arc;

use bus::{FrameAcker, FrameDelivery};
use proto::partition::Partition;
use tokio::sync::mpsc;

use super::acknowledge::Acks;
use crate::append::Taken;

/// A batch from a partition, with the way to acknowledge it.
pub struct Received {
    pub delivery: FrameDelivery,
    /// Where it comes from.
    pub partition: Partition,
    /// Its consumer's.
    pub acker: Arc<dyn FrameAcker>,
    /// It is the first batch since the consumer joined: another replica may have written the
    /// partition's conversations meanwhile.
    pub has_joined: bool,
}

/// What is appended at once.
pub(super) struct Batch {
    pub(super) batches: Vec<Taken>,
    pub(super) acks: Acks,
    /// Partitions that come from elsewhere.
    pub(super) joined: Vec<Partition>,
}

impl Batch {
    /// Takes what is there, never waiting for more.
    pub(super) fn take(
        first: Received,
        inbox: &mut mpsc::Receiver<Received>,
        batch_frames: usize,
    ) -> Self {
        let mut batch = Self { batches: Vec::new(), acks: Acks::default(), joined: Vec::new() };
        let mut frames = batch.add(first);
        while frames < batch_frames {
            let Ok(next) = inbox.try_recv() else { break };
            frames += batch.add(next);
        }
        batch
    }

    fn add(&mut self, received: Received) -> usize {
        let Received { delivery, partition, acker, has_joined } = received;
        let frames = delivery.batch.frames.len();
        self.acks.add(acker, delivery.tag);
        if has_joined {
            self.joined.push(partition);
        }
        self.batches.push(Taken { delivery, partition });
        frames
    }
}
