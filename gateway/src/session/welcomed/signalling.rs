//! `signal`: checked here and handed up like `typing`; nobody waits for an answer.

use proto::bus::{self, frame::Body};
use proto::error_code::ErrorCode;
use proto::frame::client::{Signal, SignalKind};

use super::Session;
use crate::identity::access::ClosedTo;
use crate::identity::allow::Whom;
use crate::identity::{Access, Identity};

impl Session {
    /// Whether it has to be asked first whether the other user may be called by this one: always where the install has a
    /// rule, else when a call begins, since users have rules, too.
    pub(super) fn must_ask_for(&self, signal: &Signal) -> bool {
        let begins = matches!(signal.kind, SignalKind::Ring | SignalKind::Offer);
        begins || self.context.access.allow.ring != Whom::Everyone
    }

    /// Asks first whether the other user may be called by this one.
    pub(super) async fn signal_if_allowed(&mut self, signal: Signal) {
        let (access, identity) = (&self.context.access, &self.identity);
        match why_not_call(access, identity, &signal).await {
            Ok(Some(text)) => self.refuse(signal.r#ref, None, ErrorCode::Forbidden, text),
            Ok(None) => self.signal(signal),
            Err(_) => self.refuse_away(signal.r#ref, None),
        }
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        let data = signal.data.map(|raw| String::from(Box::<str>::from(raw))).unwrap_or_default();
        if data.len() > self.context.limits.signal_bytes {
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
        let span = self.context.tracer.root("gateway.receive");
        // The way of their messages, so that the steps of a call keep their order.
        let way = self.identity.direct_with(&signal.to);
        let body = bus::Signal {
            to: to.to_string(),
            call_id: signal.call_id.to_bytes(),
            kind: kind(signal.kind) as i32,
            data,
        };
        let frame = self.frame(Body::Signal(body), span.traceparent());
        if self.context.up.uplink.chat(way, frame).is_err() {
            self.refuse_away(signal.r#ref, None);
        }
    }
}

/// Why the other user may not be called by this one.
async fn why_not_call(
    access: &Access,
    identity: &Identity,
    signal: &Signal,
) -> Result<Option<&'static str>, tonic::Status> {
    let to = vec![identity.user(&signal.to)];
    if access.allowed(access.allow.ring, identity, to.clone()).await?.is_empty() {
        let text = "this user is not rung by somebody who shares no conversation with them";
        return Ok(Some(text));
    }
    let closed = access.closed(ClosedTo::Calls, identity, &to).await?;
    Ok(closed.map(|_| "this user does not let you call them"))
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
