//! `remove_member` removes a member of a group, or lets one leave. Who is removed hears of it and nothing after it.

use std::sync::Arc;

use proto::bus;
use proto::id::UserId;

use super::plan::{Draft, Not, Planner, member_row, with_role};
use super::{Action, Asked, Operation, Rejected, Rule, user};
use crate::domain::body::Event;
use crate::domain::conversation;
use crate::domain::entry::{Body, Role};
use crate::domain::said::Said;

/// Removes a member, or leaves.
#[derive(Debug, Clone)]
pub struct RemoveMember {
    pub user: UserId,
}

pub(super) fn read(asked: Asked, wire: &bus::RemoveMember) -> Result<Operation, Rejected> {
    let conversation_id = asked.conversation_id()?;
    let mut said = Said::new("remove", conversation_id);
    said.text(&wire.user_id);
    let remove = RemoveMember { user: user(&wire.user_id)? };
    asked.operation(conversation_id, said, Action::RemoveMember(remove))
}

impl Rule for RemoveMember {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let (key, user) = (operation.conversation(), &self.user);
        let snapshot = planner.snapshot(key)?;
        let heir = conversation::removable(snapshot, &operation.actor, user)?;
        let members = Arc::make_mut(&mut snapshot.members);
        members.remove(user);
        let owner = heir.as_ref().and_then(|heir| with_role(members, heir, Role::Owner));
        planner.set_member(key.id, user, None);
        if let (Some(heir), Some(owner)) = (&heir, owner) {
            planner.set_member(key.id, heir, Some(member_row(key.id, heir, owner)));
        }
        let member = user.name();
        let event = if *user == operation.actor {
            Event::MemberLeft { member, owner: heir.map(|heir| heir.name()) }
        } else {
            Event::MemberRemoved { member }
        };
        Ok(Draft { removed: Some(user.clone()), ..Draft::of(Body::event(&event)) })
    }
}
