//! The bus inside one process: bounded queues with the rules of the port, nothing encoded.
//!
//! It can refuse, return and redeliver like a broker, so that what works over it works over one.

mod bulk;
mod events;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use prost::Message;
use proto::bus::{Broadcast, FrameBatch, Push, PushBatch};
use proto::common::GatewayRef;
use proto::id::GatewayId;
use proto::partition::Partition;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use crate::{
    BroadcastConsumer, Bus, BusState, ConsumeError, EventConsumer, Events, FrameAcker,
    FrameConsumer, FrameDelivery, Lane, NudgeConsumer, Original, PublishError, PushConsumer,
};
use bulk::BulkQueues;
use events::EventListeners;

/// How much the queues hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InProcessConfig {
    /// Number of partitions for chat and for presence.
    pub partitions: Partition,
    /// Maximum length of a partition's queue in batches; a full queue refuses.
    pub partition_batches: usize,
    /// Maximum length of a gateway's queue in batches; a full queue refuses.
    pub gateway_batches: usize,
    /// Maximum size of a gateway's queue in bytes; a full queue refuses.
    pub gateway_bytes: usize,
    /// Maximum length of a gateway's urgent queue in batches; a full queue drops its oldest.
    pub gateway_urgent: usize,
    /// Maximum length of a gateway's broadcast queue; a full queue drops its oldest.
    pub gateway_broadcasts: usize,
}

impl Default for InProcessConfig {
    fn default() -> Self {
        Self {
            partitions: 16,
            partition_batches: 1_024,
            gateway_batches: 4_096,
            gateway_bytes: 32 << 20,
            gateway_urgent: 4_096,
            gateway_broadcasts: 64,
        }
    }
}

/// The in-process bus.
#[derive(Debug)]
pub struct InProcessBus {
    config: InProcessConfig,
    partitions: Mutex<HashMap<(Lane, Partition), Arc<PartitionQueue>>>,
    gateways: PushQueues,
    urgent: PushQueues,
    bulk: BulkQueues,
    events: EventListeners,
    nudged: watch::Sender<()>,
    state: watch::Sender<BusState>,
}

impl InProcessBus {
    /// An empty bus.
    pub fn new(config: InProcessConfig) -> Self {
        Self {
            config,
            partitions: Mutex::default(),
            gateways: Arc::default(),
            urgent: Arc::default(),
            bulk: BulkQueues::default(),
            events: EventListeners::default(),
            nudged: watch::Sender::new(()),
            state: watch::Sender::new(BusState::Up),
        }
    }

    fn partition(&self, lane: Lane, partition: Partition) -> Arc<PartitionQueue> {
        Arc::clone(self.partitions.lock().entry((lane, partition)).or_default())
    }

    fn is_closed(&self) -> bool {
        *self.state.borrow() != BusState::Up
    }
}

const CLOSED: &str = "the in-process bus is closed";

#[async_trait]
impl Bus for InProcessBus {
    fn partitions(&self) -> Partition {
        self.config.partitions
    }

    async fn publish_frames(
        &self,
        lane: Lane,
        partition: Partition,
        batch: FrameBatch,
    ) -> Result<(), PublishError> {
        if self.is_closed() {
            return Err(PublishError::Unavailable(CLOSED.to_owned()));
        }
        if partition >= self.config.partitions {
            return Err(PublishError::Unroutable);
        }
        self.partition(lane, partition).publish(batch, self.config.partition_batches)
    }

    async fn publish_pushes(
        &self,
        gateway: &GatewayRef,
        batch: PushBatch,
    ) -> Result<(), PublishError> {
        if self.is_closed() {
            return Err(PublishError::Unavailable(CLOSED.to_owned()));
        }
        let queue = self.gateways.lock().get(&(gateway.id.clone(), gateway.epoch)).cloned();
        queue.ok_or(PublishError::Unroutable)?.publish(batch, &self.config)
    }

    async fn consume_frames(
        &self,
        lane: Lane,
        partition: Partition,
        prefetch: u16,
    ) -> Result<Box<dyn FrameConsumer>, ConsumeError> {
        if self.is_closed() {
            return Err(ConsumeError::Unavailable(CLOSED.to_owned()));
        }
        if partition >= self.config.partitions {
            return Err(ConsumeError::no_partition(partition, self.config.partitions));
        }
        let queue = self.partition(lane, partition);
        let id = queue.join();
        Ok(Box::new(PartitionConsumer {
            link: Arc::new(Link { queue, id }),
            prefetch: usize::from(prefetch.max(1)),
            closed: self.state.subscribe(),
        }))
    }

    async fn depths(&self, lane: Lane, partitions: &[Partition]) -> Result<Vec<u64>, ConsumeError> {
        if self.is_closed() {
            return Err(ConsumeError::Unavailable(CLOSED.to_owned()));
        }
        let depth = |partition: &Partition| {
            if *partition >= self.config.partitions {
                return Err(ConsumeError::no_partition(*partition, self.config.partitions));
            }
            Ok(self.partition(lane, *partition).inner.lock().waiting.len() as u64)
        };
        partitions.iter().map(depth).collect()
    }

    async fn consume_pushes(
        &self,
        gateway_id: &GatewayId,
        _prefetch: u16,
    ) -> Result<Box<dyn PushConsumer>, ConsumeError> {
        if self.is_closed() {
            return Err(ConsumeError::Unavailable(CLOSED.to_owned()));
        }
        let gateway = GatewayRef { id: gateway_id.to_string(), epoch: fresh_epoch() };
        let queue = Arc::new(PushQueue::default());
        self.gateways.lock().insert((gateway.id.clone(), gateway.epoch), Arc::clone(&queue));
        Ok(Box::new(GatewayConsumer {
            gateway,
            queue,
            gateways: Arc::clone(&self.gateways),
            closed: self.state.subscribe(),
        }))
    }

    async fn publish_urgent(
        &self,
        gateway: Option<&GatewayRef>,
        batch: PushBatch,
    ) -> Result<(), PublishError> {
        if self.is_closed() {
            return Err(PublishError::Unavailable(CLOSED.to_owned()));
        }
        let queues = self.urgent.lock();
        let meant: Vec<Arc<PushQueue>> = match gateway {
            Some(GatewayRef { id, epoch }) => {
                queues.get(&(id.clone(), *epoch)).cloned().into_iter().collect()
            }
            None => queues.values().cloned().collect(),
        };
        drop(queues);
        if meant.is_empty() {
            return Err(PublishError::Unroutable);
        }
        for queue in meant {
            queue.publish_newest(batch.clone(), self.config.gateway_urgent);
        }
        Ok(())
    }

    async fn consume_urgent(
        &self,
        gateway: &GatewayRef,
        _prefetch: u16,
    ) -> Result<Box<dyn PushConsumer>, ConsumeError> {
        if self.is_closed() {
            return Err(ConsumeError::Unavailable(CLOSED.to_owned()));
        }
        let queue = Arc::new(PushQueue::default());
        self.urgent.lock().insert((gateway.id.clone(), gateway.epoch), Arc::clone(&queue));
        Ok(Box::new(GatewayConsumer {
            gateway: gateway.clone(),
            queue,
            gateways: Arc::clone(&self.urgent),
            closed: self.state.subscribe(),
        }))
    }

    async fn broadcast(&self, broadcast: Broadcast) -> Result<(), PublishError> {
        if self.is_closed() {
            return Err(PublishError::Unavailable(CLOSED.to_owned()));
        }
        self.bulk.publish(&broadcast, self.config.gateway_broadcasts)
    }

    async fn consume_broadcasts(
        &self,
        _gateway_id: &GatewayId,
        _prefetch: u16,
    ) -> Result<Box<dyn BroadcastConsumer>, ConsumeError> {
        if self.is_closed() {
            return Err(ConsumeError::Unavailable(CLOSED.to_owned()));
        }
        Ok(Box::new(self.bulk.join(self.state.subscribe())))
    }

    async fn publish_events(&self, events: Events) -> Result<(), PublishError> {
        if self.is_closed() {
            return Err(PublishError::Unavailable(CLOSED.to_owned()));
        }
        self.events.publish(&events)
    }

    async fn consume_events(&self, types: &[&str]) -> Result<Box<dyn EventConsumer>, ConsumeError> {
        if self.is_closed() {
            return Err(ConsumeError::Unavailable(CLOSED.to_owned()));
        }
        Ok(Box::new(self.events.listen(types, self.state.subscribe())))
    }

    async fn nudge(&self) -> Result<(), PublishError> {
        if self.is_closed() {
            return Err(PublishError::Unavailable(CLOSED.to_owned()));
        }
        self.nudged.send_replace(());
        Ok(())
    }

    async fn consume_nudges(&self) -> Result<Box<dyn NudgeConsumer>, ConsumeError> {
        if self.is_closed() {
            return Err(ConsumeError::Unavailable(CLOSED.to_owned()));
        }
        Ok(Box::new(Nudges { nudged: self.nudged.subscribe(), closed: self.state.subscribe() }))
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.state.subscribe()
    }

    async fn close(&self) {
        self.state.send_replace(BusState::Down(CLOSED.to_owned()));
    }
}

/// A listener for nudges.
#[derive(Debug)]
struct Nudges {
    nudged: watch::Receiver<()>,
    closed: watch::Receiver<BusState>,
}

#[async_trait]
impl NudgeConsumer for Nudges {
    async fn next(&mut self) -> Option<()> {
        tokio::select! {
            nudged = self.nudged.changed() => nudged.ok(),
            _ = self.closed.wait_for(|state| *state != BusState::Up) => None,
        }
    }
}

/// Random, so that an earlier incarnation's address never fits a later one.
pub(crate) fn fresh_epoch() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1
}

/// One partition: what waits, what the active consumer holds, and who waits to consume.
#[derive(Debug, Default)]
struct PartitionQueue {
    inner: Mutex<PartitionState>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct PartitionState {
    waiting: VecDeque<Waiting>,
    /// Taken by the active consumer and not acknowledged, by tag.
    held: VecDeque<(u64, Arc<FrameBatch>)>,
    /// The first one is active.
    consumers: VecDeque<u64>,
    next_consumer: u64,
    next_tag: u64,
}

#[derive(Debug)]
struct Waiting {
    batch: Arc<FrameBatch>,
    redelivered: bool,
}

impl PartitionQueue {
    fn publish(&self, batch: FrameBatch, limit: usize) -> Result<(), PublishError> {
        let mut state = self.inner.lock();
        if state.waiting.len() >= limit {
            return Err(PublishError::Refused);
        }
        state.waiting.push_back(Waiting { batch: Arc::new(batch), redelivered: false });
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    fn join(&self) -> u64 {
        let mut state = self.inner.lock();
        state.next_consumer += 1;
        let id = state.next_consumer;
        state.consumers.push_back(id);
        id
    }

    fn leave(&self, id: u64) {
        let mut state = self.inner.lock();
        if state.consumers.front() == Some(&id) {
            while let Some((_, batch)) = state.held.pop_back() {
                state.waiting.push_front(Waiting { batch, redelivered: true });
            }
        }
        state.consumers.retain(|consumer| *consumer != id);
        drop(state);
        self.changed.notify_waiters();
    }

    fn take(&self, id: u64, prefetch: usize) -> Option<FrameDelivery> {
        let mut state = self.inner.lock();
        if state.consumers.front() != Some(&id) || state.held.len() >= prefetch {
            return None;
        }
        let Waiting { batch, redelivered } = state.waiting.pop_front()?;
        state.next_tag += 1;
        let tag = state.next_tag;
        // Kept for a redelivery.
        state.held.push_back((tag, Arc::clone(&batch)));
        let original = Original::Batch(Arc::clone(&batch));
        Some(FrameDelivery { batch: FrameBatch::clone(&batch), original, redelivered, tag })
    }

    fn acknowledge(&self, id: u64, tag: u64) {
        let mut state = self.inner.lock();
        if state.consumers.front() == Some(&id) {
            while state.held.front().is_some_and(|(held, _)| *held <= tag) {
                state.held.pop_front();
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }
}

struct PartitionConsumer {
    link: Arc<Link>,
    prefetch: usize,
    closed: watch::Receiver<BusState>,
}

/// A consumer's place in its queue.
struct Link {
    queue: Arc<PartitionQueue>,
    id: u64,
}

impl Drop for PartitionConsumer {
    fn drop(&mut self) {
        self.link.queue.leave(self.link.id);
    }
}

#[async_trait]
impl FrameConsumer for PartitionConsumer {
    async fn next(&mut self) -> Option<FrameDelivery> {
        loop {
            let changed = self.link.queue.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no change falls in between.
            changed.as_mut().enable();
            if *self.closed.borrow() != BusState::Up {
                return None;
            }
            if let Some(delivery) = self.link.queue.take(self.link.id, self.prefetch) {
                return Some(delivery);
            }
            tokio::select! {
                () = changed => {}
                _ = self.closed.changed() => {}
            }
        }
    }

    fn acker(&self) -> Box<dyn FrameAcker> {
        Box::new(Acker(Arc::clone(&self.link)))
    }
}

struct Acker(Arc<Link>);

#[async_trait]
impl FrameAcker for Acker {
    async fn ack_through(&self, tag: u64) {
        self.0.queue.acknowledge(self.0.id, tag);
    }
}

/// The queues of all incarnations of gateways, by id and epoch.
type PushQueues = Arc<Mutex<HashMap<(String, u64), Arc<PushQueue>>>>;

#[derive(Debug, Default)]
struct PushQueue {
    waiting: Mutex<Pushes>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Pushes {
    batches: VecDeque<PushBatch>,
    bytes: usize,
}

/// What a batch takes, nearly.
fn bytes_of(batch: &PushBatch) -> usize {
    /// Beside what it says.
    const PUSH_BYTES: usize = 64;
    let of = |push: &Push| PUSH_BYTES + push.encoded_len();
    batch.pushes.iter().map(of).sum()
}

impl Pushes {
    fn next(&mut self) -> Option<PushBatch> {
        let batch = self.batches.pop_front()?;
        self.bytes -= bytes_of(&batch);
        Some(batch)
    }
}

impl PushQueue {
    /// A full queue drops its oldest.
    fn publish_newest(&self, batch: PushBatch, limit: usize) {
        let mut waiting = self.waiting.lock();
        while waiting.batches.len() >= limit.max(1) {
            waiting.next();
        }
        waiting.bytes += bytes_of(&batch);
        waiting.batches.push_back(batch);
        drop(waiting);
        self.changed.notify_one();
    }

    fn publish(&self, batch: PushBatch, config: &InProcessConfig) -> Result<(), PublishError> {
        let mut waiting = self.waiting.lock();
        let is_full = waiting.batches.len() >= config.gateway_batches;
        if is_full || waiting.bytes >= config.gateway_bytes {
            return Err(PublishError::Refused);
        }
        waiting.bytes += bytes_of(&batch);
        waiting.batches.push_back(batch);
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }
}

struct GatewayConsumer {
    gateway: GatewayRef,
    queue: Arc<PushQueue>,
    gateways: PushQueues,
    closed: watch::Receiver<BusState>,
}

impl Drop for GatewayConsumer {
    fn drop(&mut self) {
        self.gateways.lock().remove(&(self.gateway.id.clone(), self.gateway.epoch));
    }
}

#[async_trait]
impl PushConsumer for GatewayConsumer {
    fn gateway(&self) -> GatewayRef {
        self.gateway.clone()
    }

    async fn next(&mut self) -> Option<PushBatch> {
        loop {
            if let Some(batch) = self.queue.waiting.lock().next() {
                return Some(batch);
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
