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
//! 9. A publish is a task of its own, so its confirm is awaited even when its caller is gone.
//! 10. What cannot be decoded is handed over as `Malformed` and acknowledged like the rest.
//! 11. What is acknowledged on a channel only grows, so nothing is acknowledged twice.
//! 12. A fanout exchange, and bulk queues bounded with `drop-head`.
//! 13. Passive declarations on a channel of their own: a queue that is not there costs that channel alone.
//! 14. A fanout exchange, and a queue of one message for each listener.
//! 15. A topic exchange, with `mandatory`; messages are persistent.
//! 16. A queue of its own, bound to a fanout exchange and by its name, bounded with `drop-head`.
//!
//! A channel carries one publish at a time also because the library hands a returned message to
//! whichever confirm completes next: with one outstanding there is no other.
//!
//! Messages between services are transient: what clients were promised is in the database, not here.

mod acknowledge;
mod config;
mod connection;
mod consumer;
mod declare;
mod depths;
mod publisher;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prost::Message;
use proto::bus::{Broadcast, FrameBatch, PushBatch};
use proto::common::GatewayRef;
use proto::id::GatewayId;
use proto::partition::Partition;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::topology::Topology;
use crate::{
    BroadcastConsumer, Bus, BusState, ConsumeError, EventConsumer, Events, FrameConsumer, Lane,
    NudgeConsumer, PublishError, PushConsumer,
};

pub use config::{QueueType, RabbitConfig, check_tls_url, check_url};
use connection::{Link, Phase, Supervisor};
use consumer::Parts;
use publisher::Message as Outgoing;

/// Messages that a listener for events takes ahead.
const EVENTS_AHEAD: u16 = 32;

/// What a connection is opened with.
#[derive(Debug, Clone)]
pub struct Place {
    /// The address, with its password.
    pub url: String,
    /// The authorities that the broker's certificate must be by, as PEM; none: those of the system.
    pub authorities: Option<String>,
}

/// The bus over RabbitMQ.
#[derive(Debug)]
pub struct RabbitBus {
    config: Arc<RabbitConfig>,
    topology: Topology,
    phase: watch::Receiver<Phase>,
    state: watch::Receiver<BusState>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl RabbitBus {
    /// Begins to connect, and keeps connecting; returns at once.
    pub fn start(config: RabbitConfig) -> Self {
        let place = Place { url: config.url.clone(), authorities: None };
        Self::start_at(config, move || place.clone())
    }

    /// The same with a place that may change: `place` is called before each connection is opened.
    pub fn start_at(
        config: RabbitConfig,
        place: impl Fn() -> Place + Send + Sync + 'static,
    ) -> Self {
        let config = Arc::new(config);
        let topology = Topology::new(&config.prefix);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (supervisor, phase, state) = Supervisor::new(
            Arc::clone(&config),
            Box::new(place),
            topology.clone(),
            stop.clone(),
            tasks.clone(),
        );
        tasks.spawn(supervisor.run());
        Self { config, topology, phase, state, stop, tasks }
    }

    /// For publishing.
    fn link(&self) -> Result<Arc<Link>, PublishError> {
        match (self.phase.borrow().clone(), &*self.state.borrow()) {
            (Phase::Linked(link), BusState::Up) => Ok(link),
            (_, BusState::Up) => Err(PublishError::Unavailable("not connected".to_owned())),
            (_, BusState::Down(reason)) => Err(PublishError::Unavailable(reason.clone())),
        }
    }

    /// For consuming: a connection that is blocked for publishers still delivers.
    fn consumer(&self, prefetch: u16) -> Result<Parts<'_>, ConsumeError> {
        let link = match (self.phase.borrow().clone(), &*self.state.borrow()) {
            (Phase::Linked(link), _) => link,
            (Phase::Mismatch(text), _) => return Err(ConsumeError::Topology(text)),
            (Phase::Without, BusState::Up) => {
                return Err(ConsumeError::Unavailable("not connected".to_owned()));
            }
            (Phase::Without, BusState::Down(reason)) => {
                return Err(ConsumeError::Unavailable(reason.clone()));
            }
        };
        let (config, topology, tasks) = (&self.config, &self.topology, self.tasks.clone());
        Ok(Parts { link, config, topology, prefetch, tasks })
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
        let link = self.link()?;
        let frames = &batch.frames;
        let message = Outgoing {
            exchange: self.topology.frames_exchange(),
            key: self.topology.frame_queue(lane, partition),
            traceparent: first_sampled(frames.iter().map(|frame| &frame.traceparent)),
            body: batch.encode_to_vec(),
            ..Outgoing::default()
        };
        link.publishers.publish(message).await
    }

    async fn publish_pushes(
        &self,
        gateway: &GatewayRef,
        batch: PushBatch,
    ) -> Result<(), PublishError> {
        let link = self.link()?;
        let pushes = &batch.pushes;
        let message = Outgoing {
            exchange: self.topology.push_exchange(),
            key: self.topology.push_queue(gateway),
            traceparent: first_sampled(pushes.iter().map(|push| &push.traceparent)),
            body: batch.encode_to_vec(),
            ..Outgoing::default()
        };
        link.publishers.publish(message).await
    }

    async fn consume_frames(
        &self,
        lane: Lane,
        partition: Partition,
        prefetch: u16,
    ) -> Result<Box<dyn FrameConsumer>, ConsumeError> {
        if partition >= self.config.partitions {
            return Err(ConsumeError::no_partition(partition, self.config.partitions));
        }
        let parts = self.consumer(prefetch)?;
        Ok(Box::new(consumer::partition(parts, lane, partition).await?))
    }

    async fn depths(&self, lane: Lane, partitions: &[Partition]) -> Result<Vec<u64>, ConsumeError> {
        if let Some(beyond) = partitions.iter().find(|it| **it >= self.config.partitions) {
            return Err(ConsumeError::no_partition(*beyond, self.config.partitions));
        }
        // The prefetch is of no matter: nothing is consumed.
        let Parts { link, config, topology, .. } = self.consumer(0)?;
        let queues = partitions.iter().map(|it| topology.frame_queue(lane, *it)).collect();
        depths::of(&link, queues, Duration::from_millis(config.connect_timeout_ms)).await
    }

    async fn consume_pushes(
        &self,
        gateway_id: &GatewayId,
        prefetch: u16,
    ) -> Result<Box<dyn PushConsumer>, ConsumeError> {
        let parts = self.consumer(prefetch)?;
        Ok(Box::new(consumer::gateway(parts, gateway_id).await?))
    }

    async fn publish_urgent(
        &self,
        gateway: Option<&GatewayRef>,
        batch: PushBatch,
    ) -> Result<(), PublishError> {
        let link = self.link()?;
        let pushes = &batch.pushes;
        let message = Outgoing {
            exchange: match gateway {
                Some(_) => self.topology.push_exchange(),
                None => self.topology.urgent_exchange(),
            },
            // A fanout exchange reads no key.
            key: gateway.map(|gateway| self.topology.urgent_queue(gateway)).unwrap_or_default(),
            traceparent: first_sampled(pushes.iter().map(|push| &push.traceparent)),
            body: batch.encode_to_vec(),
            ..Outgoing::default()
        };
        link.publishers.publish(message).await
    }

    async fn consume_urgent(
        &self,
        gateway: &GatewayRef,
        prefetch: u16,
    ) -> Result<Box<dyn PushConsumer>, ConsumeError> {
        let parts = self.consumer(prefetch)?;
        Ok(Box::new(consumer::urgent(parts, gateway.clone()).await?))
    }

    async fn broadcast(&self, broadcast: Broadcast) -> Result<(), PublishError> {
        let link = self.link()?;
        let message = Outgoing {
            exchange: self.topology.broadcast_exchange(),
            // A fanout exchange reads no key.
            key: String::new(),
            traceparent: first_sampled([&broadcast.traceparent].into_iter()),
            body: broadcast.encode_to_vec(),
            ..Outgoing::default()
        };
        link.publishers.publish(message).await
    }

    async fn consume_broadcasts(
        &self,
        gateway_id: &GatewayId,
        prefetch: u16,
    ) -> Result<Box<dyn BroadcastConsumer>, ConsumeError> {
        let parts = self.consumer(prefetch)?;
        Ok(Box::new(consumer::bulk(parts, gateway_id).await?))
    }

    async fn publish_events(&self, events: Events) -> Result<(), PublishError> {
        let link = self.link()?;
        let message = Outgoing {
            exchange: self.topology.events_exchange(),
            key: events.key,
            traceparent: None,
            body: events.body.into(),
            content_type: Some(events.content_type),
            headers: events.attributes,
            is_persistent: true,
        };
        link.publishers.publish(message).await
    }

    async fn consume_events(&self, types: &[&str]) -> Result<Box<dyn EventConsumer>, ConsumeError> {
        Ok(Box::new(consumer::events(self.consumer(EVENTS_AHEAD)?, types).await?))
    }

    async fn nudge(&self) -> Result<(), PublishError> {
        let link = self.link()?;
        // A fanout exchange reads no key.
        let message = Outgoing { exchange: self.topology.nudge_exchange(), ..Outgoing::default() };
        match link.publishers.publish(message).await {
            // Nobody listens.
            Err(PublishError::Unroutable) => Ok(()),
            outcome => outcome,
        }
    }

    async fn consume_nudges(&self) -> Result<Box<dyn NudgeConsumer>, ConsumeError> {
        Ok(Box::new(consumer::nudges(self.consumer(1)?).await?))
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

/// The trace that the message as a whole belongs to.
fn first_sampled<'a>(mut traceparents: impl Iterator<Item = &'a String>) -> Option<String> {
    traceparents.find(|text| !text.is_empty()).cloned()
}
