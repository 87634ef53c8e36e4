//! `create` makes a conversation: a direct one, whose id follows from its two members, or a group, whose creator is its
//! owner.

use proto::bus;
use proto::common;
use proto::error_code::ErrorCode;
use proto::id::{ConversationId, UserId};

use super::plan::{Draft, Not, Planner, may_join, named};
use super::{Action, Asked, Operation, Rejected, Rule, Size, direct, invalid, users};
use crate::domain::body::Event;
use crate::domain::conversation::{MAX_NAMED, Refusal, check_title};
use crate::domain::entry::{Body, ConversationKind, Snapshot};
use crate::domain::said::Said;

#[derive(Debug, Clone)]
pub struct Create {
    /// Direct or group.
    pub kind: ConversationKind,
    /// Trimmed; empty for direct ones.
    pub title: String,
    /// Sorted, the actor among them.
    pub members: Vec<UserId>,
}

pub(super) fn read(asked: Asked, wire: &bus::CreateConversation) -> Result<Operation, Rejected> {
    if wire.member_ids.len() > MAX_NAMED {
        let refusal = invalid("name at most 1,000 members at once; add the others afterwards");
        return Err(refusal.into());
    }
    let mut members = users(&wire.member_ids)?;
    members.push(asked.actor.clone());
    members.sort();
    members.dedup();
    let (kind, title, conversation_id) = if wire.kind == common::ConversationKind::Direct as i32 {
        let [one, other] = members.as_slice() else {
            return Err(invalid("a direct conversation has exactly one other member").into());
        };
        (ConversationKind::Direct, "", direct(one, other))
    } else {
        let id = ConversationId::created(&asked.actor, asked.client_id);
        (ConversationKind::Group, wire.title.trim(), id)
    };
    let mut said = Said::new("create", conversation_id);
    said.text(title);
    said.texts(members.iter().map(UserId::as_str));
    if kind == ConversationKind::Group
        && let Err(refusal) = check_title(title)
    {
        return Err(asked.rejected(Some(said.finish()), refusal));
    }
    let create = Create { kind, title: title.to_owned(), members };
    asked.operation(conversation_id, said, Action::Create(create))
}

impl Rule for Create {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let Self { kind, title, members } = self;
        let key = operation.conversation();
        if planner.found(key).is_some() {
            if *kind == ConversationKind::Direct {
                return Err(Not::Changed);
            }
            let text = "this conversation exists already";
            return Err(Refusal::new(ErrorCode::Conflict, text).into());
        }
        may_join(planner.closed, members)?;
        let owner = (*kind == ConversationKind::Group).then_some(&operation.actor);
        planner.begin(key, *kind, title, members, owner);
        let event = Event::Created { title, members: named(members), count: members.len() };
        Ok(Draft::of(Body::event(&event)))
    }

    fn newcomers<'a>(
        &'a self,
        _operation: &'a Operation,
        snapshot: Option<&Snapshot>,
    ) -> Vec<&'a UserId> {
        if snapshot.is_none() { self.members.iter().collect() } else { Vec::new() }
    }

    fn size(&self) -> Size {
        Size { bytes: 0, memberships: self.members.len() }
    }
}
