//! Call signals: relayed to all devices of the user they are for, in their order, and kept nowhere.

use proto::bus::{self, FrameClass};
use proto::frame::client::SignalKind;
use proto::frame::server::Signal;
use proto::id::{CallId, UserId};
use serde_json::value::RawValue;

use crate::delivery::{Asker, Outgoing, To, What};

/// What the other user's devices hear. Nothing of a malformed one: the gateway made it.
pub(super) fn outgoing(asker: &Asker, signal: bus::Signal) -> Option<Outgoing> {
    let kind = kind(signal.kind())?;
    let data =
        if signal.data.is_empty() { None } else { Some(RawValue::from_string(signal.data).ok()?) };
    let from = UserId::parse_qualified(&asker.origin.user_id).ok()?;
    // Of another tenant: there is nobody of this name.
    let to = UserId::parse_qualified(&signal.to).ok().filter(|to| to.tenant() == from.tenant())?;
    let frame = Signal {
        from: from.name(),
        call_id: CallId::from_bytes(&signal.call_id).ok()?,
        kind,
        data,
    };
    Some(Outgoing {
        to: To::User(to),
        what: What::Frame(FrameClass::Signal, frame.to_frame_json()),
        traceparent: asker.traceparent.clone(),
        entry: None,
        sent_ms: 0,
    })
}

fn kind(kind: bus::SignalKind) -> Option<SignalKind> {
    Some(match kind {
        bus::SignalKind::Unspecified => return None,
        bus::SignalKind::Offer => SignalKind::Offer,
        bus::SignalKind::Answer => SignalKind::Answer,
        bus::SignalKind::Ice => SignalKind::Ice,
        bus::SignalKind::Ring => SignalKind::Ring,
        bus::SignalKind::Busy => SignalKind::Busy,
        bus::SignalKind::Decline => SignalKind::Decline,
        bus::SignalKind::Hangup => SignalKind::Hangup,
    })
}
