//! The bus over RabbitMQ, 3.10 to 4.x. How each guarantee of the port is met:
//!
//! 1. One publish awaits its confirm on a channel; a publisher that awaits one publish before the
//!    next has its batches in the queue in order.
//! 2. `x-single-active-consumer` on every partition queue.
//! 3. A dropped consumer closes its channel, never cancels or rejects: the broker puts the
//!    unacknowledged batches back in their places.
//! 4. Publisher confirms, with `mandatory`.
//! 5. A gateway's queue is exclusive and named by its epoch: it is gone with its connection.
//! 6. Queues are bounded with `reject-publish`, which is a negative confirm.
//! 7. A lost connection or a late confirm is `Unknown`.
//! 8. `basic.qos` on every consumer.
//!
//! A channel carries one publish at a time also because the library hands a returned message to
//! whichever confirm completes next: with one outstanding there is no other.
//!
//! Messages are transient: what clients were promised is in the database, not here.

mod config;
mod connection;
mod consumer;
mod declare;
mod publisher;

use std::sync::Arc;

use async_trait::async_trait;
use prost::Message;
use proto::bus::{FrameBatch, GatewayRef, PushBatch};
use proto::id::GatewayId;
use proto::partition::Partition;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::topology::Topology;
use crate::{Bus, BusState, ConsumeError, FrameConsumer, Lane, PublishError, PushConsumer};

pub use config::{QueueType, RabbitConfig};
use connection::{Link, Supervisor};

/// The bus over RabbitMQ.
#[derive(Debug)]
pub struct RabbitBus {
    config: Arc<RabbitConfig>,
    topology: Topology,
    link: watch::Receiver<Option<Arc<Link>>>,
    state: watch::Receiver<BusState>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl RabbitBus {
    /// Begins to connect, and keeps connecting; returns at once.
    pub fn start(config: RabbitConfig) -> Self {
        let config = Arc::new(config);
        let topology = Topology::new(&config.prefix);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (supervisor, link, state) =
            Supervisor::new(Arc::clone(&config), topology.clone(), stop.clone());
        tasks.spawn(supervisor.run());
        Self { config, topology, link, state, stop, tasks }
    }

    fn link(&self) -> Result<Arc<Link>, String> {
        let link = self.link.borrow().clone();
        match &*self.state.borrow() {
            BusState::Up => link.ok_or_else(|| "not connected".to_owned()),
            BusState::Down(reason) => Err(reason.clone()),
        }
    }

    /// For consuming: a connection that is blocked for publishers still delivers.
    fn consuming_link(&self) -> Result<Arc<Link>, ConsumeError> {
        let link = self.link.borrow().clone();
        link.ok_or_else(|| match &*self.state.borrow() {
            BusState::Up => ConsumeError::Unavailable("not connected".to_owned()),
            BusState::Down(reason) => ConsumeError::Unavailable(reason.clone()),
        })
    }
}

#[async_trait]
impl Bus for RabbitBus {
    fn partitions(&self) -> Partition {
        self.config.partitions
    }

    async fn publish_frames(
        &self,
        lane: Lane,
        partition: Partition,
        batch: FrameBatch,
    ) -> Result<(), PublishError> {
        let link = self.link().map_err(PublishError::Unavailable)?;
        let traceparent = batch
            .frames
            .iter()
            .map(|frame| frame.traceparent.as_str())
            .find(|text| !text.is_empty());
        let key = self.topology.frame_queue(lane, partition);
        link.publishers
            .publish(self.topology.frames_exchange(), key, traceparent, &batch.encode_to_vec())
            .await
    }

    async fn publish_pushes(
        &self,
        gateway: &GatewayRef,
        batch: PushBatch,
    ) -> Result<(), PublishError> {
        let link = self.link().map_err(PublishError::Unavailable)?;
        let traceparent =
            batch.pushes.iter().map(|push| push.traceparent.as_str()).find(|text| !text.is_empty());
        let key = self.topology.push_queue(gateway);
        link.publishers
            .publish(self.topology.push_exchange(), key, traceparent, &batch.encode_to_vec())
            .await
    }

    async fn consume_frames(
        &self,
        lane: Lane,
        partition: Partition,
        prefetch: u16,
    ) -> Result<Box<dyn FrameConsumer>, ConsumeError> {
        let link = self.consuming_link()?;
        let queue = self.topology.frame_queue(lane, partition);
        Ok(Box::new(consumer::partition(link, queue, prefetch, self.tasks.clone()).await?))
    }

    async fn consume_pushes(
        &self,
        gateway_id: &GatewayId,
        prefetch: u16,
    ) -> Result<Box<dyn PushConsumer>, ConsumeError> {
        let link = self.consuming_link()?;
        Ok(Box::new(
            consumer::gateway(
                link,
                &self.config,
                &self.topology,
                gateway_id,
                prefetch,
                self.tasks.clone(),
            )
            .await?,
        ))
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.state.clone()
    }

    async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
