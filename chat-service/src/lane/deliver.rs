//! The deliver step: who is where now, and one batch of pushes for each gateway.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use bus::PublishError;
use proto::bus::{DeviceType, GatewayRef, Push, PushBatch};
use proto::id::UserId;

use super::append::Appended;
use super::message::{Outgoing, To};
use super::{LaneParts, retry_backoff};
use crate::directory::Located;
use crate::metrics::PushKind;

/// The deliver half of a lane.
pub struct Deliverer {
    parts: LaneParts,
}

/// A gateway's incarnation as a key.
type GatewayKey = (String, u64);

impl Deliverer {
    /// Delivers with these parts.
    pub fn new(parts: LaneParts) -> Self {
        Self { parts }
    }

    /// Delivers one batch. Returns when every gateway has confirmed, is gone, or was given up: what a
    /// device missed it gets by sync.
    pub async fn step(&self, appended: Appended) {
        let located = self.locate(&appended.outgoing).await;
        let mut pushes: HashMap<GatewayKey, Vec<Push>> = HashMap::new();
        for outgoing in appended.outgoing {
            address(&outgoing, &located, &mut pushes);
        }
        let publishes = pushes.into_iter().map(|(gateway, pushes)| self.publish(gateway, pushes));
        futures_util::future::join_all(publishes).await;
    }

    /// One look-up for all members who are to hear something. After the commit, never before.
    async fn locate(&self, outgoing: &[Outgoing]) -> Located {
        let mut users = BTreeSet::new();
        let mut traceparent = "";
        for outgoing in outgoing {
            if let To::Members { audience, except_user, .. } = &outgoing.to {
                users.extend(
                    audience.members.keys().filter(|user| Some(*user) != except_user.as_ref()),
                );
                users.extend(&audience.removed);
                if traceparent.is_empty() {
                    traceparent = &outgoing.traceparent;
                }
            }
        }
        if users.is_empty() {
            return Located::default();
        }
        let users: Vec<UserId> = users.into_iter().cloned().collect();
        let started = Instant::now();
        let located = self.parts.directory.locate(&users, traceparent).await;
        self.parts.metrics.locate_seconds.observe(started.elapsed().as_secs_f64());
        located.unwrap_or_else(|error| {
            self.parts.metrics.locate_failures.inc();
            tracing::warn!(%error, users = users.len(), "entries wait for the next sync");
            Located::default()
        })
    }

    async fn publish(&self, (id, epoch): GatewayKey, pushes: Vec<Push>) {
        let gateway = GatewayRef { id, epoch };
        for batch in split(pushes, self.parts.config.push_batch_bytes) {
            if !self.publish_batch(&gateway, batch).await {
                // Gone or given up: the rest would only overtake what is missing.
                return;
            }
        }
    }

    /// False when nothing more can reach this incarnation.
    async fn publish_batch(&self, gateway: &GatewayRef, batch: PushBatch) -> bool {
        let metrics = &self.parts.metrics;
        let mut backoff = retry_backoff();
        for _ in 0..self.parts.config.push_attempts.max(1) {
            match self.parts.bus.publish_pushes(gateway, batch.clone()).await {
                Ok(()) => {
                    metrics.push(PushKind::Confirmed);
                    return true;
                }
                Err(PublishError::Unroutable) => {
                    // Its sockets are closed or registered anew: either way their sync covers this.
                    metrics.push(PushKind::GatewayGone);
                    return false;
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
        false
    }
}

/// Puts a push into the batch of every gateway that has a socket for it.
fn address(outgoing: &Outgoing, located: &Located, pushes: &mut HashMap<GatewayKey, Vec<Push>>) {
    let push = |connections: Vec<u64>| Push {
        connections,
        frame: outgoing.frame.clone(),
        class: outgoing.class as i32,
        traceparent: outgoing.traceparent.clone(),
        answers: outgoing.answers.clone(),
    };
    let (audience, except, except_user, device_type) = match &outgoing.to {
        To::Connection(gateway, connection) => {
            pushes.entry(key(gateway)).or_default().push(push(vec![*connection]));
            return;
        }
        To::Members { audience, except, except_user, device_type } => {
            (audience, except, except_user, *device_type)
        }
    };
    let mut by_gateway: Vec<Vec<u64>> = vec![Vec::new(); located.gateways.len()];
    let users = audience.members.keys().chain(&audience.removed);
    for user in users.filter(|user| Some(*user) != except_user.as_ref()) {
        for device in located.devices.get(user).into_iter().flatten() {
            if device_type != DeviceType::Unspecified && device.device_type != device_type {
                continue;
            }
            let is_asker = except.as_ref().is_some_and(|(gateway, connection)| {
                *connection == device.connection
                    && is_same(gateway, &located.gateways[device.gateway])
            });
            if !is_asker {
                by_gateway[device.gateway].push(device.connection);
            }
        }
    }
    for (gateway, connections) in located.gateways.iter().zip(by_gateway) {
        if !connections.is_empty() {
            pushes.entry((gateway.id.clone(), gateway.epoch)).or_default().push(push(connections));
        }
    }
}

fn key(gateway: &Arc<GatewayRef>) -> GatewayKey {
    (gateway.id.clone(), gateway.epoch)
}

fn is_same(one: &GatewayRef, other: &GatewayRef) -> bool {
    one.epoch == other.epoch && one.id == other.id
}

/// Batches of at most so many bytes, in order; one larger push goes alone.
fn split(pushes: Vec<Push>, max_bytes: usize) -> Vec<PushBatch> {
    let mut batches = Vec::new();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for push in pushes {
        let size = push.frame.len() + push.connections.len() * 8 + 64;
        if bytes + size > max_bytes && !batch.is_empty() {
            batches.push(PushBatch { pushes: std::mem::take(&mut batch) });
            bytes = 0;
        }
        bytes += size;
        batch.push(push);
    }
    if !batch.is_empty() {
        batches.push(PushBatch { pushes: batch });
    }
    batches
}
