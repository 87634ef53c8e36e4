//! Operations and what is known of their conversations → rows to append and what to tell whom.
//!
//! Planning works on the given conversations and moves them forward. When the append then fails,
//! they are thrown away and loaded again.

mod existing;
mod repeats;
mod rows;

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use proto::error_code::ErrorCode;
use proto::id::{ClientId, ConversationId, ConversationKey, EntryId, UserId, UserName};
use serde_json::json;

use super::content::SYSTEM;
use super::conversation::{self, Refusal};
use super::entry::{
    ConversationKind, ConversationRow, EntryRow, MemberRow, Membership, Role, Snapshot,
    StoredOperation,
};
use super::operation::{Action, Message, Operation};
use existing::{check_named, may_join};
use repeats::audience;
pub use repeats::{Audience, repeated};
pub use rows::role_name;
use rows::{member_row, message_row, row_of, system_row};

/// Members that an entry names when more are added at once; it counts all of them.
pub const MOST_NAMED: usize = 32;

/// What the conversations of a batch are before it; `None` where there is none.
pub type Conversations = HashMap<ConversationKey, Option<Snapshot>>;
/// What was stored before under the batch's client ids.
pub type Earlier = HashMap<(UserId, ClientId), StoredOperation>;

/// Users whom nobody can add to a conversation now, each with the reason.
pub type Closed = HashMap<UserId, Refusal>;

/// What a batch comes to.
#[derive(Debug, Default)]
pub struct Plan {
    /// New entries.
    pub entries: Vec<EntryRow>,
    /// New conversations and titles, the last state of each.
    pub conversations: HashMap<ConversationKey, ConversationRow>,
    /// Members as they are at the end: set, or `None` when gone.
    pub members: HashMap<(ConversationId, UserId), Option<MemberRow>>,
    /// One for each operation, in order.
    pub outcomes: Vec<Outcome>,
}

/// What became of one operation.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is the plan's entry of this index.
    Stored {
        /// Index into [`Plan::entries`].
        entry: usize,
        /// Who hears of it.
        audience: Audience,
    },
    /// It was stored before: the same answer, and the same entry once more for who missed it.
    Repeated {
        /// What was stored, with the entry where it is to be pushed.
        stored: Box<StoredOperation>,
        /// Who may see it.
        audience: Audience,
    },
    /// It would change nothing, so nothing is stored.
    Unchanged {
        /// Where.
        conversation_id: ConversationId,
        /// The head of the log that says so.
        seq: u64,
    },
    /// Nothing is stored.
    Refused(Refusal),
}

impl Outcome {
    /// True when an earlier operation under the same client id would be answered otherwise.
    pub fn may_be_repeat(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Unchanged { .. })
    }
}

/// Plans a batch in order. `fresh_id` makes entry ids.
pub fn plan(
    operations: &[Operation],
    conversations: &mut Conversations,
    earlier: &Earlier,
    closed: &Closed,
    now_ms: u64,
    fresh_id: &mut dyn FnMut() -> EntryId,
) -> Plan {
    let mut planner = Planner {
        plan: Plan::default(),
        conversations,
        closed,
        now_ms,
        fresh_id,
        in_batch: HashMap::new(),
    };
    for operation in operations {
        let outcome = planner.outcome(operation, earlier);
        planner.plan.outcomes.push(outcome);
    }
    planner.plan
}

struct Planner<'a> {
    plan: Plan,
    conversations: &'a mut Conversations,
    closed: &'a Closed,
    now_ms: u64,
    fresh_id: &'a mut dyn FnMut() -> EntryId,
    /// Client ids of this batch, with the entry that each came to.
    in_batch: HashMap<(UserId, ClientId), usize>,
}

impl Planner<'_> {
    fn outcome(&mut self, operation: &Operation, earlier: &Earlier) -> Outcome {
        let key = (operation.actor.clone(), operation.client_id);
        if let Some(stored) = earlier.get(&key) {
            return repeated(Some(operation.digest), stored, self.conversations)
                .unwrap_or_else(|| Outcome::Refused(repeats::other_content()));
        }
        if let Some(index) = self.in_batch.get(&key) {
            let entry = &self.plan.entries[*index];
            return if entry.digest == operation.digest {
                let stored = Box::new(repeats::in_batch(entry));
                Outcome::Repeated { stored, audience: Audience::default() }
            } else {
                Outcome::Refused(repeats::other_content())
            };
        }
        match self.append(operation) {
            Ok((index, removed)) => {
                self.in_batch.insert(key, index);
                let mut audience = audience(self.conversations, operation.conversation());
                audience.joined = joined(operation, &audience, self.plan.entries[index].seq);
                audience.removed = removed;
                Outcome::Stored { entry: index, audience }
            }
            Err(Not::Changed) => {
                let conversation_id = operation.conversation_id;
                let key = operation.conversation();
                let snapshot = self.conversations.get(&key).and_then(Option::as_ref);
                let seq = snapshot.map_or(0, |snapshot| snapshot.head);
                Outcome::Unchanged { conversation_id, seq }
            }
            Err(Not::Allowed(refusal)) => Outcome::Refused(refusal),
        }
    }

    fn append(&mut self, operation: &Operation) -> Result<(usize, Option<UserId>), Not> {
        let mut removed = None;
        let row = match &operation.action {
            Action::Send(message) => self.send(operation, message)?,
            Action::Create { kind, title, members } => {
                self.create(operation, *kind, title, members)?
            }
            Action::Add { users, role } => self.add(operation, users, *role)?,
            Action::Remove { user } => {
                removed = Some(user.clone());
                self.remove(operation, user)?
            }
            Action::SetRole { user, role } => self.set_role(operation, user, *role)?,
            Action::Rename { title } => self.rename(operation, title)?,
        };
        Ok((self.push(row), removed))
    }

    /// Gives the entry its place.
    fn push(&mut self, mut row: EntryRow) -> usize {
        if let Some(Some(snapshot)) = self.conversations.get_mut(&row.conversation()) {
            snapshot.head += 1;
            row.seq = snapshot.head;
        }
        row.id = (self.fresh_id)();
        row.created_at_ms = self.now_ms;
        self.plan.entries.push(row);
        self.plan.entries.len() - 1
    }

    fn snapshot(&mut self, key: ConversationKey) -> Result<&mut Snapshot, Refusal> {
        self.conversations
            .get_mut(&key)
            .and_then(Option::as_mut)
            .ok_or_else(conversation::not_member)
    }

    fn send(&mut self, operation: &Operation, message: &Message) -> Result<EntryRow, Refusal> {
        let key = operation.conversation();
        if let (Some(to), None) =
            (&message.to, self.conversations.get(&key).and_then(Option::as_ref))
        {
            let members = [operation.actor.clone(), to.clone()];
            // Before anything is planned: a refused message begins no conversation.
            check_named(message, RangeInclusive::new(1, 0), |user| members.contains(user))?;
            may_join(self.closed, &members)?;
            self.begin(key, ConversationKind::Direct, "", &members, None);
            return Ok(message_row(operation, message));
        }
        // Parsing takes this kind from operators alone; they speak wherever there is a conversation.
        let is_operator = message.kind == SYSTEM;
        let snapshot = match self.snapshot(key) {
            Err(_) if is_operator => return Err(conversation::not_found()),
            snapshot => snapshot?,
        };
        if !is_operator {
            conversation::member_role(snapshot, &operation.actor)?;
        }
        let member = snapshot.members.get(&operation.actor);
        let visible = member.map_or(1, |member| member.from_seq)..=snapshot.head;
        check_named(message, visible, |user| snapshot.members.contains_key(user))?;
        Ok(message_row(operation, message))
    }

    fn create(
        &mut self,
        operation: &Operation,
        kind: ConversationKind,
        title: &str,
        members: &[UserId],
    ) -> Result<EntryRow, Not> {
        let key = operation.conversation();
        if matches!(self.conversations.get(&key), Some(Some(_))) {
            if kind == ConversationKind::Direct {
                return Err(Not::Changed);
            }
            let text = "this conversation exists already";
            return Err(Refusal::new(ErrorCode::Conflict, text).into());
        }
        may_join(self.closed, members)?;
        let owner = (kind == ConversationKind::Group).then_some(&operation.actor);
        self.begin(key, kind, title, members, owner);
        let (named, count) = (named(members), members.len());
        let content =
            json!({ "event": "created", "title": title, "members": named, "count": count });
        Ok(system_row(operation, content.to_string()))
    }

    /// Puts a new conversation into the plan and among the known ones.
    fn begin(
        &mut self,
        key: ConversationKey,
        kind: ConversationKind,
        title: &str,
        members: &[UserId],
        owner: Option<&UserId>,
    ) {
        let role = |user: &UserId| if Some(user) == owner { Role::Owner } else { Role::Member };
        let snapshot = Snapshot {
            key,
            kind,
            title: title.to_owned(),
            head: 0,
            created_at_ms: self.now_ms,
            members: Arc::new(
                members
                    .iter()
                    .map(|user| (user.clone(), Membership { role: role(user), from_seq: 1 }))
                    .collect(),
            ),
        };
        self.plan.conversations.insert(key, row_of(&snapshot));
        for (user, member) in snapshot.members.iter() {
            self.plan
                .members
                .insert((key.id, user.clone()), Some(member_row(key.id, user, *member)));
        }
        self.conversations.insert(key, Some(snapshot));
    }

    fn add(
        &mut self,
        operation: &Operation,
        users: &[UserId],
        role: Role,
    ) -> Result<EntryRow, Not> {
        let key = operation.conversation();
        let closed = self.closed;
        let snapshot = self.snapshot(key)?;
        let new = conversation::addable(snapshot, &operation.actor, users, role)?;
        if new.is_empty() {
            return Err(Not::Changed);
        }
        may_join(closed, &new)?;
        let member = Membership { role, from_seq: snapshot.head + 1 };
        let members = Arc::make_mut(&mut snapshot.members);
        for user in &new {
            members.insert(user.clone(), member);
        }
        for user in &new {
            self.plan
                .members
                .insert((key.id, user.clone()), Some(member_row(key.id, user, member)));
        }
        let content = json!({
            "event": "members_added",
            "members": named(&new),
            "count": new.len(),
            "role": role_name(role),
        });
        Ok(system_row(operation, content.to_string()))
    }

    fn remove(&mut self, operation: &Operation, user: &UserId) -> Result<EntryRow, Refusal> {
        let key = operation.conversation();
        let snapshot = self.snapshot(key)?;
        let heir = conversation::removable(snapshot, &operation.actor, user)?;
        let members = Arc::make_mut(&mut snapshot.members);
        members.remove(user);
        let owner = heir.as_ref().and_then(|heir| with_role(members, heir, Role::Owner));
        self.plan.members.insert((key.id, user.clone()), None);
        let event = if *user == operation.actor { "member_left" } else { "member_removed" };
        let mut content = json!({ "event": event, "member": user.name() });
        if let (Some(heir), Some(owner)) = (heir, owner) {
            content["owner"] = json!(heir.name());
            self.plan
                .members
                .insert((key.id, heir.clone()), Some(member_row(key.id, &heir, owner)));
        }
        Ok(system_row(operation, content.to_string()))
    }

    fn set_role(
        &mut self,
        operation: &Operation,
        user: &UserId,
        role: Role,
    ) -> Result<EntryRow, Not> {
        let key = operation.conversation();
        let snapshot = self.snapshot(key)?;
        conversation::may_set_role(snapshot, &operation.actor, user)?;
        if snapshot.members.get(user).is_some_and(|member| member.role == role) {
            return Err(Not::Changed);
        }
        let mut changed = vec![(user.clone(), role)];
        if role == Role::Owner {
            changed.push((operation.actor.clone(), Role::Admin));
        }
        let members = Arc::make_mut(&mut snapshot.members);
        let rows: Vec<_> = changed
            .into_iter()
            .filter_map(|(user, role)| {
                with_role(members, &user, role).map(|member| member_row(key.id, &user, member))
            })
            .collect();
        for row in rows {
            self.plan.members.insert((key.id, row.user_id.clone()), Some(row));
        }
        let content =
            json!({ "event": "role_changed", "member": user.name(), "role": role_name(role) });
        Ok(system_row(operation, content.to_string()))
    }

    fn rename(&mut self, operation: &Operation, title: &str) -> Result<EntryRow, Not> {
        let key = operation.conversation();
        let snapshot = self.snapshot(key)?;
        conversation::may_rename(snapshot, &operation.actor)?;
        if snapshot.title == title {
            return Err(Not::Changed);
        }
        title.clone_into(&mut snapshot.title);
        let row = row_of(snapshot);
        self.plan.conversations.insert(key, row);
        Ok(system_row(operation, json!({ "event": "renamed", "title": title }).to_string()))
    }
}

/// Why an operation appends nothing.
enum Not {
    Allowed(Refusal),
    Changed,
}

impl From<Refusal> for Not {
    fn from(refusal: Refusal) -> Self {
        Self::Allowed(refusal)
    }
}

/// Those whom an entry names: everybody who comes later reads it, and whoever wants all asks for the members.
fn named(members: &[UserId]) -> Vec<UserName> {
    members.iter().take(MOST_NAMED).map(UserId::name).collect()
}

/// Whom the entry at `seq` adds.
fn joined(operation: &Operation, audience: &Audience, seq: u64) -> Vec<UserId> {
    let Action::Add { users, .. } = &operation.action else { return Vec::new() };
    let is_new = |user: &&UserId| audience.members.get(*user).is_some_and(|it| it.from_seq == seq);
    users.iter().filter(is_new).cloned().collect()
}

/// Gives a member another role; what they may see stays as it is.
fn with_role(
    members: &mut BTreeMap<UserId, Membership>,
    user: &UserId,
    role: Role,
) -> Option<Membership> {
    let member = members.get_mut(user)?;
    member.role = role;
    Some(*member)
}
