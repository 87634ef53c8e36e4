//! Pushes on their way to one gateway: tried until the bus confirms them, the gateway is gone, or they are given up.
//! Must not decide what becomes of users whose pushes were not delivered.

use bus::PublishError;
use proto::bus::{FrameClass, Push, PushBatch, push::Body};
use proto::common::GatewayRef;

use super::address::{Addressed, GatewayKey, split};
use super::parts::DeliveryParts;
use crate::metrics::PushKind;
use crate::retry;

/// Why not everything reached a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undelivered {
    /// It has no such queue any more.
    Gone,
    /// It did not take it, again and again.
    GivenUp,
}

/// Publishes pushes in order, in batches; the gateway when not everything reached it. Call signals go before all others, in
/// their own order.
pub(super) async fn publish(
    parts: &DeliveryParts,
    (id, epoch): GatewayKey,
    pushes: Vec<Addressed>,
) -> Option<(GatewayKey, Undelivered)> {
    let gateway = GatewayRef { id, epoch };
    let mut pushes: Vec<Push> = pushes.into_iter().map(|addressed| addressed.push).collect();
    let urgent: Vec<Push> = pushes.extract_if(.., |push| is_urgent(push)).collect();
    for batch in split(urgent, parts.config.push_batch_bytes) {
        match parts.bus.publish_urgent(Some(&gateway), batch.clone()).await {
            Ok(()) => parts.metrics.push(PushKind::Confirmed),
            // It may have been taken: a step of a call that comes twice is worse than one that is lost.
            Err(PublishError::Unknown(_)) => {}
            // A gateway of an earlier build, or one that has just begun: they take the way of the others.
            Err(error) => {
                tracing::debug!(%error, gateway.id, "no urgent queue");
                pushes.extend(batch.pushes);
            }
        }
    }
    for batch in split(pushes, parts.config.push_batch_bytes) {
        if let Err(undelivered) = publish_batch(parts, &gateway, batch).await {
            // The rest would only overtake what is missing.
            return Some(((gateway.id, gateway.epoch), undelivered));
        }
    }
    None
}

fn is_urgent(push: &Push) -> bool {
    matches!(&push.body, Some(Body::Frame(push)) if push.class() == FrameClass::Signal)
}

/// Fails when nothing more can reach this incarnation.
async fn publish_batch(
    parts: &DeliveryParts,
    gateway: &GatewayRef,
    batch: PushBatch,
) -> Result<(), Undelivered> {
    let metrics = &parts.metrics;
    let mut backoff = retry::backoff();
    for _ in 0..parts.config.push_attempts.max(1) {
        match parts.bus.publish_pushes(gateway, batch.clone()).await {
            Ok(()) => {
                metrics.push(PushKind::Confirmed);
                return Ok(());
            }
            Err(PublishError::Unroutable) => {
                metrics.push(PushKind::GatewayGone);
                return Err(Undelivered::Gone);
            }
            Err(error) => tracing::debug!(%error, gateway.id, "a push is tried again"),
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
    metrics.push(PushKind::GivenUp);
    tracing::warn!(
        gateway.id,
        pushes = batch.pushes.len(),
        "pushes given up; their devices get them by sync"
    );
    Err(Undelivered::GivenUp)
}
