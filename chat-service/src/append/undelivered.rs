//! Tells other systems of operations that were lost on their way into the log: they waited too long, or were put aside.

use ::bus::moments::Moments;
use proto::id::UserId;
use serde_json::json;
use uuid::Uuid;

use crate::delivery::Asker;
use crate::domain::letter::DeadLetter;
use crate::events::EventType;

/// An operation waited too long in a queue. Its sender was told so.
pub(super) fn expired(moments: &Moments, asker: &Asker) {
    let Ok(user_id) = UserId::parse_qualified(&asker.origin.user_id) else { return };
    moments.tell(EventType::DeliveryFailed.as_str(), user_id.tenant(), || {
        json!({
            "way": "queue",
            "state": "expired",
            "sender": user_id.name_str(),
            "client_id": Uuid::from_slice(&asker.reference.client_id).ok(),
            "waiting_since": asker.sent_ms,
        })
    });
}

/// A frame was put aside, since it cannot be worked on.
pub(super) fn put_aside(moments: &Moments, letter: &DeadLetter) {
    moments.tell(EventType::DeliveryFailed.as_str(), letter.key.tenant, || {
        let sender = UserId::parse_qualified(&letter.user_id).ok();
        json!({
            "way": "queue",
            "state": "put_aside",
            "dead_letter": letter.key.id,
            "sender": sender.as_ref().map(UserId::name_str),
            "client_id": Uuid::from_slice(&letter.client_id).ok(),
            "conversation_id": Uuid::from_slice(&letter.conversation_id).ok(),
            "reason": letter.reason,
        })
    });
    moments.tell(
        EventType::SystemError.as_str(),
        letter.key.tenant,
        || json!({ "code": "dead_letter", "dead_letter": letter.key.id, "text": letter.reason }),
    );
}
