//! Outgoing frames as pushes: which gateway gets which, in batches. Asks nobody.

use std::collections::HashMap;

use proto::bus::{ChannelPush, DeviceType, GatewayRef, Push, PushBatch};
use proto::id::ConversationKey;

use super::message::{Outgoing, To};
use crate::directory::Located;

/// A gateway's incarnation as a key.
pub(super) type GatewayKey = (String, u64);

/// A push and the entry that it is.
pub(super) struct Addressed {
    pub(super) push: Push,
    pub(super) entry: Option<(ConversationKey, u64)>,
}

/// Where everything of a batch goes.
#[derive(Default)]
pub(super) struct Addresses {
    /// The users that pushes are addressed to.
    pub(super) located: Located,
    /// All gateways, when an entry of a large conversation is among it.
    pub(super) gateways: Vec<GatewayRef>,
}

pub(super) fn push(outgoing: &Outgoing, connections: Vec<u64>) -> Push {
    Push {
        connections,
        frame: outgoing.frame.clone(),
        class: outgoing.class as i32,
        traceparent: outgoing.traceparent.clone(),
        answers: outgoing.answers.clone(),
        conversation_id: outgoing.entry.map(|(key, _)| key.id.to_bytes()).unwrap_or_default(),
        seq: outgoing.entry.map_or(0, |(_, seq)| seq),
        channel: None,
        sent_ms: outgoing.sent_ms,
    }
}

/// Puts a push into the batch of every gateway that has a socket for it. False when there is none.
pub(super) fn address(
    outgoing: &Outgoing,
    addresses: &Addresses,
    pushes: &mut HashMap<GatewayKey, Vec<Addressed>>,
) -> bool {
    let located = &addresses.located;
    let entry = outgoing.entry;
    let (except, device_type) = match &outgoing.to {
        To::Connection { gateway, connection, .. } => {
            let push = push(outgoing, vec![*connection]);
            pushes.entry(key(gateway)).or_default().push(Addressed { push, entry });
            return true;
        }
        To::Channel { audience, except: (asking, connection), device_type } => {
            for gateway in &addresses.gateways {
                let channel = ChannelPush {
                    joined: audience.joined.iter().map(ToString::to_string).collect(),
                    left: audience.removed.as_ref().map(ToString::to_string).unwrap_or_default(),
                    except: if is_same(asking, gateway) { *connection } else { 0 },
                    device_type: *device_type as i32,
                    tenant: entry.map(|(key, _)| key.tenant.to_field()).unwrap_or_default(),
                };
                let push = Push { channel: Some(channel), ..push(outgoing, Vec::new()) };
                pushes.entry(key(gateway)).or_default().push(Addressed { push, entry });
            }
            return !addresses.gateways.is_empty();
        }
        To::User(_) => (None, DeviceType::Unspecified),
        To::Members { except, device_type, .. } => (except.as_ref(), *device_type),
    };
    let mut by_gateway: Vec<Vec<u64>> = vec![Vec::new(); located.gateways.len()];
    for user in outgoing.to.members() {
        for device in located.devices.get(user).into_iter().flatten() {
            if device_type != DeviceType::Unspecified && device.device_type != device_type {
                continue;
            }
            let is_asker = except.is_some_and(|(gateway, connection)| {
                *connection == device.connection
                    && is_same(gateway, &located.gateways[device.gateway])
            });
            if !is_asker {
                by_gateway[device.gateway].push(device.connection);
            }
        }
    }
    let mut is_anywhere = false;
    for (gateway, connections) in located.gateways.iter().zip(by_gateway) {
        if !connections.is_empty() {
            is_anywhere = true;
            let push = push(outgoing, connections);
            pushes.entry(key(gateway)).or_default().push(Addressed { push, entry });
        }
    }
    is_anywhere
}

fn key(gateway: &GatewayRef) -> GatewayKey {
    (gateway.id.clone(), gateway.epoch)
}

fn is_same(one: &GatewayRef, other: &GatewayRef) -> bool {
    one.epoch == other.epoch && one.id == other.id
}

/// Batches of at most so many bytes, in order; one larger push goes alone.
pub(super) fn split(pushes: impl IntoIterator<Item = Push>, max_bytes: usize) -> Vec<PushBatch> {
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
