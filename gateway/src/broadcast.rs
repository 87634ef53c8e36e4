//! What is said to everybody of a tenant: each broadcast into the outbox of every connection, once, a slice at a
//! time, so that the tasks of other sockets run in between. Nothing waits for it and nothing is kept of
//! it but its id.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bus::{BroadcastConsumer, Bus};
use bytes::Bytes;
use platform::backoff::Backoff;
use platform::shutdown::Shutdown;
use proto::bus::{Broadcast, PushClass};
use proto::id::{GatewayId, TenantId};

use crate::config::LimitsConfig;
use crate::frame::{About, Frame};
use crate::metrics::GatewayMetrics;
use crate::outbox::OutboxLimits;
use crate::registry::Registry;
use crate::relief::Relief;

/// Broadcasts taken from the bus before they are handed out: the others wait there, and the oldest of
/// them go first when there are too many.
const PREFETCH: u16 = 1;

pub(crate) struct Broadcasts {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) gateway_id: GatewayId,
    pub(crate) registry: Arc<Registry>,
    pub(crate) limits: LimitsConfig,
    pub(crate) relief: Arc<Relief>,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) shutdown: Shutdown,
}

impl Broadcasts {
    /// Hands out until the end.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        let mut known = Known::new(self.limits.broadcast_ids);
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
    async fn consume(&self, mut consumer: Box<dyn BroadcastConsumer>, known: &mut Known) -> bool {
        loop {
            let next = tokio::select! {
                biased;
                () = self.shutdown.forced() => return true,
                next = consumer.next() => next,
            };
            let Some(broadcast) = next else { return false };
            let Ok(tenant) = TenantId::from_field(&broadcast.tenant) else { continue };
            if known.is_new(tenant, &broadcast.id) {
                self.metrics.broadcasts.inc();
                self.hand_out(tenant, &broadcast).await;
            } else {
                self.metrics.broadcast_repeats.inc();
            }
        }
    }

    async fn hand_out(&self, tenant: TenantId, broadcast: &Broadcast) {
        let limits = OutboxLimits::from(&self.limits);
        let pause = Duration::from_millis(self.limits.broadcast_pause_ms);
        // No span: one for each socket would be thousands.
        let frame = Frame::new(&broadcast.frame, About::class(PushClass::Bulk));
        let mut everybody = self.registry.sockets();
        everybody.retain(|connection| connection.user_id.tenant() == tenant);
        let mut slices = everybody.chunks(self.limits.broadcast_slice.max(1)).peekable();
        while let Some(slice) = slices.next() {
            for connection in slice {
                let dropped = connection.outbox.push(frame.clone(), limits);
                self.metrics.dropped(dropped);
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

/// The ids of the last broadcasts.
#[derive(Debug)]
struct Known {
    ids: HashSet<(TenantId, Bytes)>,
    /// The oldest first.
    order: VecDeque<(TenantId, Bytes)>,
    most: usize,
}

impl Known {
    fn new(most: usize) -> Self {
        Self { ids: HashSet::new(), order: VecDeque::new(), most: most.max(1) }
    }

    /// False for one of the tenant that came before. One without an id is always new.
    fn is_new(&mut self, tenant: TenantId, id: &Bytes) -> bool {
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
        let mut known = Known::new(3);
        let (ours, theirs) = (TenantId::DEFAULT, TenantId::parse("acme").unwrap());
        assert!(known.is_new(ours, &id(1)) && !known.is_new(ours, &id(1)));
        assert!(known.is_new(theirs, &id(1)), "another tenant may choose the same id");
        for number in 2..=4 {
            assert!(known.is_new(ours, &id(number)));
        }
        assert!(known.is_new(ours, &id(1)), "forgotten");
        assert!(!known.is_new(ours, &id(4)));
        assert_eq!((known.ids.len(), known.order.len()), (3, 3));
    }
}
