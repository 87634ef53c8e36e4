//! Frames up to the services. A bounded number of publishes awaits its confirm, at most one for each
//! partition; what arrives meanwhile is the next batch. A lone frame leaves at once, if anybody waits for it.

mod queues;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::{Bus, Lane, PublishError};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use prometheus_client::metrics::gauge::Gauge;
use proto::bus::{Frame, FrameBatch, frame::Body};
use proto::common::GatewayRef;
use proto::error_code::Stored;
use proto::id::{ConversationId, UserId};
use proto::partition::{Partition, of_conversation, of_user};
use tokio::sync::{mpsc, watch};

use crate::clock::unix_ms;
use crate::connections::Registry;
use crate::connections::outbox::Failed;
use crate::connections::requests::Requests;
use crate::limits::LimitsConfig;
use crate::metrics::GatewayMetrics;
use queues::{Batch, PartitionQueues};

/// What a frame takes beside what it says.
const LEAST_BYTES: usize = 512;

/// The entrance.
#[derive(Debug, Clone)]
pub struct Uplink {
    sender: mpsc::Sender<(Slot, Weighed)>,
    partitions: Partition,
    /// Bytes of what waits for the bus or its confirm.
    held: Gauge,
    most_bytes: usize,
}

/// A frame and what it takes, nearly.
#[derive(Debug)]
struct Weighed {
    frame: Frame,
    bytes: usize,
}

/// Too much is waiting for the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UplinkFull;

/// A lane and a partition of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    lane: Lane,
    partition: Partition,
}

impl Uplink {
    /// An entrance and what [`run`] reads.
    pub(crate) fn new(
        partitions: Partition,
        limits: &LimitsConfig,
        held: Gauge,
    ) -> (Self, UplinkFrames) {
        let (sender, receiver) = mpsc::channel(limits.uplink_frames.max(1));
        let most_bytes = limits.memory.uplink_bytes;
        (Self { sender, partitions, held, most_bytes }, UplinkFrames(receiver))
    }

    /// Hands an operation on, which takes so many bytes.
    pub fn operation(
        &self,
        conversation_id: ConversationId,
        frame: Frame,
        bytes: usize,
    ) -> Result<(), UplinkFull> {
        let partition = of_conversation(conversation_id, self.partitions);
        let bytes = LEAST_BYTES + bytes;
        self.submit(Slot { lane: Lane::Chat, partition }, Weighed { frame, bytes })
    }

    /// Hands a frame about a conversation on that nobody waits for.
    pub fn chat(&self, conversation_id: ConversationId, frame: Frame) -> Result<(), UplinkFull> {
        let partition = of_conversation(conversation_id, self.partitions);
        self.submit(Slot { lane: Lane::Chat, partition }, frame.into())
    }

    /// Hands a user's profile on.
    pub fn profile(&self, user_id: &UserId, frame: Frame) -> Result<(), UplinkFull> {
        let partition = of_user(user_id, self.partitions);
        self.submit(Slot { lane: Lane::Chat, partition }, frame.into())
    }

    /// Hands a frame about a user's own state on.
    pub fn presence(&self, user_id: &UserId, frame: Frame) -> Result<(), UplinkFull> {
        let partition = of_user(user_id, self.partitions);
        self.submit(Slot { lane: Lane::Presence, partition }, frame.into())
    }

    fn submit(&self, slot: Slot, frame: Weighed) -> Result<(), UplinkFull> {
        let bytes = frame.bytes as i64;
        let before = self.held.inc_by(bytes);
        // One that is larger than the whole is let in alone.
        let is_full = before > 0 && before + bytes > self.most_bytes as i64;
        if is_full || self.sender.try_send((slot, frame)).is_err() {
            self.held.dec_by(bytes);
            return Err(UplinkFull);
        }
        Ok(())
    }
}

/// What has been handed to the uplink.
pub(crate) struct UplinkFrames(mpsc::Receiver<(Slot, Weighed)>);

/// What the uplink works with.
pub(crate) struct UplinkParts {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) requests: Arc<Requests>,
    pub(crate) gateway: watch::Receiver<Option<GatewayRef>>,
    pub(crate) limits: Arc<LimitsConfig>,
    /// Bytes of what waits, to be given back.
    pub(crate) held: Gauge,
    pub(crate) metrics: GatewayMetrics,
}

/// Publishes until the entrance is gone and everything is out.
pub(crate) async fn run(parts: UplinkParts, mut frames: UplinkFrames) {
    let mut queues = PartitionQueues::new(parts.bus.partitions(), &parts.limits);
    let most = parts.limits.uplink_frames;
    let mut publishing = FuturesUnordered::new();
    // One for all rounds: it is moved when another moment is due.
    let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
    let mut is_open = true;
    while is_open || queues.held() > 0 || !publishing.is_empty() {
        let due = queues.due().map(tokio::time::Instant::from_std);
        if let Some(due) = due.filter(|due| *due != alarm.deadline()) {
            alarm.as_mut().reset(due);
        }
        tokio::select! {
            received = frames.0.recv(), if is_open && queues.held() < most => {
                let (mut next, now) = (received, Instant::now());
                is_open = next.is_some();
                while let Some((slot, frame)) = next {
                    queues.add(slot, frame, now);
                    next = if queues.held() < most { frames.0.try_recv().ok() } else { None };
                }
            }
            Some(slot) = publishing.next() => queues.published(slot, Instant::now()),
            () = &mut alarm, if due.is_some() => queues.flush_all(),
        }
        if !is_open {
            queues.flush_all();
        }
        while publishing.len() < parts.limits.uplink_window.max(1) {
            let Some((slot, batch)) = queues.next() else { break };
            publishing.push(publish(&parts, slot, batch));
        }
    }
}

/// Publishes one batch and tells its senders when that fails.
async fn publish(parts: &UplinkParts, slot: Slot, batch: Batch) -> Slot {
    let Batch { frames, bytes, oldest } = batch;
    let senders: Vec<(u64, Bytes)> = frames.iter().filter_map(sender).collect();
    parts.metrics.batch_frames.observe(frames.len() as f64);
    let started = Instant::now();
    let gateway = parts.gateway.borrow().clone();
    let published = match gateway {
        Some(gateway) => {
            let waited = started.saturating_duration_since(oldest).as_millis() as u64;
            let oldest_ms = unix_ms().saturating_sub(waited);
            let batch = FrameBatch { gateway: Some(gateway), frames, oldest_ms };
            parts.bus.publish_frames(slot.lane, slot.partition, batch).await
        }
        None => Err(PublishError::Unavailable("no queue for the answers".to_owned())),
    };
    parts.held.dec_by(bytes as i64);
    parts.metrics.publish_seconds.observe(started.elapsed().as_secs_f64());
    if let Err(error) = published {
        parts.metrics.publish_failures.inc();
        tracing::debug!(%error, senders = senders.len(), "senders are told to come again");
        let stored = match error {
            PublishError::Unknown(_) => Stored::Unknown,
            PublishError::Refused | PublishError::Unroutable | PublishError::Unavailable(_) => {
                Stored::No
            }
        };
        for (number, client_id) in senders {
            match parts.registry.get(number) {
                Some(connection) => {
                    connection.outbox.fail(Failed::Publish { client_id, stored });
                }
                None => parts.requests.fail(number, stored),
            }
        }
    }
    slot
}

impl From<Frame> for Weighed {
    /// One whose length no client chooses but for what it says.
    fn from(frame: Frame) -> Self {
        let said = frame.body.as_ref().map_or(0, Body::encoded_len);
        Self { bytes: LEAST_BYTES + said, frame }
    }
}

/// Who waits for an answer to a frame, and under which client id.
fn sender(frame: &Frame) -> Option<(u64, Bytes)> {
    let connection = frame.origin.as_ref()?.connection;
    (!frame.client_id.is_empty()).then(|| (connection, frame.client_id.clone()))
}
