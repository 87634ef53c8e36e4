//! What has piled up in a lane's inbox, as one batch, with the way to acknowledge all of it.

use std::sync::Arc;

use bus::{FrameAcker, FrameDelivery};
use proto::partition::Partition;
use tokio::sync::mpsc;

use super::Received;

/// A batch and where it came from.
#[derive(Debug)]
pub struct Taken {
    /// The batch.
    pub delivery: FrameDelivery,
    /// Its partition.
    pub partition: Partition,
}

/// What piled up.
pub(super) struct Pile {
    pub(super) batches: Vec<Taken>,
    pub(super) acks: Acks,
    /// Partitions that come from elsewhere.
    pub(super) joined: Vec<Partition>,
}

impl Pile {
    /// Takes what is there, never waiting for more.
    pub(super) fn take(
        first: Received,
        inbox: &mut mpsc::Receiver<Received>,
        batch_frames: usize,
    ) -> Self {
        let mut pile = Self { batches: Vec::new(), acks: Acks::default(), joined: Vec::new() };
        let mut frames = pile.add(first);
        while frames < batch_frames {
            let Ok(next) = inbox.try_recv() else { break };
            frames += pile.add(next);
        }
        pile
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

/// The highest tag of each consumer in a batch.
#[derive(Default)]
pub(super) struct Acks(Vec<(Arc<dyn FrameAcker>, u64)>);

impl Acks {
    fn add(&mut self, acker: Arc<dyn FrameAcker>, tag: u64) {
        match self.0.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &acker)) {
            Some((_, highest)) => *highest = tag.max(*highest),
            None => self.0.push((acker, tag)),
        }
    }

    pub(super) async fn send(self) {
        for (acker, tag) in self.0 {
            acker.ack_through(tag).await;
        }
    }
}
