//! A broadcast on its way to all gateways, whichever way it came in. Nothing of it is stored.

use bus::{Bus, PublishError};
use proto::bus::Broadcast;
use proto::error_code::Stored;
use proto::frame::server::Notice;
use proto::id::UserId;
use serde_json::value::RawValue;

use crate::clock::unix_ms;

/// What is said to everybody of the sender's tenant.
pub(crate) struct NewBroadcast {
    /// By which a repeat is known.
    pub(crate) id: uuid::Uuid,
    /// A JSON object.
    pub(crate) content: Box<RawValue>,
    pub(crate) traceparent: String,
}

/// Says it; when, in Unix milliseconds.
pub(crate) async fn say(
    bus: &dyn Bus,
    sender: &UserId,
    new: NewBroadcast,
) -> Result<u64, PublishError> {
    let NewBroadcast { id, content, traceparent } = new;
    let timestamp = unix_ms();
    let notice = Notice { id, content, sender: Some(sender.name()), timestamp };
    let broadcast = Broadcast {
        id: id.as_bytes().to_vec().into(),
        frame: notice.to_frame_json(),
        traceparent,
        tenant: sender.tenant().to_field(),
        ..Broadcast::default()
    };
    bus.broadcast(broadcast).await.map(|()| timestamp)
}

/// Whether it may be on its way all the same.
pub(crate) fn outcome(error: &PublishError) -> Stored {
    match error {
        PublishError::Unknown(_) => Stored::Unknown,
        PublishError::Refused | PublishError::Unroutable | PublishError::Unavailable(_) => {
            Stored::No
        }
    }
}
