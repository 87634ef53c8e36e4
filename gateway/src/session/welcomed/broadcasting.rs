//! `broadcast`: sent to every connection of the tenant, by a user whose token has a role for it.

use proto::error_code::{ErrorCode, Stored};
use proto::frame::client::Broadcast;

use super::Session;
use crate::rates::Account;
use crate::up::broadcast::{self, NewBroadcast};

impl Session {
    /// The sender gets it like all other connections; only a broadcast that was not sent is answered.
    pub(super) async fn broadcast(&mut self, said: Broadcast) {
        let Broadcast { r#ref: reference, client_id, content } = said;
        let client_id = Some(client_id);
        let roles = &self.context.limits.broadcast_roles;
        if !self.identity.claims.roles.iter().any(|role| roles.contains(role)) {
            let text = "your token has none of the roles that may send a broadcast";
            return self.refuse(reference, client_id, ErrorCode::Forbidden, text);
        }
        if !content.get().trim_start().starts_with('{') {
            let text = "`content` is a JSON object";
            return self.refuse(reference, client_id, ErrorCode::Invalid, text);
        }
        if content.get().len() > self.context.limits.broadcast_bytes {
            let text = "`content` is larger than a broadcast may be";
            return self.refuse(reference, client_id, ErrorCode::TooLarge, text);
        }
        if let Err(refused) =
            self.context.access.may_ask(&self.identity, &[(Account::Broadcasts, 1)])
        {
            return self.refuse_too_much(reference, client_id, refused);
        }
        let span = self.context.tracer.root("gateway.broadcast");
        let id = client_id.map_or_else(uuid::Uuid::now_v7, |client_id| client_id.0);
        let new = NewBroadcast { id, content, traceparent: span.traceparent() };
        let sent = broadcast::say(&*self.context.bus, &self.identity.user_id, new).await;
        if let Err(error) = sent {
            match (broadcast::outcome(&error), client_id) {
                (Stored::Unknown, Some(client_id)) => self.refuse_unknown(reference, client_id),
                (_, client_id) => self.refuse_away(reference, client_id),
            }
        }
    }
}
