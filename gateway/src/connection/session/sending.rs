//! `send`: checked here and handed up; its answer is waited for.

use std::time::Instant;

use proto::bus::{self, frame::Body};
use proto::error_code::ErrorCode;
use proto::frame::client;
use proto::id::ConversationId;

use super::super::handshake;
use super::super::in_flight::Request;
use super::Session;
use super::waiting::send_bytes;
use crate::shared::Identity;

impl Session {
    pub(super) fn send(&mut self, send: client::Send) {
        let (reference, client_id) = (send.r#ref.clone(), send.client_id);
        let to = match (&send.conversation_id, &send.to) {
            (Some(id), None) => *id,
            (None, Some(user)) if self.identity.user(user) == self.identity.user_id => {
                let text = "`to` is another user";
                return self.refuse(reference, Some(client_id), ErrorCode::Invalid, text);
            }
            (None, Some(user)) => self.identity.direct_with(user),
            _ => {
                let text = "give exactly one of `conversation_id` and `to`";
                return self.refuse(reference, Some(client_id), ErrorCode::Invalid, text);
            }
        };
        if self.is_ending() {
            return self.refuse_away(reference, Some(client_id));
        }
        let awaiting = match self.shared.unanswered.admit(to, Instant::now()) {
            Ok(awaiting) => awaiting,
            Err(wait) => return self.refuse_busy(reference, client_id, wait),
        };
        let bytes = send_bytes(&send);
        let span = self.shared.tracer.root("gateway.receive");
        let frame = self.frame(Body::Send(send_body(&self.identity, send, to)), span.traceparent());
        if self.shared.uplink.chat(to, frame).is_err() {
            return self.refuse_away(reference, Some(client_id));
        }
        self.tell_held_of(to);
        let client_id = client_id.to_bytes();
        self.in_flight.add(Request { client_id, reference, bytes, awaiting });
    }
}

fn send_body(identity: &Identity, send: client::Send, to: ConversationId) -> bus::Send {
    let boxed = |raw: Box<serde_json::value::RawValue>| String::from(Box::<str>::from(raw));
    bus::Send {
        r#ref: send.r#ref.unwrap_or_default(),
        client_id: send.client_id.to_bytes(),
        conversation_id: to.to_bytes(),
        to: send.to.map(|name| identity.user(&name).to_string()).unwrap_or_default(),
        kind: send.kind,
        content: boxed(send.content),
        reply_to: send.reply_to.unwrap_or(0),
        mentions: identity.user_texts(&send.mentions),
        important: send.is_important,
        extra: send.extra.map(boxed).unwrap_or_default(),
        device_type: handshake::device_type(send.device_type.as_deref()) as i32,
    }
}
