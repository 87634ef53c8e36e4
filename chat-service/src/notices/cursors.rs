//! How far users have received and read the notices of their tenant: gathered by gateways, in a queue of its own, so that
//! no worker and no message waits for it. Written as it comes, a batch at a time.

use std::time::Duration;

use ::bus::{FrameConsumer, Lane};
use platform::backoff::Backoff;
use platform::shutdown::Shutdown;
use proto::bus::{self, frame::Body};
use proto::id::{ConversationId, ConversationKey, TenantId, UserName};

use super::NoticeParts;
use crate::clock::now_ms;
use crate::retry;
use crate::store::notices::NoticeCursors;

/// Batches that are taken from the bus and not written yet.
const PREFETCH: u16 = 4;
/// Users of one statement.
const AT_ONCE: usize = 1_000;

/// Writes until stopping has begun.
pub(super) async fn run(parts: NoticeParts, shutdown: Shutdown) {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
    while !shutdown.is_begun() {
        match parts.bus.consume_frames(Lane::Notices, 0, PREFETCH).await {
            Ok(consumer) => {
                backoff.reset();
                consume(&parts, consumer, &shutdown).await;
            }
            Err(error) => tracing::debug!(%error, "cursors of notices cannot be taken yet"),
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next_delay()) => {}
            () = shutdown.begun() => {}
        }
    }
}

async fn consume(parts: &NoticeParts, mut consumer: Box<dyn FrameConsumer>, shutdown: &Shutdown) {
    let acker = consumer.acker();
    loop {
        let delivery = tokio::select! {
            delivery = consumer.next() => delivery,
            () = shutdown.begun() => return,
        };
        let Some(delivery) = delivery else { return };
        for frame in delivery.batch.frames {
            if let Some(Body::NoticeCursors(cursors)) = frame.body
                && !write(parts, cursors, shutdown).await
            {
                // It comes again, to the next consumer.
                return;
            }
        }
        acker.ack_through(delivery.tag).await;
    }
}

/// Writes cursors, however long the store is away. False when stopping has begun before.
async fn write(parts: &NoticeParts, cursors: bus::NoticeCursors, shutdown: &Shutdown) -> bool {
    let Ok(tenant) = TenantId::from_field(&cursors.tenant) else { return true };
    let users: Vec<UserName> =
        cursors.users.iter().filter_map(|user| UserName::parse(user).ok()).collect();
    for users in users.chunks(AT_ONCE) {
        let rows = NoticeCursors {
            log: ConversationKey::new(tenant, ConversationId::notices(tenant)),
            delivered_seq: cursors.delivered_seq,
            read_seq: cursors.read_seq,
            users: users.to_vec(),
        };
        let mut backoff = retry::backoff();
        while let Err(error) = parts.store.advance_notice_cursors(&rows, now_ms()).await {
            tracing::warn!(%error, "cursors of notices wait for the store");
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = shutdown.begun() => return false,
            }
        }
        parts.metrics.cursors.inc_by(users.len() as u64);
    }
    true
}
