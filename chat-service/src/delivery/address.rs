//! Outgoing frames as pushes: which gateway gets which, in batches. No I/O.

use std::collections::HashMap;

use prost::Message;
use proto::bus::{
    Answer, ChannelPush, EntryPush, Finding, FramePush, Push, PushBatch, Sent, answer::Outcome,
    push::Body,
};
use proto::common::GatewayRef;
use proto::id::{ConversationKey, EntryId, UserId};

use super::locate::{Device, Located};
use super::outgoing::{Limited, Outgoing, Reply, To, What};
use crate::domain::reader::{DeviceType, Reader};
use crate::operations::plan::Audience;

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

/// A push to these connections; answers have one.
pub(super) fn push(
    outgoing: &Outgoing,
    connections: Vec<u64>,
    channel: Option<ChannelPush>,
) -> Push {
    let connection = connections.first().copied().unwrap_or_default();
    let body = match &outgoing.what {
        What::Answer(reference, reply) => Body::Answer(Answer {
            connection,
            client_id: reference.client_id.clone(),
            r#ref: reference.reference.clone(),
            outcome: Some(outcome(reply)),
        }),
        What::Finding(finding) => {
            Body::Finding(Finding { connection, finding: Some(finding.clone()) })
        }
        What::Entry(frame, _) => Body::Entry(EntryPush {
            connections,
            frame: frame.clone(),
            conversation_id: outgoing.entry.map(|(key, _)| key.id.to_bytes()).unwrap_or_default(),
            seq: outgoing.entry.map_or(0, |(_, seq)| seq),
            sent_ms: outgoing.sent_ms,
            channel,
        }),
        What::Frame(class, frame) => {
            Body::Frame(FramePush { connections, frame: frame.clone(), class: *class as i32 })
        }
    };
    Push { traceparent: outgoing.traceparent.clone(), body: Some(body) }
}

fn outcome(reply: &Reply) -> Outcome {
    match reply {
        Reply::Sent(place) => Outcome::Sent(Sent {
            conversation_id: place.conversation_id.to_bytes(),
            id: place.id.map(EntryId::to_bytes).unwrap_or_default(),
            seq: place.seq,
            timestamp: place.at_ms,
            unchanged: place.id.is_none() && !place.is_tallied && !place.is_elsewhere,
            tallied: place.is_tallied,
        }),
        Reply::Refused(refused) => Outcome::Refused(refused.clone()),
    }
}

/// Puts a push into the batch of every gateway that has a socket for it. False when there is none.
pub(super) fn address(
    outgoing: &Outgoing,
    addresses: &Addresses,
    pushes: &mut HashMap<GatewayKey, Vec<Addressed>>,
) -> bool {
    let entry = outgoing.entry;
    let mut add = |gateway: &GatewayRef, push: Push| {
        pushes.entry(key(gateway)).or_default().push(Addressed { push, entry });
    };
    let except = match &outgoing.to {
        // Nobody waits for the answer: it was a service that asked.
        To::Connection { gateway, .. } if gateway.id.is_empty() => return true,
        To::Connection { gateway, connection, .. } => {
            add(gateway, push(outgoing, vec![*connection], None));
            return true;
        }
        To::Channel { audience, except: (asking, connection) } => {
            for gateway in &addresses.gateways {
                let except = if is_same(asking, gateway) { *connection } else { 0 };
                add(gateway, push(outgoing, Vec::new(), Some(channel(outgoing, audience, except))));
            }
            return !addresses.gateways.is_empty();
        }
        To::User(_) => None,
        To::Members { except, .. } => except.as_ref(),
    };
    let limited = match &outgoing.what {
        What::Entry(_, limited) => limited.as_deref(),
        _ => None,
    };
    let located = &addresses.located;
    // Of each gateway those who see it, and those who see that there is something.
    let mut by_gateway = vec![[Vec::new(), Vec::new()]; located.gateways.len()];
    for user in outgoing.to.members() {
        for device in located.devices.get(user).into_iter().flatten() {
            let is_asker = except.is_some_and(|(gateway, connection)| {
                *connection == device.connection
                    && is_same(gateway, &located.gateways[device.gateway])
            });
            if !is_asker {
                let is_blank = limited.is_some_and(|it| is_blank(it, &outgoing.to, user, device));
                by_gateway[device.gateway][usize::from(is_blank)].push(device.connection);
            }
        }
    }
    let mut is_anywhere = false;
    for (gateway, [whole, blank]) in located.gateways.iter().zip(by_gateway) {
        is_anywhere |= !whole.is_empty() || !blank.is_empty();
        if !whole.is_empty() {
            add(gateway, push(outgoing, whole, None));
        }
        if let Some(limited) = limited.filter(|_| !blank.is_empty()) {
            let what = What::Entry(limited.blank.clone(), None);
            add(gateway, push(&Outgoing { what, ..outgoing.clone() }, blank, None));
        }
    }
    is_anywhere
}

/// Whether a device may see only that there is an entry.
fn is_blank(limited: &Limited, to: &To, user: &UserId, device: &Device) -> bool {
    let members = match to {
        To::Members { audience, .. } => Some(&audience.members),
        _ => None,
    };
    let from_seq = members.and_then(|members| members.get(user)).map_or(0, |it| it.from_seq);
    let device_type = DeviceType::of(i64::from(device.device_type as i32));
    // It is pushed as soon as it is stored: nothing has expired.
    Reader { user_id: user, device_type, from_seq, now_ms: 0 }
        .is_blank(&limited.author, limited.limits)
}

/// What a gateway needs to find the members of a large conversation, and who of them sees the entry.
fn channel(outgoing: &Outgoing, audience: &Audience, except: u64) -> ChannelPush {
    let limited = match &outgoing.what {
        What::Entry(_, Some(limited)) => Some(&**limited),
        _ => None,
    };
    let limits = limited.map(|limited| limited.limits).unwrap_or_default();
    ChannelPush {
        joined: audience.joined.iter().map(ToString::to_string).collect(),
        left: audience.removed.as_ref().map(ToString::to_string).unwrap_or_default(),
        except,
        device_type: limits.device_type.map_or(0, |of| i32::from(of.code())),
        target: limits.target.unwrap_or_default(),
        sender: limited.map(|limited| limited.author.to_string()).unwrap_or_default(),
        blank: limited.map(|limited| limited.blank.clone()).unwrap_or_default(),
        tenant: outgoing.entry.map(|(key, _)| key.tenant.to_field()).unwrap_or_default(),
    }
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
        let size = push.encoded_len() + 64;
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
