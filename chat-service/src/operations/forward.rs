//! `forward` copies a message that its sender may see into a conversation of theirs: its kind and its content, with who wrote
//! it and when. Nobody is mentioned by a copy, and it does not say where the message was.

use proto::bus;
use proto::error_code::ErrorCode;
use proto::id::ConversationId;

use super::plan::{Draft, Not, Planner};
use super::{Action, Asked, Operation, Rejected, Rule, Size, invalid};
use crate::domain::content;
use crate::domain::conversation::{self, Refusal};
use crate::domain::entry::{Body, Message, Source};
use crate::domain::said::Said;

/// Copies a message.
#[derive(Debug, Clone, Copy)]
pub struct Forward {
    /// Where it is, in the actor's tenant.
    pub from: ConversationId,
    pub seq: u64,
}

pub(super) fn read(asked: Asked, wire: &bus::Source) -> Result<Operation, Rejected> {
    let conversation_id = asked.conversation_id()?;
    let from = ConversationId::from_bytes(&wire.conversation_id)
        .map_err(|_| invalid("`source` has a `conversation_id`, a UUID"))?;
    let mut said = Said::new("forward", conversation_id);
    said.text(&from.to_string());
    said.number(wire.seq);
    asked.operation(conversation_id, said, Action::Forward(Forward { from, seq: wire.seq }))
}

impl Rule for Forward {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        conversation::member_role(planner.snapshot(operation.conversation())?, &operation.actor)?;
        let source = planner.source(&operation.actor, self.from, self.seq).filter(|source| {
            let is_over = source.expires_at_ms.is_some_and(|at| at <= planner.now_ms);
            !is_over && source.content != "{}"
        });
        let Some(source) = source else {
            let text = "`source` names no message that you may see";
            return Err(Refusal::new(ErrorCode::NotFound, text).into());
        };
        if source.is_limited {
            return Err(invalid("a message for one type of device is not forwarded").into());
        }
        let expires_at_ms = source.expires_at_ms;
        let message = copy(source)?;
        Ok(Draft { expires_at_ms, ..Draft::of(Body::Message(message)) })
    }

    fn source(&self) -> Option<(ConversationId, u64)> {
        Some((self.from, self.seq))
    }

    fn size(&self) -> Size {
        // What it copies is not known yet; most are short.
        Size { bytes: 1_024, memberships: 0 }
    }
}

fn copy(source: &Source) -> Result<Message, Refusal> {
    let kind = source.kind;
    let Some(content) = content::copied(kind, &source.content) else {
        let text = format!("messages of the kind `{}` are not forwarded", kind.as_str());
        return Err(invalid(&text));
    };
    Ok(Message {
        kind,
        content,
        reply_to: None,
        mentions: Vec::new(),
        mention_all: false,
        forwarded: Some(source.forwarded.clone()),
        is_important: false,
        extra: None,
    })
}
