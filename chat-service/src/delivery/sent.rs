//! Tells other systems that an entry was pushed, as the moment `chat.message.sent`: to how many users, and how many of them were
//! connected.

use ::bus::moments::Moments;
use serde_json::json;

use super::locate::Located;
use super::outgoing::{Outgoing, To};
use crate::events::EventType;

/// Of entries that were handed to all gateways that have somebody, or were given up.
pub(super) fn tell<'a>(
    moments: &Moments,
    pushed: impl Iterator<Item = &'a Outgoing>,
    located: &Located,
) {
    let r#type = EventType::MessageSent.as_str();
    if !moments.wants(r#type) {
        return;
    }
    for outgoing in pushed {
        let Some((key, seq)) = outgoing.entry else { continue };
        let (users, connected) = match &outgoing.to {
            // Each gateway finds its own: nobody counts them.
            To::Channel { audience, .. } => (audience.members.len(), None),
            To::Members { .. } => {
                let members: Vec<_> = outgoing.to.members().collect();
                let is_connected = |user: &&&_| located.devices.contains_key(**user);
                (members.len(), Some(members.iter().filter(is_connected).count()))
            }
            // Logs of single users are no events.
            To::User(_) | To::Connection { .. } => continue,
        };
        moments.tell(r#type, key.tenant, || {
            json!({ "conversation_id": key.id, "seq": seq, "users": users, "connected": connected })
        });
    }
}
