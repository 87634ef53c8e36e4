//! Who is typing: the last state of each member in a batch, told to the other members and stored nowhere.

use std::collections::HashMap;

use ::bus::moments::Moments;
use proto::bus;
use proto::frame::server::{ServerFrame, Typing};
use proto::id::{ConversationId, ConversationKey, UserId};
use serde_json::json;

use super::receivers::{Known, Told};
use crate::delivery::{Asker, Outgoing};
use crate::events::EventType;

/// The last state of each, with the trace of its frame.
#[derive(Debug, Default)]
pub(super) struct TypingStates(HashMap<(ConversationId, UserId), (bool, String)>);

impl TypingStates {
    pub(super) fn take(&mut self, user: UserId, asker: &Asker, typing: &bus::Typing) {
        if let Ok(id) = ConversationId::from_bytes(&typing.conversation_id) {
            self.0.insert((id, user), (typing.on, asker.traceparent.clone()));
        }
    }

    /// The conversations in which somebody types or has ended to.
    pub(super) fn conversations(&self) -> impl Iterator<Item = ConversationKey> {
        self.0.keys().map(|(id, user)| ConversationKey::new(user.tenant(), *id))
    }

    pub(super) fn outgoing(
        self,
        known: &Known,
        moments: &Moments,
    ) -> impl Iterator<Item = Outgoing> {
        self.0.into_iter().filter_map(|((conversation_id, user_id), (on, traceparent))| {
            let (tenant, user) = (user_id.tenant(), user_id.name());
            let frame = ServerFrame::Typing(Typing::new(conversation_id, user_id.name(), on));
            let told = known.tell(conversation_id, user_id, Told::Others, frame.to_json())?;
            moments.tell(
                EventType::Typing.as_str(),
                tenant,
                || json!({ "conversation_id": conversation_id, "user": user, "on": on }),
            );
            Some(Outgoing { traceparent, ..told })
        })
    }
}
