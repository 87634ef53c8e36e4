//! `set_role` gives a member another role. An owner who makes somebody else the owner is an admin from then on.

use std::sync::Arc;

use proto::bus;
use proto::id::UserId;

use super::plan::{Draft, Not, Planner, member_row, with_role};
use super::{Action, Asked, Operation, Rejected, Rule, given_role, user};
use crate::domain::body::Event;
use crate::domain::conversation;
use crate::domain::entry::{Body, Role};
use crate::domain::said::Said;

#[derive(Debug, Clone)]
pub struct SetRole {
    pub user: UserId,
    pub role: Role,
}

pub(super) fn read(asked: Asked, wire: &bus::SetRole) -> Result<Operation, Rejected> {
    let conversation_id = asked.conversation_id()?;
    let mut said = Said::new("role", conversation_id);
    said.text(&wire.user_id);
    said.number(wire.role as u64);
    let set = SetRole { user: user(&wire.user_id)?, role: given_role(wire.role) };
    asked.operation(conversation_id, said, Action::SetRole(set))
}

impl Rule for SetRole {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let (key, role) = (operation.conversation(), self.role);
        let snapshot = planner.snapshot(key)?;
        conversation::may_set_role(snapshot, &operation.actor, &self.user)?;
        if snapshot.members.get(&self.user).is_some_and(|member| member.role == role) {
            return Err(Not::Changed);
        }
        let mut changed = vec![(&self.user, role)];
        if role == Role::Owner {
            changed.push((&operation.actor, Role::Admin));
        }
        let members = Arc::make_mut(&mut snapshot.members);
        let rows: Vec<_> = changed
            .into_iter()
            .filter_map(|(user, role)| {
                let member = with_role(members, user, role)?;
                Some((user, member_row(key.id, user, member)))
            })
            .collect();
        for (user, row) in rows {
            planner.set_member(key.id, user, Some(row));
        }
        let event = Event::RoleChanged { member: self.user.name(), role: role.as_str() };
        Ok(Draft::of(Body::event(&event)))
    }
}
