//! `add_members` adds members to a group. They see what follows.

use std::sync::Arc;

use proto::bus;
use proto::id::UserId;

use super::plan::{Draft, Not, Planner, may_join, member_row, named};
use super::{Action, Asked, Operation, Rejected, Rule, Size, given_role, invalid, users};
use crate::domain::body::Event;
use crate::domain::conversation::{self, MAX_NAMED};
use crate::domain::entry::{Body, Membership, Role, Snapshot};
use crate::domain::said::Said;

#[derive(Debug, Clone)]
pub struct AddMembers {
    pub users: Vec<UserId>,
    pub role: Role,
}

pub(super) fn read(asked: Asked, wire: &bus::AddMembers) -> Result<Operation, Rejected> {
    if wire.user_ids.is_empty() || wire.user_ids.len() > MAX_NAMED {
        return Err(invalid("name 1 to 1,000 users at once").into());
    }
    let mut users = users(&wire.user_ids)?;
    users.sort();
    users.dedup();
    let conversation_id = asked.conversation_id()?;
    let mut said = Said::new("add", conversation_id);
    said.number(wire.role as u64);
    said.texts(users.iter().map(UserId::as_str));
    let add = AddMembers { users, role: given_role(wire.role) };
    asked.operation(conversation_id, said, Action::AddMembers(add))
}

impl Rule for AddMembers {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let key = operation.conversation();
        let closed = planner.closed;
        let snapshot = planner.snapshot(key)?;
        let new = conversation::addable(snapshot, &operation.actor, &self.users, self.role)?;
        if new.is_empty() {
            return Err(Not::Changed);
        }
        may_join(closed, &new)?;
        let member = Membership { role: self.role, from_seq: snapshot.head + 1 };
        let members = Arc::make_mut(&mut snapshot.members);
        for user in &new {
            members.insert(user.clone(), member);
        }
        for user in &new {
            planner.set_member(key.id, user, Some(member_row(key.id, user, member)));
        }
        let event = Event::MembersAdded {
            members: named(&new),
            count: new.len(),
            role: self.role.as_str(),
        };
        Ok(Draft { joined: new, ..Draft::of(Body::event(&event)) })
    }

    fn newcomers<'a>(
        &'a self,
        _operation: &'a Operation,
        snapshot: Option<&Snapshot>,
    ) -> Vec<&'a UserId> {
        let Some(snapshot) = snapshot else { return Vec::new() };
        self.users.iter().filter(|user| !snapshot.members.contains_key(*user)).collect()
    }

    fn size(&self) -> Size {
        Size { bytes: 0, memberships: self.users.len() }
    }
}
