//! Consuming: one channel for each partition and for the gateway's queue, prefetch always bounded.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, ErrorKind};
use prost::Message;
use proto::bus::{FrameBatch, GatewayRef, PushBatch};
use proto::id::GatewayId;
use tokio_util::task::TaskTracker;

use super::config::RabbitConfig;
use super::connection::Link;
use super::declare;
use crate::in_process::fresh_epoch;
use crate::topology::Topology;
use crate::{ConsumeError, FrameAcker, FrameConsumer, FrameDelivery, PushConsumer};

/// A channel that is closed when dropped, so that what it holds goes back into its queue in order.
struct Consuming {
    channel: Channel,
    consumer: lapin::Consumer,
    tasks: TaskTracker,
    /// A queue that must not outlive its consumer.
    own_queue: Option<String>,
    /// Keeps the connection, which the library closes when its last handle is gone.
    _link: Arc<Link>,
}

impl Drop for Consuming {
    fn drop(&mut self) {
        let (channel, own_queue) = (self.channel.clone(), self.own_queue.take());
        self.tasks.spawn(async move {
            if let Some(queue) = own_queue {
                // The connection may live on; pushes must not be confirmed into a queue nobody reads.
                let _ = channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await;
            }
            // Already closed when the connection is what broke.
            let _ = channel.close(200, "yielded".into()).await;
        });
    }
}

impl Consuming {
    async fn next(&mut self) -> Option<Delivery> {
        match self.consumer.next().await {
            Some(Ok(delivery)) => Some(delivery),
            Some(Err(error)) => {
                tracing::debug!(%error, "consumer ended");
                None
            }
            None => None,
        }
    }
}

async fn consume(
    link: Arc<Link>,
    channel: Channel,
    queue: &str,
    prefetch: u16,
    tasks: TaskTracker,
) -> Result<Consuming, lapin::Error> {
    channel.basic_qos(prefetch.max(1), BasicQosOptions { global: false }).await?;
    let options =
        BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
    let consumer =
        channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
    Ok(Consuming { channel, consumer, tasks, own_queue: None, _link: link })
}

/// Joins the consumers of a partition's queue.
pub(super) async fn partition(
    link: Arc<Link>,
    queue: String,
    prefetch: u16,
    tasks: TaskTracker,
) -> Result<PartitionConsumer, ConsumeError> {
    let channel = link.consuming.create_channel().await.map_err(consume_error)?;
    let consuming = consume(link, channel, &queue, prefetch, tasks).await.map_err(consume_error)?;
    Ok(PartitionConsumer { consuming, queue })
}

pub(super) struct PartitionConsumer {
    consuming: Consuming,
    queue: String,
}

#[async_trait]
impl FrameConsumer for PartitionConsumer {
    async fn next(&mut self) -> Option<FrameDelivery> {
        loop {
            let delivery = self.consuming.next().await?;
            match FrameBatch::decode(Bytes::from(delivery.data)) {
                Ok(batch) => {
                    return Some(FrameDelivery {
                        batch,
                        redelivered: delivery.redelivered,
                        tag: delivery.delivery_tag,
                    });
                }
                Err(error) => {
                    // Would come back for ever: no build of ours can have written it.
                    tracing::error!(queue = self.queue, %error, "dropped a batch that is not one");
                    let _ = delivery.acker.ack(BasicAckOptions { multiple: false }).await;
                }
            }
        }
    }

    fn acker(&self) -> Box<dyn FrameAcker> {
        Box::new(Acker(self.consuming.channel.clone()))
    }
}

struct Acker(Channel);

#[async_trait]
impl FrameAcker for Acker {
    async fn ack_through(&self, tag: u64) {
        if let Err(error) = self.0.basic_ack(tag, BasicAckOptions { multiple: true }).await {
            tracing::debug!(%error, "not acknowledged; the batches come again");
        }
    }
}

/// Makes a gateway's queue under a new epoch and consumes it.
pub(super) async fn gateway(
    link: Arc<Link>,
    config: &RabbitConfig,
    topology: &Topology,
    gateway_id: &GatewayId,
    prefetch: u16,
    tasks: TaskTracker,
) -> Result<GatewayConsumer, ConsumeError> {
    let gateway = GatewayRef { id: gateway_id.to_string(), epoch: fresh_epoch() };
    let queue = topology.push_queue(&gateway);
    let channel = link.consuming.create_channel().await.map_err(consume_error)?;
    declare::gateway(&channel, config, topology, &queue).await.map_err(consume_error)?;
    let mut consuming =
        consume(link, channel, &queue, prefetch, tasks).await.map_err(consume_error)?;
    consuming.own_queue = Some(queue.clone());
    Ok(GatewayConsumer { gateway, queue, consuming })
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
            let _ = delivery.acker.ack(BasicAckOptions { multiple: false }).await;
            match PushBatch::decode(Bytes::from(delivery.data)) {
                Ok(batch) => return Some(batch),
                Err(error) => {
                    tracing::error!(queue = self.queue, %error, "dropped a push that is not one");
                }
            }
        }
    }
}

/// 404 and 406 are about the topology, anything else about the connection.
#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn consume_error(error: lapin::Error) -> ConsumeError {
    match error.kind() {
        ErrorKind::ProtocolError(amqp) if [404, 406].contains(&amqp.get_id()) => {
            ConsumeError::Topology(format!(
                "{error}; delete the queue, or configure the prefix and the queue type it was made with"
            ))
        }
        _ => ConsumeError::Unavailable(error.to_string()),
    }
}
