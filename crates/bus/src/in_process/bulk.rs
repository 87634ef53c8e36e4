//! Broadcasts inside one process: a bounded queue for each consumer, which drops its oldest.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use proto::bus::Broadcast;
use tokio::sync::{Notify, watch};

use crate::{BroadcastConsumer, BusState, PublishError};

/// The bulk queues of all gateways, by a number of their own.
#[derive(Debug, Clone, Default)]
pub(super) struct BulkQueues(Arc<Mutex<Queues>>);

#[derive(Debug, Default)]
struct Queues {
    next: u64,
    by_number: HashMap<u64, Arc<BulkQueue>>,
}

#[derive(Debug, Default)]
struct BulkQueue {
    waiting: Mutex<VecDeque<Broadcast>>,
    changed: Notify,
}

impl BulkQueues {
    /// Puts it into every queue.
    pub(super) fn publish(&self, broadcast: &Broadcast, limit: usize) -> Result<(), PublishError> {
        let queues = self.0.lock();
        if queues.by_number.is_empty() {
            return Err(PublishError::Unroutable);
        }
        for queue in queues.by_number.values() {
            let mut waiting = queue.waiting.lock();
            while waiting.len() >= limit.max(1) {
                waiting.pop_front();
            }
            waiting.push_back(broadcast.clone());
            drop(waiting);
            queue.changed.notify_one();
        }
        Ok(())
    }

    /// A new queue.
    pub(super) fn join(&self, closed: watch::Receiver<BusState>) -> BulkConsumer {
        let mut queues = self.0.lock();
        queues.next += 1;
        let (number, queue) = (queues.next, Arc::<BulkQueue>::default());
        queues.by_number.insert(number, Arc::clone(&queue));
        BulkConsumer { number, queue, queues: self.clone(), closed }
    }
}

/// Reads one queue, which ends with it.
pub(super) struct BulkConsumer {
    number: u64,
    queue: Arc<BulkQueue>,
    queues: BulkQueues,
    closed: watch::Receiver<BusState>,
}

impl Drop for BulkConsumer {
    fn drop(&mut self) {
        self.queues.0.lock().by_number.remove(&self.number);
    }
}

#[async_trait]
impl BroadcastConsumer for BulkConsumer {
    async fn next(&mut self) -> Option<Broadcast> {
        loop {
            if let Some(broadcast) = self.queue.waiting.lock().pop_front() {
                return Some(broadcast);
            }
            if *self.closed.borrow() != BusState::Up {
                return None;
            }
            tokio::select! {
                () = self.queue.changed.notified() => {}
                _ = self.closed.changed() => {}
            }
        }
    }
}
