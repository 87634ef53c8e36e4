//! What is said to everybody of a tenant, broadcasts and notices: each broadcast into the outbox of every connection, once, a slice at a
//! time, so that the tasks of other sockets run in between. Nothing waits for it and nothing is kept of
//! it but its id. A notice is an entry of a log: a device that has lost one asks for it, and one that it is not for gets it
//! blank.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bus::{BroadcastConsumer, Bus};
use bytes::Bytes;
use platform::backoff::Backoff;
use platform::shutdown::Shutdown;
use proto::bus::Broadcast;
use proto::common::NoticeAudience;
use proto::id::{GatewayId, TenantId};

use crate::connections::outbox::OutboxLimits;
use crate::connections::{Connection, Registry};
use crate::down::notices::NoticeHeads;
use crate::down::relief::Relief;
use crate::limits::LimitsConfig;
use crate::metrics::GatewayMetrics;
use crate::net::frame::{About, Class, Frame};

/// Broadcasts taken from the bus before they are handed out: the others wait there, and the oldest of
/// them go first when there are too many.
const PREFETCH: u16 = 1;

pub(crate) struct Broadcasts {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) gateway_id: GatewayId,
    pub(crate) registry: Arc<Registry>,
    pub(crate) limits: Arc<LimitsConfig>,
    pub(crate) relief: Arc<Relief>,
    pub(crate) notices: Arc<NoticeHeads>,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) shutdown: Shutdown,
}

impl Broadcasts {
    /// Hands out until the end.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        let mut known = RecentIds::new(self.limits.broadcast_ids);
        loop {
            match self.bus.consume_broadcasts(&self.gateway_id, PREFETCH).await {
                Ok(consumer) => {
                    backoff.reset();
                    if self.consume(consumer, &mut known).await {
                        return;
                    }
                }
                Err(error) => tracing::debug!(%error, "no queue for broadcasts yet"),
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
        mut consumer: Box<dyn BroadcastConsumer>,
        known: &mut RecentIds,
    ) -> bool {
        loop {
            let next = tokio::select! {
                biased;
                () = self.shutdown.forced() => return true,
                next = consumer.next() => next,
            };
            let Some(broadcast) = next else { return false };
            let Ok(tenant) = TenantId::from_field(&broadcast.tenant) else { continue };
            if known.remember(tenant, &broadcast.id) {
                self.metrics.broadcasts.inc();
                self.hand_out(tenant, &broadcast).await;
            } else {
                self.metrics.broadcast_repeats.inc();
            }
        }
    }

    async fn hand_out(&self, tenant: TenantId, broadcast: &Broadcast) {
        let limits = OutboxLimits::from(&*self.limits);
        let pause = Duration::from_millis(self.limits.broadcast_pause_ms);
        let frames = Forms::of(broadcast, self.limits.frame_bytes, Class::Bulk);
        if frames.notice.is_some() {
            self.notices.came(tenant, broadcast.seq);
        }
        let mut everybody = self.registry.all();
        everybody.retain(|connection| connection.user_id.tenant() == tenant);
        let mut slices = everybody.chunks(self.limits.broadcast_slice.max(1)).peekable();
        while let Some(slice) = slices.next() {
            for connection in slice {
                let Some(frame) = frames.of_connection(connection) else { continue };
                let dropped = connection.outbox.push(frame, limits);
                self.metrics.dropped(dropped.by_kind());
            }
            self.relief.look();
            if slices.peek().is_some() {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.shutdown.forced() => return,
                }
            }
        }
    }
}

/// What connections are sent of a broadcast.
pub(super) struct Forms {
    whole: Frame,
    notice: Option<NoticeForms>,
}

/// What is different for some of a notice's receivers.
struct NoticeForms {
    audience: NoticeAudience,
    /// For connections that the notice is not for.
    blank: Frame,
    /// For clients that do not keep the log.
    unkept: Option<Frame>,
}

impl Forms {
    pub(super) fn of(broadcast: &Broadcast, largest: usize, class: Class) -> Self {
        // No span: one for each socket would be thousands.
        let of_log = |json: &Bytes| {
            let about = About { notice: broadcast.seq, ..About::class(class) };
            Frame::within(largest, json, about)
        };
        let frame = |json: &Bytes| Frame::within(largest, json, About::class(class));
        if broadcast.conversation_id.is_empty() {
            return Self { whole: frame(&broadcast.frame), notice: None };
        }
        let whole = of_log(&broadcast.frame);
        let is_some = |json: &&Bytes| !json.is_empty();
        let notice = NoticeForms {
            audience: broadcast.audience.clone().unwrap_or_default(),
            blank: Some(&broadcast.blank).filter(is_some).map_or_else(|| whole.clone(), of_log),
            unkept: Some(&broadcast.unkept).filter(is_some).map(frame),
        };
        Self { whole, notice: Some(notice) }
    }

    /// Nothing for a client that keeps no log, where there is nothing for it.
    pub(super) fn of_connection(&self, connection: &Connection) -> Option<Frame> {
        let Some(notice) = &self.notice else { return Some(self.whole.clone()) };
        let roles = Arc::clone(&connection.roles.lock());
        let (user_id, device_type) = (&connection.user_id, connection.device_type);
        let is_for = notice.audience.includes(user_id, device_type, &roles);
        match (connection.keeps_notices, is_for) {
            (true, true) => Some(self.whole.clone()),
            (true, false) => Some(notice.blank.clone()),
            (false, true) => notice.unkept.clone(),
            (false, false) => None,
        }
    }
}

/// The ids of the last broadcasts.
#[derive(Debug)]
pub(super) struct RecentIds {
    ids: HashSet<(TenantId, Bytes)>,
    /// The oldest first.
    order: VecDeque<(TenantId, Bytes)>,
    most: usize,
}

impl RecentIds {
    pub(super) fn new(most: usize) -> Self {
        Self { ids: HashSet::new(), order: VecDeque::new(), most: most.max(1) }
    }

    /// False for one of the tenant that came before. One without an id is always new.
    pub(super) fn remember(&mut self, tenant: TenantId, id: &Bytes) -> bool {
        if id.is_empty() {
            return true;
        }
        // A copy: the id must not keep the message that it came in.
        let id = (tenant, Bytes::copy_from_slice(id));
        if !self.ids.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_known_until_too_many_others_have_come() {
        let id = |number: u64| Bytes::copy_from_slice(&number.to_be_bytes());
        let mut known = RecentIds::new(3);
        let (ours, theirs) = (TenantId::DEFAULT, TenantId::parse("acme").unwrap());
        assert!(known.remember(ours, &id(1)) && !known.remember(ours, &id(1)));
        assert!(known.remember(theirs, &id(1)), "another tenant may choose the same id");
        for number in 2..=4 {
            assert!(known.remember(ours, &id(number)));
        }
        assert!(known.remember(ours, &id(1)), "forgotten");
        assert!(!known.remember(ours, &id(4)));
        assert_eq!((known.ids.len(), known.order.len()), (3, 3));
    }
}
