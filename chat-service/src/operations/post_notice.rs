//! `post_notice` appends an operator's notice, to the tenant's log of notices or to a conversation. It comes from the
//! service that keeps notices, which has checked it. Begins the log of notices where there is none.

use proto::bus;

use super::plan::{Draft, Not, Planner};
use super::{Action, Asked, Operation, Rejected, Rule, Size, invalid};
use crate::domain::conversation::{self, Refusal};
use crate::domain::entry::{Body, ConversationKind, Message, MessageKind};
use crate::domain::said::Said;
use proto::error_code::ErrorCode;
use proto::id::ConversationId;

#[derive(Debug, Clone)]
pub struct PostNotice {
    /// A JSON object.
    pub content: String,
    /// From when on it is blank, in Unix milliseconds.
    pub expires_at_ms: u64,
}

pub(super) fn read(asked: Asked, wire: bus::PostNotice) -> Result<Operation, Rejected> {
    let conversation_id = asked.conversation_id()?;
    let mut said = Said::new("post_notice", conversation_id);
    said.text(&wire.content);
    if !asked.is_admin {
        let text = "only tokens with the role admin may send notices";
        return Err(asked.rejected(Some(said.finish()), Refusal::new(ErrorCode::Forbidden, text)));
    }
    if wire.content.is_empty() || wire.expires_at_ms == 0 {
        let refusal = invalid("a notice has a content and an end");
        return Err(asked.rejected(Some(said.finish()), refusal));
    }
    let bus::PostNotice { content, expires_at_ms } = wire;
    asked.operation(
        conversation_id,
        said,
        Action::PostNotice(PostNotice { content, expires_at_ms }),
    )
}

impl Rule for PostNotice {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let key = operation.conversation();
        if planner.found(key).is_none() {
            if key.id != ConversationId::notices(key.tenant) {
                return Err(conversation::not_found().into());
            }
            planner.begin(key, ConversationKind::Notices, "", &[], None);
        }
        let message = Message {
            kind: MessageKind::Notice,
            content: self.content.clone(),
            reply_to: None,
            mentions: Vec::new(),
            is_important: false,
            extra: None,
            mention_all: false,
            forwarded: None,
        };
        let expires_at_ms = Some(self.expires_at_ms);
        Ok(Draft { expires_at_ms, ..Draft::of(Body::Message(message)) })
    }

    fn size(&self) -> Size {
        Size { bytes: self.content.len(), memberships: 0 }
    }
}
