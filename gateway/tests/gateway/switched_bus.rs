//! The in-process bus with a switch: it can be away, or take what it is given and not say so.

use std::sync::Arc;

use async_trait::async_trait;
use bus::in_process::{InProcessBus, InProcessConfig};
use bus::{
    BroadcastConsumer, Bus, BusState, ConsumeError, EventConsumer, Events, FrameConsumer, Lane,
    NudgeConsumer, PublishError, PushConsumer,
};
use proto::bus::{Broadcast, FrameBatch, PushBatch};
use proto::common::GatewayRef;
use proto::id::GatewayId;
use proto::partition::Partition;
use tokio::sync::watch;

/// What the bus does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    Works,
    /// Nothing; consumers have ended.
    Away,
    /// Takes frames and loses the confirm.
    LosesConfirms,
    /// Takes no frame and does not say so either.
    Stuck,
}

/// A bus that a test switches.
pub struct SwitchedBus {
    inner: Arc<InProcessBus>,
    mode: watch::Sender<Mode>,
    state: watch::Sender<BusState>,
}

const AWAY: &str = "switched off";

impl SwitchedBus {
    /// One partition in each lane, so that a test sees every frame in its order.
    pub fn new() -> Self {
        let config = InProcessConfig { partitions: 1, ..InProcessConfig::default() };
        Self {
            inner: Arc::new(InProcessBus::new(config)),
            mode: watch::Sender::new(Mode::Works),
            state: watch::Sender::new(BusState::Up),
        }
    }

    pub fn switch(&self, mode: Mode) {
        self.mode.send_replace(mode);
        self.state.send_replace(match mode {
            Mode::Away => BusState::Down(AWAY.to_owned()),
            Mode::Works | Mode::LosesConfirms | Mode::Stuck => BusState::Up,
        });
    }

    fn mode(&self) -> Mode {
        *self.mode.borrow()
    }
}

#[async_trait]
impl Bus for SwitchedBus {
    fn partitions(&self) -> Partition {
        self.inner.partitions()
    }

    async fn publish_frames(
        &self,
        lane: Lane,
        partition: Partition,
        batch: FrameBatch,
    ) -> Result<(), PublishError> {
        let mut mode = self.mode.subscribe();
        let _ = mode.wait_for(|mode| *mode != Mode::Stuck).await;
        match self.mode() {
            Mode::Away => Err(PublishError::Unavailable(AWAY.to_owned())),
            Mode::LosesConfirms => Err(PublishError::Unknown("no confirm".to_owned())),
            Mode::Works | Mode::Stuck => self.inner.publish_frames(lane, partition, batch).await,
        }
    }

    async fn publish_pushes(
        &self,
        gateway: &GatewayRef,
        batch: PushBatch,
    ) -> Result<(), PublishError> {
        self.inner.publish_pushes(gateway, batch).await
    }

    async fn consume_frames(
        &self,
        lane: Lane,
        partition: Partition,
        prefetch: u16,
    ) -> Result<Box<dyn FrameConsumer>, ConsumeError> {
        self.inner.consume_frames(lane, partition, prefetch).await
    }

    async fn depths(&self, lane: Lane, partitions: &[Partition]) -> Result<Vec<u64>, ConsumeError> {
        self.inner.depths(lane, partitions).await
    }

    async fn consume_pushes(
        &self,
        gateway_id: &GatewayId,
        prefetch: u16,
    ) -> Result<Box<dyn PushConsumer>, ConsumeError> {
        if self.mode() == Mode::Away {
            return Err(ConsumeError::Unavailable(AWAY.to_owned()));
        }
        let inner = self.inner.consume_pushes(gateway_id, prefetch).await?;
        Ok(Box::new(SwitchedPushes { inner, mode: self.mode.subscribe() }))
    }

    async fn publish_urgent(
        &self,
        gateway: Option<&GatewayRef>,
        batch: PushBatch,
    ) -> Result<(), PublishError> {
        self.inner.publish_urgent(gateway, batch).await
    }

    async fn consume_urgent(
        &self,
        gateway: &GatewayRef,
        prefetch: u16,
    ) -> Result<Box<dyn PushConsumer>, ConsumeError> {
        self.inner.consume_urgent(gateway, prefetch).await
    }

    async fn broadcast(&self, broadcast: Broadcast) -> Result<(), PublishError> {
        match self.mode() {
            Mode::Away => Err(PublishError::Unavailable(AWAY.to_owned())),
            _ => self.inner.broadcast(broadcast).await,
        }
    }

    async fn consume_broadcasts(
        &self,
        gateway_id: &GatewayId,
        prefetch: u16,
    ) -> Result<Box<dyn BroadcastConsumer>, ConsumeError> {
        self.inner.consume_broadcasts(gateway_id, prefetch).await
    }

    async fn publish_events(&self, events: Events) -> Result<(), PublishError> {
        self.inner.publish_events(events).await
    }

    async fn consume_events(&self, types: &[&str]) -> Result<Box<dyn EventConsumer>, ConsumeError> {
        self.inner.consume_events(types).await
    }

    async fn nudge(&self) -> Result<(), PublishError> {
        self.inner.nudge().await
    }

    async fn consume_nudges(&self) -> Result<Box<dyn NudgeConsumer>, ConsumeError> {
        self.inner.consume_nudges().await
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.state.subscribe()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

struct SwitchedPushes {
    inner: Box<dyn PushConsumer>,
    mode: watch::Receiver<Mode>,
}

#[async_trait]
impl PushConsumer for SwitchedPushes {
    fn gateway(&self) -> GatewayRef {
        self.inner.gateway()
    }

    async fn next(&mut self) -> Option<PushBatch> {
        tokio::select! {
            batch = self.inner.next() => batch,
            _ = self.mode.wait_for(|mode| *mode == Mode::Away) => None,
        }
    }
}
