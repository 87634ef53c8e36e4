//! Acknowledgements of batches: once for each consumer, of the highest tag that is done.

use std::sync::Arc;

use async_trait::async_trait;
use bus::FrameAcker;
use tokio::sync::watch;

use super::unacknowledged::Unacknowledged;

/// The highest tag of each consumer in a batch.
#[derive(Default)]
pub(super) struct Acks(Vec<(Arc<dyn FrameAcker>, u64)>);

impl Acks {
    pub(super) fn add(&mut self, acker: Arc<dyn FrameAcker>, tag: u64) {
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

/// Tells a consumer how far its worker has acknowledged.
pub(super) struct HeardAcker {
    pub(super) inner: Box<dyn FrameAcker>,
    pub(super) acked: watch::Sender<u64>,
    pub(super) taken: Arc<Unacknowledged>,
}

#[async_trait]
impl FrameAcker for HeardAcker {
    async fn ack_through(&self, tag: u64) {
        self.inner.ack_through(tag).await;
        self.taken.done(tag);
        self.acked.send_replace(tag);
    }
}
