//! The message bus: a port and its two adapters, RabbitMQ and in-process.
//!
//! Frames go up, from gateways to the services, through a fixed number of partitions per lane.
//! Pushes go down, from the services to the queue of the gateway that owns a socket.
//! The bus knows no user, conversation or rule: it moves batches and says what became of them.
//!
//! # Guarantees (held by the contract suite against every adapter)
//! 1. Batches of one partition reach its consumer in the order of their confirmed publishes by one
//!    publisher.
//! 2. A partition has at most one active consumer at a time among those that are alive; another
//!    takes over when it drops or dies. (A frozen one may wake up: safety sits in the database.)
//! 3. What was not acknowledged is delivered again, in order, marked `redelivered`, ahead of what
//!    was published later.
//! 4. `publish_*` returns `Ok` only when the bus has taken the batch and routed it to a queue.
//! 5. A push to a gateway epoch that has no queue is `Unroutable`.
//! 6. A full queue of a partition or of usual pushes refuses (`Refused`); nothing is dropped silently there. For bulk and
//!    urgent queues see 12 and 16.
//! 7. When a publish may or may not have been taken, the error is `Unknown`.
//! 8. A consumer prefetches a bounded number of batches.
//! 9. Every call may be dropped. A dropped publish has an unknown outcome and harms no other; a
//!    dropped `next` takes nothing.
//! 10. A body that is no batch is delivered as `Malformed`, in its place, and harms no other.
//! 11. An acknowledgement may come twice, late or from any task; it never acknowledges more than
//!     was delivered.
//! 12. A broadcast is put into every bulk queue there is, or is `Unroutable` when there is none. A full
//!     bulk queue drops its oldest: it holds up no publisher, and never what is in other queues.
//! 13. `depths` says how many batches wait in partitions: those that no consumer has taken, or that were given back. It
//!     takes nothing and makes nothing, and an error of it harms no other call.
//! 14. A nudge wakes all listeners, or is lost; several that were not taken yet count as one. Nothing may depend on it
//!     but how soon a listener looks.
//! 15. Events reach every queue that is bound to their key, in the order of their confirmed publishes by one publisher, or
//!     are `Unroutable` when there is none; a durable queue keeps them when the broker restarts.
//! 16. An urgent push waits behind no other push and no broadcast, and none behind it: it has a queue of its own. One for
//!     a gateway epoch without such a queue, or for all where there is none, is `Unroutable`. A full urgent queue drops
//!     its oldest.
//! 17. A listener for events gets those of its types, in the order of their confirmed publishes by one publisher, as long as
//!     it keeps up: what waits for it is bounded, and the oldest is dropped.

#![cfg_attr(
    not(test),
    warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)
)]

pub mod error;
pub mod in_process;
pub mod moments;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
pub mod topology;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use prost::Message;
use proto::bus::{Broadcast, FrameBatch, PushBatch};
use proto::common::GatewayRef;
use proto::id::GatewayId;
use proto::partition::Partition;
use tokio::sync::watch;

pub use error::{ConsumeError, PublishError};

/// Which service a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Frames about conversations, partitioned by conversation.
    Chat,
    /// Frames about a user's own state, partitioned by user.
    Presence,
    /// How far users have received notices: one partition, 0.
    Notices,
}

impl Lane {
    /// As it stands in queue names and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Presence => "presence",
            Self::Notices => "notices",
        }
    }
}

/// Whether the bus can be reached now; for readiness, and for telling clients to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusState {
    /// Publishing and consuming work.
    Up,
    /// Not connected, or blocked by the broker; the text says why and where it looked.
    Down(String),
}

/// The port. See the module's numbered guarantees.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// How many partitions each lane has; the same in every process of an install.
    fn partitions(&self) -> Partition;

    /// Publishes frames to a partition and waits for the confirm.
    async fn publish_frames(
        &self,
        lane: Lane,
        partition: Partition,
        batch: FrameBatch,
    ) -> Result<(), PublishError>;

    /// Publishes pushes to one gateway epoch and waits for the confirm.
    async fn publish_pushes(
        &self,
        gateway: &GatewayRef,
        batch: PushBatch,
    ) -> Result<(), PublishError>;

    /// Joins the consumers of a partition. `prefetch` bounds the batches not yet acknowledged.
    async fn consume_frames(
        &self,
        lane: Lane,
        partition: Partition,
        prefetch: u16,
    ) -> Result<Box<dyn FrameConsumer>, ConsumeError>;

    /// How many batches wait in each of these partitions, in their order.
    async fn depths(&self, lane: Lane, partitions: &[Partition]) -> Result<Vec<u64>, ConsumeError>;

    /// Makes the queue of a gateway under a new epoch; dropping the consumer removes the queue.
    async fn consume_pushes(
        &self,
        gateway_id: &GatewayId,
        prefetch: u16,
    ) -> Result<Box<dyn PushConsumer>, ConsumeError>;

    /// Publishes pushes that go before all others: to one gateway epoch, or to all gateways. Waits for the confirm.
    async fn publish_urgent(
        &self,
        gateway: Option<&GatewayRef>,
        batch: PushBatch,
    ) -> Result<(), PublishError>;

    /// Makes the urgent queue of a gateway epoch, beside its other queue; dropping the consumer removes it.
    async fn consume_urgent(
        &self,
        gateway: &GatewayRef,
        prefetch: u16,
    ) -> Result<Box<dyn PushConsumer>, ConsumeError>;

    /// Publishes to the bulk queues of all gateways and waits for the confirm.
    async fn broadcast(&self, broadcast: Broadcast) -> Result<(), PublishError>;

    /// Makes a bulk queue for a gateway; dropping the consumer removes it.
    async fn consume_broadcasts(
        &self,
        gateway_id: &GatewayId,
        prefetch: u16,
    ) -> Result<Box<dyn BroadcastConsumer>, ConsumeError>;

    /// Publishes events for integrators of the install, and waits for the confirm.
    async fn publish_events(&self, events: Events) -> Result<(), PublishError>;

    /// Listens for events of these types, in full, of all tenants; dropping the consumer ends it.
    async fn consume_events(&self, types: &[&str]) -> Result<Box<dyn EventConsumer>, ConsumeError>;

    /// Wakes all tasks that listen for nudges, in any process.
    async fn nudge(&self) -> Result<(), PublishError>;

    /// Listens for nudges; dropping the consumer ends it.
    async fn consume_nudges(&self) -> Result<Box<dyn NudgeConsumer>, ConsumeError>;

    /// The state of the bus and its changes.
    fn state(&self) -> watch::Receiver<BusState>;

    /// Closes connections after what is under way; later calls fail.
    async fn close(&self);
}

/// Events as they are published: one, or several of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// By which readers choose: words parted by dots.
    pub key: String,
    /// What the body is.
    pub content_type: &'static str,
    /// What is said of the body beside it, by name.
    pub attributes: Vec<(&'static str, String)>,
    /// The events.
    pub body: Bytes,
}

/// One batch of frames from a partition.
#[derive(Debug)]
pub struct FrameDelivery {
    /// The frames; none when the body was no batch.
    pub batch: FrameBatch,
    /// What the batch was made from, for a service that has to put a frame aside.
    pub original: Original,
    /// It was delivered before, here or elsewhere, and not acknowledged.
    pub redelivered: bool,
    /// Hand it to [`FrameConsumer::acker`]'s `ack_through`. Increases within a consumer.
    pub tag: u64,
}

/// What a batch was made from. Keeping it costs a reference count.
#[derive(Debug, Clone)]
pub enum Original {
    /// The encoded batch, as the broker gave it.
    Encoded(Bytes),
    /// The batch itself.
    Batch(Arc<FrameBatch>),
    /// A body that is no batch. No build of ours has written it; it still has to be acknowledged.
    Malformed {
        /// The body.
        body: Bytes,
        /// What is wrong with it.
        reason: String,
    },
}

impl Original {
    /// The batch once more; empty for what was none.
    pub fn batch(&self) -> FrameBatch {
        match self {
            Self::Encoded(body) => FrameBatch::decode(body.clone()).unwrap_or_default(),
            Self::Batch(batch) => FrameBatch::clone(batch),
            Self::Malformed { .. } => FrameBatch::default(),
        }
    }
}

/// The active or waiting consumer of a partition. Dropping it gives back, in order, what was not
/// acknowledged, and lets another consumer take over.
#[async_trait]
pub trait FrameConsumer: Send {
    /// The next batch; `None` when the consumer has ended (bus lost, queue gone): join again.
    /// Cancel safe.
    async fn next(&mut self) -> Option<FrameDelivery>;

    /// Acknowledges from another task while `next` is awaited.
    fn acker(&self) -> Box<dyn FrameAcker>;
}

/// Acknowledges batches of one consumer.
#[async_trait]
pub trait FrameAcker: Send + Sync {
    /// Acknowledges this batch and all before it. Does nothing when the consumer has ended: the
    /// batches come again.
    async fn ack_through(&self, tag: u64);
}

/// The pushes for one gateway, in the order of their publishes by one publisher.
#[async_trait]
pub trait PushConsumer: Send {
    /// The incarnation that pushes are to be addressed to.
    fn gateway(&self) -> GatewayRef;

    /// The next batch, acknowledged as it is taken; `None` when the queue is gone: make it anew
    /// under another epoch. Cancel safe.
    async fn next(&mut self) -> Option<PushBatch>;
}

/// Nudges: something has happened that is worth a look.
#[async_trait]
pub trait NudgeConsumer: Send {
    /// Waits for a nudge; `None` when there will be no more: listen anew. Cancel safe.
    async fn next(&mut self) -> Option<()>;
}

/// Events, in the order of their publishes by one publisher.
#[async_trait]
pub trait EventConsumer: Send {
    /// The body of the next message, one event or a JSON array of some; `None` when there will be no more: listen anew.
    /// Cancel safe.
    async fn next(&mut self) -> Option<Bytes>;

    /// How many messages were lost since this was asked last, because the consumer was behind; 0 where the bus cannot tell.
    fn take_lost(&mut self) -> u64 {
        0
    }
}

/// Broadcasts, in the order of their publishes by one publisher.
#[async_trait]
pub trait BroadcastConsumer: Send {
    /// The next broadcast, acknowledged as it is taken; `None` when the queue is gone: make it anew.
    /// Cancel safe.
    async fn next(&mut self) -> Option<Broadcast>;
}
