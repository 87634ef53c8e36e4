//! `signal`: checked here and handed up like `typing`; nobody waits for an answer.

use proto::bus::{self, frame::Body};
use proto::error_code::ErrorCode;
use proto::frame::client::{Signal, SignalKind};

use super::Session;

impl Session {
    /// Asks first whether the other user may be rung by this one.
    pub(super) async fn signal_if_allowed(&mut self, signal: Signal) {
        let to = vec![self.identity.user(&signal.to)];
        match self.shared.allowed(self.shared.allow.ring, &self.identity, to).await {
            Ok(allowed) if allowed.is_empty() => {
                let text = "this user is not rung by somebody who shares no conversation with them";
                self.refuse(signal.r#ref, None, ErrorCode::Forbidden, text);
            }
            Ok(_) => self.signal(signal),
            Err(_) => self.refuse_away(signal.r#ref, None),
        }
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        let data = signal.data.map(|raw| String::from(Box::<str>::from(raw))).unwrap_or_default();
        if data.len() > self.shared.limits.signal_bytes {
            let text = "`data` is larger than a signal may be";
            return self.refuse(signal.r#ref, None, ErrorCode::TooLarge, text);
        }
        let to = self.identity.user(&signal.to);
        if to == self.identity.user_id {
            let text = "`to` is another user";
            return self.refuse(signal.r#ref, None, ErrorCode::Invalid, text);
        }
        if self.is_ending() {
            return self.refuse_away(signal.r#ref, None);
        }
        let span = self.shared.tracer.root("gateway.receive");
        // The way of their messages, so that the steps of a call keep their order.
        let way = self.identity.direct_with(&signal.to);
        let body = bus::Signal {
            to: to.to_string(),
            call_id: signal.call_id.to_bytes(),
            kind: kind(signal.kind) as i32,
            data,
        };
        let frame = self.frame(Body::Signal(body), span.traceparent());
        if self.shared.uplink.chat(way, frame).is_err() {
            self.refuse_away(signal.r#ref, None);
        }
    }
}

fn kind(kind: SignalKind) -> bus::SignalKind {
    match kind {
        SignalKind::Offer => bus::SignalKind::Offer,
        SignalKind::Answer => bus::SignalKind::Answer,
        SignalKind::Ice => bus::SignalKind::Ice,
        SignalKind::Ring => bus::SignalKind::Ring,
        SignalKind::Busy => bus::SignalKind::Busy,
        SignalKind::Decline => bus::SignalKind::Decline,
        SignalKind::Hangup => bus::SignalKind::Hangup,
    }
}
