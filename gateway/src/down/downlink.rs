//! Pushes down to the sockets: the same bytes into the outbox of every named connection, or of every
//! member of a large conversation who is here.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, PushConsumer};
use bytes::Bytes;
use platform::backoff::Backoff;
use platform::shutdown::Shutdown;
use proto::bus::{Answer, EntryPush, OwnStatus, Push, answer::Outcome, push::Body};
use proto::common::GatewayRef;
use proto::error_code::ErrorCode;
use proto::id::{ConversationId, ConversationKey, GatewayId, TenantId};
use tokio::sync::watch;

use crate::connections::outbox::OutboxLimits;
use crate::connections::requests::Requests;
use crate::connections::{Connection, Registry};
use crate::down::large::LargeConversations;
use crate::down::own_keys::OwnKeys;
use crate::down::relief::Relief;
use crate::explain::inquiry::{Inquiry, InquiryLink};
use crate::freeze_detector::FreezeDetector;
use crate::identity::revocations::Revocations;
use crate::limits::LimitsConfig;
use crate::metrics::GatewayMetrics;
use crate::net::close::Close;
use crate::net::frame::{About, Class, Frame};

pub(crate) struct Downlink {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) gateway_id: GatewayId,
    pub(crate) registry: Arc<Registry>,
    pub(crate) requests: Arc<Requests>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) inquiries: InquiryLink,
    /// The incarnation that pushes are addressed to; none while there is no queue.
    pub(crate) gateway: Arc<watch::Sender<Option<GatewayRef>>>,
    pub(crate) limits: Arc<LimitsConfig>,
    pub(crate) relief: Arc<Relief>,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) freeze: Arc<FreezeDetector>,
    pub(crate) shutdown: Shutdown,
}

impl Downlink {
    /// Keeps a queue until the end: answers are still delivered while draining.
    pub(crate) async fn run(self, mut channels: LargeConversations) {
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
    async fn consume(
        &self,
        mut consumer: Box<dyn PushConsumer>,
        channels: &mut LargeConversations,
    ) -> bool {
        self.freeze.opened(&consumer.gateway());
        self.gateway.send_replace(Some(consumer.gateway()));
        loop {
            let batch = tokio::select! {
                biased;
                () = self.shutdown.forced() => return true,
                // What waits in the old queue is covered by the heads that are told then.
                () = self.freeze.renewal() => return false,
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

    fn hand_out(&self, push: Push, channels: &mut LargeConversations) {
        let Push { traceparent, body } = push;
        match body {
            Some(Body::Answer(answer)) => self.answer(answer, traceparent),
            Some(Body::Entry(push)) => self.entry(push, traceparent, channels),
            Some(Body::Frame(push)) => {
                let about = About { traceparent, ..About::class(push.class().into()) };
                self.push(&push.connections, &push.frame, about);
            }
            Some(Body::Replaced(replaced)) => {
                for connection in self.connections(&replaced.connections) {
                    connection.outbox.close(Close::Replaced);
                }
            }
            Some(Body::Revoked(list)) => self.revocations.take(&list.revocations),
            Some(Body::OwnStatus(own)) => self.choose(&own),
            Some(Body::AskWritten(question)) => self.inquiries.ask(Inquiry::Written(question)),
            Some(Body::AskFigures(question)) => self.inquiries.ask(Inquiry::Figures(question)),
            Some(Body::Finding(finding)) => self.requests.found(finding),
            // These come over the urgent queue. None: of a later build.
            Some(Body::Urgent(_)) | None => {}
        }
    }

    /// Hands an answer to the connection or the REST request that waits for it.
    fn answer(&self, answer: Answer, traceparent: String) {
        let Some(connection) = self.registry.get(answer.connection) else {
            return self.requests.answered(answer);
        };
        let refused = match &answer.outcome {
            Some(Outcome::Sent(_)) => None,
            Some(Outcome::Refused(refused)) => Some(refused.error_code()),
            None => Some(ErrorCode::Unavailable),
        };
        // A copy: it must not keep the batch that it came in.
        let answers = Bytes::copy_from_slice(&answer.client_id);
        let about = About { answers, refused, traceparent, ..About::class(Class::Answer) };
        let json = answer.into_frame().to_json();
        let frame = Frame::within(self.limits.frame_bytes, &json, about);
        let dropped = connection.outbox.push(frame, OutboxLimits::from(&*self.limits));
        self.metrics.dropped(dropped.by_kind());
        self.relief.look();
    }

    fn entry(&self, push: EntryPush, traceparent: String, channels: &mut LargeConversations) {
        if let Some(id) = self.waits_as(&push, channels) {
            return channels.take(id, push, traceparent);
        }
        let about = About::entry(&push, traceparent);
        let Some(keys) = OwnKeys::of(&push, self.limits.frame_bytes, &about) else {
            return self.push(&push.connections, &push.frame, about);
        };
        let limits = OutboxLimits::from(&*self.limits);
        let frame = Frame::within(self.limits.frame_bytes, &keys.without(), about);
        for connection in self.connections(&push.connections) {
            let own = keys.frame(&push, &connection).unwrap_or_else(|| frame.clone());
            self.metrics.dropped(connection.outbox.push(own, limits).by_kind());
        }
        self.relief.look();
    }

    /// The same frame to each of these connections.
    fn push(&self, connections: &[u64], json: &[u8], about: About) {
        let limits = OutboxLimits::from(&*self.limits);
        let frame = Frame::within(self.limits.frame_bytes, json, about);
        for connection in self.connections(connections) {
            self.metrics.dropped(connection.outbox.push(frame.clone(), limits).by_kind());
        }
        self.relief.look();
    }

    /// Those of them that are here. One that is gone meanwhile has a sync that covers it.
    fn connections(&self, numbers: &[u64]) -> impl Iterator<Item = Arc<Connection>> {
        numbers.iter().filter_map(|number| self.registry.get(*number))
    }

    /// The large conversation that an entry is of, or stands behind.
    fn waits_as(&self, push: &EntryPush, channels: &LargeConversations) -> Option<ConversationKey> {
        let is_of_large = push.channel.is_some();
        if !is_of_large && channels.is_empty() {
            return None;
        }
        let id = ConversationId::from_bytes(&push.conversation_id).ok()?;
        let tenant = match &push.channel {
            Some(about) => TenantId::from_field(&about.tenant).ok()?,
            // It names connections of members: all are of one tenant.
            None => self.connections(&push.connections).next()?.user_id.tenant(),
        };
        let key = ConversationKey::new(tenant, id);
        (is_of_large || channels.is_waiting(key)).then_some(key)
    }

    /// Takes over what a user chose on one of their devices.
    fn choose(&self, own: &OwnStatus) {
        for connection in self.connections(&own.connections) {
            connection
                .own_status
                .set(crate::connections::own_status::OwnStatus::parse(&own.status));
        }
    }
}
