//! What goes before everything else: urgent notices and call signals, over a queue of their own beside that of the gateway's
//! incarnation, so that they wait behind no other push and no broadcast.
//!
//! Must not take what has to keep an order with other pushes: entries of conversations and answers have another queue.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, PushConsumer};
use platform::backoff::Backoff;
use platform::shutdown::Shutdown;
use proto::bus::{Broadcast, FramePush, push::Body};
use proto::common::GatewayRef;
use proto::id::TenantId;
use tokio::sync::watch;

use super::broadcast::{Forms, RecentIds};
use super::notices::NoticeHeads;
use super::relief::Relief;
use crate::connections::Registry;
use crate::connections::outbox::OutboxLimits;
use crate::limits::LimitsConfig;
use crate::metrics::GatewayMetrics;
use crate::net::frame::{About, Class, Frame};

/// Batches taken from the bus and not handed out yet.
const PREFETCH: u16 = 64;

pub(crate) struct UrgentPushes {
    pub(crate) bus: Arc<dyn Bus>,
    /// The incarnation whose queue it stands beside.
    pub(crate) gateway: watch::Receiver<Option<GatewayRef>>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) limits: Arc<LimitsConfig>,
    pub(crate) relief: Arc<Relief>,
    pub(crate) notices: Arc<NoticeHeads>,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) shutdown: Shutdown,
}

impl UrgentPushes {
    /// Hands out until the end.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        let mut known = RecentIds::new(self.limits.broadcast_ids);
        loop {
            let incarnation = tokio::select! {
                found = self.gateway.wait_for(Option::is_some) => found.ok().and_then(|it| it.clone()),
                () = self.shutdown.forced() => return,
            };
            let Some(incarnation) = incarnation else { return };
            match self.bus.consume_urgent(&incarnation, PREFETCH).await {
                Ok(consumer) => {
                    backoff.reset();
                    if self.consume(consumer, &incarnation, &mut known).await {
                        return;
                    }
                }
                Err(error) => tracing::debug!(%error, "no queue for urgent pushes yet"),
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = self.shutdown.forced() => return,
            }
        }
    }

    /// True when the process ends.
    async fn consume(
        &mut self,
        mut consumer: Box<dyn PushConsumer>,
        incarnation: &GatewayRef,
        known: &mut RecentIds,
    ) -> bool {
        loop {
            let mut gateway = self.gateway.clone();
            let batch = tokio::select! {
                biased;
                () = self.shutdown.forced() => return true,
                // Another incarnation has another queue.
                _ = gateway.wait_for(|now| now.as_ref() != Some(incarnation)) => return false,
                batch = consumer.next() => batch,
            };
            let Some(batch) = batch else { return false };
            for push in batch.pushes {
                let traceparent = push.traceparent;
                match push.body {
                    Some(Body::Frame(push)) => self.frame(&push, traceparent),
                    Some(Body::Urgent(notice)) => self.notice(&notice, known).await,
                    // Of a later build.
                    _ => {}
                }
            }
        }
    }

    fn frame(&self, push: &FramePush, traceparent: String) {
        let limits = OutboxLimits::from(&*self.limits);
        let about = About { traceparent, ..About::class(push.class().into()) };
        let frame = Frame::within(self.limits.frame_bytes, &push.frame, about);
        for connection in push.connections.iter().filter_map(|number| self.registry.get(*number)) {
            self.metrics.dropped(connection.outbox.push(frame.clone(), limits).by_kind());
        }
        self.relief.look();
    }

    /// A slice of connections at a time, as broadcasts, without a pause in between.
    async fn notice(&self, notice: &Broadcast, known: &mut RecentIds) {
        let Ok(tenant) = TenantId::from_field(&notice.tenant) else { return };
        if !known.remember(tenant, &notice.id) {
            self.metrics.broadcast_repeats.inc();
            return;
        }
        self.metrics.broadcasts.inc();
        self.notices.came(tenant, notice.seq);
        let limits = OutboxLimits::from(&*self.limits);
        let forms = Forms::of(notice, self.limits.frame_bytes, Class::Urgent);
        let mut everybody = self.registry.all();
        everybody.retain(|connection| connection.user_id.tenant() == tenant);
        for slice in everybody.chunks(self.limits.broadcast_slice.max(1)) {
            for connection in slice {
                let Some(frame) = forms.of_connection(connection) else { continue };
                self.metrics.dropped(connection.outbox.push(frame, limits).by_kind());
            }
            self.relief.look();
            tokio::task::yield_now().await;
        }
    }
}
