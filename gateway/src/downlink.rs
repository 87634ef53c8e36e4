//! Pushes down to the sockets: the same bytes into the outbox of every named connection, or of every
//! member of a large conversation who is here.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, PushConsumer};
use platform::backoff::Backoff;
use platform::shutdown::Shutdown;
use prost::Message;
use proto::bus::{AskFigures, AskWritten, GatewayRef, OwnStatus, Push, PushClass};
use proto::chat::RevocationList;
use proto::id::{ConversationId, ConversationKey, GatewayId, TenantId};
use tokio::sync::watch;

use crate::channels::Channels;
use crate::config::LimitsConfig;
use crate::connection::close::Close;
use crate::frame::Frame;
use crate::inquiry::{Inquiry, InquiryLink};
use crate::metrics::GatewayMetrics;
use crate::outbox::OutboxLimits;
use crate::pulse::Pulse;
use crate::registry::Registry;
use crate::relief::Relief;
use crate::revocations::Revocations;

pub(crate) struct Downlink {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) gateway_id: GatewayId,
    pub(crate) registry: Arc<Registry>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) inquiries: InquiryLink,
    /// The incarnation that pushes are addressed to; none while there is no queue.
    pub(crate) gateway: Arc<watch::Sender<Option<GatewayRef>>>,
    pub(crate) limits: LimitsConfig,
    pub(crate) relief: Arc<Relief>,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) shutdown: Shutdown,
}

impl Downlink {
    /// Keeps a queue until the end: answers are still delivered while draining.
    pub(crate) async fn run(self, mut channels: Channels) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            match self.bus.consume_pushes(&self.gateway_id, self.limits.downlink_prefetch).await {
                Ok(consumer) => {
                    backoff.reset();
                    let is_over = self.consume(consumer, &mut channels).await;
                    self.gateway.send_replace(None);
                    if is_over {
                        return;
                    }
                }
                Err(error) => tracing::debug!(%error, "no queue for pushes yet"),
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = self.shutdown.forced() => return,
            }
        }
    }

    /// True when the process ends.
    async fn consume(&self, mut consumer: Box<dyn PushConsumer>, channels: &mut Channels) -> bool {
        self.pulse.opened(&consumer.gateway());
        self.gateway.send_replace(Some(consumer.gateway()));
        loop {
            let batch = tokio::select! {
                biased;
                () = self.shutdown.forced() => return true,
                // What waits in the old queue is covered by the heads that are told then.
                () = self.pulse.renewal() => return false,
                batch = consumer.next() => batch,
                () = channels.turn() => continue,
            };
            let Some(batch) = batch else { return false };
            for push in batch.pushes {
                self.hand_out(push, channels);
            }
            // However much comes: large conversations have their turn, too.
            channels.hand_out_slice();
        }
    }

    fn hand_out(&self, push: Push, channels: &mut Channels) {
        let class = push.class();
        if class == PushClass::Revoked {
            if let Ok(list) = RevocationList::decode(push.frame) {
                self.revocations.take(&list.revocations);
            }
            return;
        }
        if class == PushClass::Inquiry {
            if let Ok(question) = AskWritten::decode(push.frame) {
                self.inquiries.ask(Inquiry::Written(question));
            }
            return;
        }
        if class == PushClass::AskFigures {
            if let Ok(question) = AskFigures::decode(push.frame) {
                self.inquiries.ask(Inquiry::Figures(question));
            }
            return;
        }
        if class == PushClass::OwnStatus {
            if let Ok(own) = OwnStatus::decode(push.frame) {
                self.choose(&own);
            }
            return;
        }
        if let Some(id) = self.waits_as(&push, channels) {
            return channels.take(id, push);
        }
        let limits = OutboxLimits::from(&self.limits);
        let frame = Frame::pushed(&push, self.limits.frame_bytes);
        for number in push.connections {
            // Gone meanwhile: its next sync covers it.
            let Some(connection) = self.registry.get(number) else { continue };
            if class == PushClass::Replaced {
                connection.outbox.close(Close::Replaced);
                continue;
            }
            let dropped = connection.outbox.push(frame.clone(), limits);
            self.metrics.dropped(dropped);
        }
        self.relief.look();
    }

    /// The large conversation that a push is of, or stands behind.
    fn waits_as(&self, push: &Push, channels: &Channels) -> Option<ConversationKey> {
        let is_of_large = push.channel.is_some();
        if !is_of_large && channels.is_empty() {
            return None;
        }
        let id = ConversationId::from_bytes(&push.conversation_id).ok()?;
        let tenant = match &push.channel {
            Some(about) => TenantId::from_field(&about.tenant).ok()?,
            // It names connections of members: all are of one tenant.
            None => {
                let mut connections =
                    push.connections.iter().filter_map(|it| self.registry.get(*it));
                connections.next()?.user_id.tenant()
            }
        };
        let key = ConversationKey::new(tenant, id);
        (is_of_large || channels.is_waiting(key)).then_some(key)
    }

    /// Takes over what a user chose on one of their devices.
    fn choose(&self, own: &OwnStatus) {
        for number in &own.connections {
            if let Some(connection) = self.registry.get(*number) {
                connection.own_status.set(crate::own_status::OwnStatus::parse(&own.status));
            }
        }
    }
}
