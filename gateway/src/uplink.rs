//! Frames up to the services. A bounded number of publishes awaits its confirm, at most one for each
//! partition; what arrives meanwhile is the next batch. A lone frame leaves at once, if anybody waits for it.

mod waiting;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::{Bus, Lane, PublishError};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use prometheus_client::metrics::gauge::Gauge;
use proto::bus::{Frame, FrameBatch, GatewayRef, frame::Body};
use proto::error_code::Stored;
use proto::id::{ConversationId, UserId};
use proto::partition::{Partition, of_conversation, of_user};
use tokio::sync::{mpsc, watch};

use crate::config::LimitsConfig;
use crate::metrics::GatewayMetrics;
use crate::outbox::Failed;
use crate::registry::Registry;
use crate::shared::unix_ms;
use waiting::Waiting;

/// The entrance.
#[derive(Debug, Clone)]
pub struct Uplink {
    sender: mpsc::Sender<(Slot, Frame)>,
    partitions: Partition,
    /// Bytes of what waits for the bus or its confirm.
    held: Gauge,
    most_bytes: usize,
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

    /// Bytes of what waits.
    pub(crate) fn held(&self) -> Gauge {
        self.held.clone()
    }

    /// Hands a frame about a conversation on.
    pub fn chat(&self, conversation_id: ConversationId, frame: Frame) -> Result<(), UplinkFull> {
        self.submit(
            Slot { lane: Lane::Chat, partition: of_conversation(conversation_id, self.partitions) },
            frame,
        )
    }

    /// Hands a user's profile on.
    pub fn profile(&self, user_id: &UserId, frame: Frame) -> Result<(), UplinkFull> {
        self.submit(Slot { lane: Lane::Chat, partition: of_user(user_id, self.partitions) }, frame)
    }

    /// Hands a frame about a user's own state on.
    pub fn presence(&self, user_id: &UserId, frame: Frame) -> Result<(), UplinkFull> {
        self.submit(
            Slot { lane: Lane::Presence, partition: of_user(user_id, self.partitions) },
            frame,
        )
    }

    fn submit(&self, slot: Slot, frame: Frame) -> Result<(), UplinkFull> {
        let bytes = weight(&frame) as i64;
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
pub(crate) struct UplinkFrames(mpsc::Receiver<(Slot, Frame)>);

/// What the uplink works with.
pub(crate) struct UplinkParts {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) gateway: watch::Receiver<Option<GatewayRef>>,
    pub(crate) limits: LimitsConfig,
    /// Bytes of what waits, to be given back.
    pub(crate) held: Gauge,
    pub(crate) metrics: GatewayMetrics,
}

/// Publishes until the entrance is gone and everything is out.
pub(crate) async fn run(parts: UplinkParts, mut frames: UplinkFrames) {
    let mut waiting = Waiting::new(parts.bus.partitions(), &parts.limits);
    let most = parts.limits.uplink_frames;
    let mut publishing = FuturesUnordered::new();
    // One for all rounds: it is moved when another moment is due.
    let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
    let mut is_open = true;
    while is_open || waiting.held() > 0 || !publishing.is_empty() {
        let due = waiting.due().map(tokio::time::Instant::from_std);
        if let Some(due) = due.filter(|due| *due != alarm.deadline()) {
            alarm.as_mut().reset(due);
        }
        tokio::select! {
            received = frames.0.recv(), if is_open && waiting.held() < most => {
                let (mut next, now) = (received, Instant::now());
                is_open = next.is_some();
                while let Some((slot, frame)) = next {
                    waiting.add(slot, frame, now);
                    next = if waiting.held() < most { frames.0.try_recv().ok() } else { None };
                }
            }
            Some(slot) = publishing.next() => waiting.published(slot, Instant::now()),
            () = &mut alarm, if due.is_some() => waiting.hurry(),
        }
        if !is_open {
            waiting.hurry();
        }
        while publishing.len() < parts.limits.uplink_window.max(1) {
            let Some((slot, batch, oldest)) = waiting.next() else { break };
            publishing.push(publish(&parts, slot, batch, oldest));
        }
    }
}

/// Publishes one batch and tells its senders when that fails.
async fn publish(parts: &UplinkParts, slot: Slot, frames: Vec<Frame>, oldest: Instant) -> Slot {
    let senders: Vec<(u64, Bytes)> = frames.iter().filter_map(sender).collect();
    let bytes: usize = frames.iter().map(weight).sum();
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
            if let Some(connection) = parts.registry.get(number) {
                connection.outbox.fail(Failed::Publish { client_id, stored });
            }
        }
    }
    slot
}

/// What a frame takes, nearly.
fn weight(frame: &Frame) -> usize {
    /// Beside what a client may choose the length of.
    const LEAST_BYTES: usize = 512;
    /// A user, and what its id is kept in.
    const USER_BYTES: usize = 64;
    let said = match &frame.body {
        Some(Body::Send(send)) => {
            send.kind.len()
                + send.content.len()
                + send.extra.len()
                + send.mentions.len() * USER_BYTES
        }
        Some(Body::Signal(signal)) => signal.data.len(),
        Some(Body::CreateConversation(create)) => create.member_ids.len() * USER_BYTES,
        Some(Body::AddMembers(add)) => add.user_ids.len() * USER_BYTES,
        _ => 0,
    };
    LEAST_BYTES + said
}

/// Who waits for an answer to a frame, and under which client id.
fn sender(frame: &Frame) -> Option<(u64, Bytes)> {
    let client_id = match frame.body.as_ref()? {
        Body::Send(body) => &body.client_id,
        Body::CreateConversation(body) => &body.client_id,
        Body::AddMembers(body) => &body.client_id,
        Body::RemoveMember(body) => &body.client_id,
        Body::SetRole(body) => &body.client_id,
        Body::Rename(body) => &body.client_id,
        Body::AdvanceCursor(_)
        | Body::Typing(_)
        | Body::Profile(_)
        | Body::Signal(_)
        | Body::AskPushed(_)
        | Body::SetStatus(_) => return None,
    };
    Some((frame.origin.as_ref()?.connection, client_id.clone()))
}
