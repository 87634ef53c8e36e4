//! Consuming: one channel for each partition and for the gateway's queue, prefetch always bounded.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use prost::Message;
use proto::bus::{Broadcast, FrameBatch, PushBatch};
use proto::common::GatewayRef;
use proto::id::GatewayId;
use proto::partition::Partition;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::acknowledge::Acknowledgements;
use super::config::RabbitConfig;
use super::connection::Link;
use super::declare::Declare;
use crate::in_process::fresh_epoch;
use crate::topology::Topology;
use crate::{
    BroadcastConsumer, ConsumeError, EventConsumer, FrameAcker, FrameConsumer, FrameDelivery, Lane,
    NudgeConsumer, Original, PushConsumer,
};

/// How long the broker may take to say that a consumer's channel is closed.
const GOODBYE: Duration = Duration::from_secs(2);

/// What a consumer is made with.
pub(super) struct Parts<'a> {
    pub(super) link: Arc<Link>,
    pub(super) config: &'a RabbitConfig,
    pub(super) topology: &'a Topology,
    pub(super) prefetch: u16,
    pub(super) tasks: TaskTracker,
}

impl Parts<'_> {
    async fn channel(&self) -> Result<Consuming, ConsumeError> {
        let channel = self.link.consuming.create_channel().await.map_err(unavailable)?;
        let acknowledgements = Arc::new(Acknowledgements::new(channel.clone()));
        let link = Arc::clone(&self.link);
        let held = Some(Held { channel, consumer: None, own_queue: None, _link: link });
        let (tasks, runtime) = (self.tasks.clone(), Handle::current());
        Ok(Consuming { held, acknowledgements, is_over: false, tasks, runtime })
    }

    fn declare<'c>(&'c self, channel: &'c Channel) -> Declare<'c> {
        Declare { channel, config: self.config, topology: self.topology }
    }
}

/// Joins the consumers of a partition's queue.
pub(super) async fn partition(
    parts: Parts<'_>,
    lane: Lane,
    partition: Partition,
) -> Result<PartitionConsumer, ConsumeError> {
    let queue = parts.topology.frame_queue(lane, partition);
    let mut consuming = parts.channel().await?;
    if let Some(held) = &mut consuming.held {
        parts.declare(&held.channel).partition(lane, partition).await?;
        held.consume(&queue, parts.prefetch).await.map_err(unavailable)?;
    }
    Ok(PartitionConsumer { consuming, queue })
}

/// Makes a gateway's queue under a new epoch and consumes it.
pub(super) async fn gateway(
    parts: Parts<'_>,
    gateway_id: &GatewayId,
) -> Result<GatewayConsumer, ConsumeError> {
    let gateway = GatewayRef { id: gateway_id.to_string(), epoch: fresh_epoch() };
    let queue = parts.topology.push_queue(&gateway);
    let mut consuming = parts.channel().await?;
    if let Some(held) = &mut consuming.held {
        // Before it is made: a caller that goes away now must not leave it behind.
        held.own_queue = Some(queue.clone());
        parts.declare(&held.channel).gateway(&queue).await?;
        held.consume(&queue, parts.prefetch).await.map_err(unavailable)?;
    }
    Ok(GatewayConsumer { gateway, queue, consuming })
}

/// Makes the urgent queue of a gateway epoch and consumes it.
pub(super) async fn urgent(
    parts: Parts<'_>,
    gateway: GatewayRef,
) -> Result<GatewayConsumer, ConsumeError> {
    let queue = parts.topology.urgent_queue(&gateway);
    let mut consuming = parts.channel().await?;
    if let Some(held) = &mut consuming.held {
        held.own_queue = Some(queue.clone());
        parts.declare(&held.channel).urgent(&queue).await?;
        held.consume(&queue, parts.prefetch).await.map_err(unavailable)?;
    }
    Ok(GatewayConsumer { gateway, queue, consuming })
}

/// Makes a bulk queue for a gateway and consumes it.
pub(super) async fn bulk(
    parts: Parts<'_>,
    gateway_id: &GatewayId,
) -> Result<BulkConsumer, ConsumeError> {
    // A name that was never there: the end of an earlier queue may still be under way.
    let fresh = GatewayRef { id: gateway_id.to_string(), epoch: fresh_epoch() };
    let queue = parts.topology.bulk_queue(&fresh);
    let mut consuming = parts.channel().await?;
    if let Some(held) = &mut consuming.held {
        held.own_queue = Some(queue.clone());
        parts.declare(&held.channel).bulk(&queue).await?;
        held.consume(&queue, parts.prefetch).await.map_err(unavailable)?;
    }
    Ok(BulkConsumer { queue, consuming })
}

/// Makes a queue for nudges and consumes it.
pub(super) async fn nudges(parts: Parts<'_>) -> Result<RabbitNudges, ConsumeError> {
    let queue = parts.topology.nudge_queue(fresh_epoch());
    let mut consuming = parts.channel().await?;
    if let Some(held) = &mut consuming.held {
        held.own_queue = Some(queue.clone());
        parts.declare(&held.channel).nudges(&queue).await?;
        held.consume(&queue, parts.prefetch).await.map_err(unavailable)?;
    }
    Ok(RabbitNudges { consuming })
}

/// Makes a queue for events of some types and consumes it.
pub(super) async fn events(parts: Parts<'_>, types: &[&str]) -> Result<RabbitEvents, ConsumeError> {
    let queue = parts.topology.event_queue(fresh_epoch());
    let mut consuming = parts.channel().await?;
    if let Some(held) = &mut consuming.held {
        held.own_queue = Some(queue.clone());
        parts.declare(&held.channel).events(&queue, types).await?;
        held.consume(&queue, parts.prefetch).await.map_err(unavailable)?;
    }
    Ok(RabbitEvents { consuming })
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn unavailable(error: lapin::Error) -> ConsumeError {
    ConsumeError::Unavailable(error.to_string())
}

/// A channel that is closed when dropped, so that what it holds goes back into its queue in order.
struct Consuming {
    /// Always there until `drop` takes it.
    held: Option<Held>,
    acknowledgements: Arc<Acknowledgements>,
    is_over: bool,
    tasks: TaskTracker,
    /// It may be dropped outside the runtime.
    runtime: Handle,
}

struct Held {
    channel: Channel,
    consumer: Option<lapin::Consumer>,
    /// A queue that must not outlive its consumer.
    own_queue: Option<String>,
    /// Keeps the connection, which the library closes when its last handle is gone.
    _link: Arc<Link>,
}

impl Drop for Consuming {
    fn drop(&mut self) {
        self.acknowledgements.end();
        if let Some(held) = self.held.take() {
            self.tasks.spawn_on(held.end(), &self.runtime);
        }
    }
}

impl Held {
    async fn consume(&mut self, queue: &str, prefetch: u16) -> Result<(), lapin::Error> {
        self.channel.basic_qos(prefetch.max(1), BasicQosOptions { global: false }).await?;
        let options =
            BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
        let consumer =
            self.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
        self.consumer = Some(consumer.await?);
        Ok(())
    }

    async fn end(self) {
        let goodbye = async {
            if let Some(queue) = self.own_queue {
                // The connection may live on; pushes must not be confirmed into a queue nobody reads.
                let _ =
                    self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await;
            }
            // Already closed when the connection is what broke.
            let _ = self.channel.close(200, "yielded".into()).await;
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        // Not before: the library cancels a consumer that is dropped, and a cancelled one lets the
        // next begin while this channel still holds earlier batches.
        drop(self.consumer);
    }
}

impl Consuming {
    /// The next delivery; once it was `None` it stays so. Does not wait after taking one.
    async fn next(&mut self) -> Option<Delivery> {
        if self.is_over {
            return None;
        }
        let next = match self.held.as_mut().and_then(|held| held.consumer.as_mut()) {
            Some(consumer) => consumer.next().await,
            None => None,
        };
        match next {
            Some(Ok(delivery)) => return Some(delivery),
            Some(Err(error)) => tracing::debug!(%error, "consumer ended"),
            None => {}
        }
        self.is_over = true;
        None
    }
}

pub(super) struct PartitionConsumer {
    consuming: Consuming,
    queue: String,
}

#[async_trait]
impl FrameConsumer for PartitionConsumer {
    async fn next(&mut self) -> Option<FrameDelivery> {
        let delivery = self.consuming.next().await?;
        let (tag, redelivered) = (delivery.delivery_tag, delivery.redelivered);
        self.consuming.acknowledgements.delivered(tag);
        let body = Bytes::from(delivery.data);
        let (batch, original) = match FrameBatch::decode(body.clone()) {
            Ok(batch) => (batch, Original::Encoded(body)),
            Err(error) => {
                tracing::error!(queue = self.queue, %error, "a body that is no batch");
                let reason = error.to_string();
                (FrameBatch::default(), Original::Malformed { body, reason })
            }
        };
        Some(FrameDelivery { batch, original, redelivered, tag })
    }

    fn acker(&self) -> Box<dyn FrameAcker> {
        Box::new(Acker(Arc::clone(&self.consuming.acknowledgements)))
    }
}

struct Acker(Arc<Acknowledgements>);

#[async_trait]
impl FrameAcker for Acker {
    async fn ack_through(&self, tag: u64) {
        self.0.through(tag).await;
    }
}

pub(super) struct GatewayConsumer {
    gateway: GatewayRef,
    queue: String,
    consuming: Consuming,
}

#[async_trait]
impl PushConsumer for GatewayConsumer {
    fn gateway(&self) -> GatewayRef {
        self.gateway.clone()
    }

    async fn next(&mut self) -> Option<PushBatch> {
        loop {
            let delivery = self.consuming.next().await?;
            self.consuming.acknowledgements.one(delivery.delivery_tag);
            match PushBatch::decode(Bytes::from(delivery.data)) {
                Ok(batch) => return Some(batch),
                Err(error) => {
                    tracing::error!(queue = self.queue, %error, "dropped a push that is not one");
                }
            }
        }
    }
}

pub(super) struct BulkConsumer {
    queue: String,
    consuming: Consuming,
}

#[async_trait]
impl BroadcastConsumer for BulkConsumer {
    async fn next(&mut self) -> Option<Broadcast> {
        loop {
            let delivery = self.consuming.next().await?;
            self.consuming.acknowledgements.one(delivery.delivery_tag);
            match Broadcast::decode(Bytes::from(delivery.data)) {
                Ok(broadcast) => return Some(broadcast),
                Err(error) => {
                    tracing::error!(queue = self.queue, %error, "dropped a broadcast that is not one");
                }
            }
        }
    }
}

pub(super) struct RabbitNudges {
    consuming: Consuming,
}

pub(super) struct RabbitEvents {
    consuming: Consuming,
}

#[async_trait]
impl EventConsumer for RabbitEvents {
    async fn next(&mut self) -> Option<Bytes> {
        let delivery = self.consuming.next().await?;
        self.consuming.acknowledgements.one(delivery.delivery_tag);
        Some(delivery.data.into())
    }
}

#[async_trait]
impl NudgeConsumer for RabbitNudges {
    async fn next(&mut self) -> Option<()> {
        let delivery = self.consuming.next().await?;
        self.consuming.acknowledgements.one(delivery.delivery_tag);
        Some(())
    }
}
