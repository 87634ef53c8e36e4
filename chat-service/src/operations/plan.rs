//! Operations and what is known of their conversations → rows to append and what to tell whom.
//!
//! Planning works on the given conversations and moves them forward. When the append then fails,
//! they are thrown away and loaded again.

mod mentions;
mod own;
mod repeats;
mod rows;
mod tallies;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use proto::id::{ClientId, ConversationId, ConversationKey, EntryId, UserId, UserName};

use super::Operation;
use crate::config::MessagesConfig;
use crate::domain::act::Act;
use crate::domain::conversation::{self, Refusal};
use crate::domain::drafts::{DraftPlace, KeptDraft};
use crate::domain::entry::{
    Author, Body, ChangeKind, ConversationKind, ConversationRow, DeviceType, Entry, FollowRow,
    MemberRow, Membership, MentionKey, MentionRow, PinRow, Role, SenderType, Snapshot, Source,
    Sources, State, StoredOperation, Target, Targets,
};
use crate::domain::own::{Facts, Place, Setting};
use crate::domain::tally::{ReactionKey, ReactionRow, Tally};
use repeats::audience;
pub use repeats::{Audience, repeated};
pub(super) use rows::member_row;
use rows::row_of;

/// Members that an entry names when more are added at once; it counts all of them.
pub const MOST_NAMED: usize = 32;

/// What the conversations of a batch are before it; `None` where there is none.
pub type Conversations = HashMap<ConversationKey, Option<Snapshot>>;
/// What was stored before under the batch's client ids.
pub type Earlier = HashMap<(UserId, ClientId), StoredOperation>;

/// What is known of reactions that are rows, by their messages.
pub type Tallies = HashMap<(ConversationKey, u64), Tally>;

/// Users whom nobody can add to a conversation now, each with the reason.
pub type Closed = HashMap<UserId, Refusal>;

/// What a batch comes to.
#[derive(Debug, Default)]
pub struct Plan {
    pub entries: Vec<Entry>,
    /// New conversations and titles, the last state of each.
    pub conversations: HashMap<ConversationKey, ConversationRow>,
    /// Members as they are at the end: set, or `None` when gone.
    pub members: HashMap<(ConversationId, UserId), Option<MemberRow>>,
    /// What messages have become, of those that are changed.
    pub states: HashMap<(ConversationKey, u64), State>,
    /// Entries of before whose content is gone from now on.
    pub blanked: Vec<(ConversationKey, u64)>,
    /// Pinned messages as they are at the end: set, or `None` when unpinned.
    pub pins: HashMap<(ConversationKey, u64), Option<PinRow>>,
    /// What users set of their own as it is at the end: set, or `None` when as where nothing was ever set.
    pub settings: HashMap<(UserId, Place), Option<Setting>>,
    /// Drafts as they are at the end: kept, or `None` when taken back.
    pub drafts: HashMap<(UserId, DraftPlace), Option<KeptDraft>>,
    /// Whom messages mention as they are at the end: set, or `None` when they do so no more.
    pub mentions: HashMap<MentionKey, Option<MentionRow>>,
    /// Reactions that are rows as they are at the end: there, or `None` when taken back.
    pub reactions: BTreeMap<ReactionKey, Option<ReactionRow>>,
    /// When reactions to messages are to be counted from now on; `None`: they are.
    pub dues: HashMap<(ConversationKey, u64), Option<u64>>,
    /// The heads, before this batch, of the conversations whose reactions it changes.
    pub heads: HashMap<ConversationKey, u64>,
    /// Who follows which threads, from then on where they did not before.
    pub follows: HashMap<(ConversationKey, u64, UserId), FollowRow>,
    /// What is done by the role of a token.
    pub acts: Vec<Act>,
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
        conversation_id: ConversationId,
        /// The head of the log that says so; of a message the last change of it.
        seq: u64,
    },
    /// A reaction is stored, and is told with others later. The last change of the message.
    Tallied { conversation_id: ConversationId, seq: u64 },
    /// Nothing is stored.
    Refused(Refusal),
}

impl Outcome {
    /// True when an earlier operation under the same client id would be answered otherwise.
    pub fn may_be_repeat(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Unchanged { .. })
    }
}

/// What is known before a batch is planned.
#[derive(Debug, Default)]
pub struct Known {
    /// What was stored before under its client ids, where that was looked up.
    pub earlier: Earlier,
    /// Users whom nobody can add.
    pub closed: Closed,
    /// What its operations change. Read after the conversations.
    pub targets: Targets,
    /// What its operations copy. Other conversations have it, so no head proves that it is current, and none has to.
    pub sources: Sources,
    /// What is known of reactions that are rows. Read after the targets.
    pub tallies: Tallies,
    /// Bounds of what may become of messages.
    pub messages: MessagesConfig,
    /// Members above which a conversation is large.
    pub large_members: usize,
    /// What its operations set. Read after the conversations.
    pub own: Facts,
}

/// Plans a batch in order. `fresh_id` makes entry ids.
pub fn plan(
    operations: &[Operation],
    conversations: &mut Conversations,
    known: &mut Known,
    now_ms: u64,
    fresh_id: &mut dyn FnMut() -> EntryId,
) -> Plan {
    let mut planner = Planner {
        plan: Plan::default(),
        conversations,
        closed: &known.closed,
        targets: &mut known.targets,
        sources: &known.sources,
        tallies: &mut known.tallies,
        messages: known.messages,
        large_members: known.large_members,
        own: &mut known.own,
        now_ms,
        fresh_id,
        in_batch: HashMap::new(),
    };
    for operation in operations {
        let outcome = planner.outcome(operation, &known.earlier);
        planner.plan.outcomes.push(outcome);
    }
    planner.plan
}

/// A batch that is being planned: what operations look at, and what they change.
pub struct Planner<'a> {
    plan: Plan,
    conversations: &'a mut Conversations,
    /// Users whom nobody can add.
    pub(super) closed: &'a Closed,
    targets: &'a mut Targets,
    sources: &'a Sources,
    tallies: &'a mut Tallies,
    large_members: usize,
    /// Bounds of what may become of messages.
    pub(super) messages: MessagesConfig,
    own: &'a mut Facts,
    /// When the batch is planned, in Unix milliseconds.
    pub(super) now_ms: u64,
    fresh_id: &'a mut dyn FnMut() -> EntryId,
    /// Client ids of this batch, with the entry that each came to.
    in_batch: HashMap<(UserId, ClientId), usize>,
}

/// The entry that an operation comes to, without what the planner gives it.
#[derive(Debug)]
pub struct Draft {
    pub body: Body,
    /// The entry that it changes.
    pub target: Option<u64>,
    /// The first message of the thread that it belongs to.
    pub thread: Option<u64>,
    /// It is of a thread, and shown in the conversation, too.
    pub also_in_main: bool,
    /// For devices of this type alone.
    pub device_type: Option<DeviceType>,
    /// From when on it is blank, in Unix milliseconds.
    pub expires_at_ms: Option<u64>,
    /// Hears of the own removal.
    pub removed: Option<UserId>,
    /// Those whom it adds.
    pub joined: Vec<UserId>,
}

impl Draft {
    /// An entry that is for everybody and changes no other.
    pub fn of(body: Body) -> Self {
        Self {
            body,
            target: None,
            thread: None,
            also_in_main: false,
            device_type: None,
            expires_at_ms: None,
            removed: None,
            joined: Vec::new(),
        }
    }
}

/// Why an operation appends nothing.
#[derive(Debug)]
pub enum Not {
    /// It is not allowed.
    Allowed(Refusal),
    /// Everything is as it asks already.
    Changed,
    /// The message is as it asks already; the last entry that changed it.
    ChangedSince(u64),
    /// The reaction is told later; the last entry that changed the message.
    Tallied(u64),
}

impl From<Refusal> for Not {
    fn from(refusal: Refusal) -> Self {
        Self::Allowed(refusal)
    }
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
        match self.applied(operation) {
            Ok(mut draft) => {
                let (removed, joined) = (draft.removed.take(), std::mem::take(&mut draft.joined));
                let index = self.push(operation, draft);
                self.in_batch.insert(key, index);
                let mut audience = audience(self.conversations, operation.conversation());
                (audience.removed, audience.joined) = (removed, joined);
                Outcome::Stored { entry: index, audience }
            }
            Err(Not::Changed) => {
                let conversation_id = operation.conversation_id;
                let seq = self.found(operation.conversation()).map_or(0, |snapshot| snapshot.head);
                Outcome::Unchanged { conversation_id, seq }
            }
            Err(Not::ChangedSince(seq)) => {
                Outcome::Unchanged { conversation_id: operation.conversation_id, seq }
            }
            Err(Not::Tallied(seq)) => {
                Outcome::Tallied { conversation_id: operation.conversation_id, seq }
            }
            Err(Not::Allowed(refusal)) => Outcome::Refused(refusal),
        }
    }

    /// Gives the entry its place.
    fn push(&mut self, operation: &Operation, draft: Draft) -> usize {
        let key = operation.conversation();
        let seq = self.next_seq(key);
        if let Some(Some(snapshot)) = self.conversations.get_mut(&key) {
            snapshot.head = seq;
        }
        let r#type = match &draft.body {
            Body::System(_) | Body::Change(ChangeKind::Tally, _) => SenderType::System,
            Body::Message(message) if message.kind.is_of_operators() => SenderType::Operator,
            _ if operation.is_bot => SenderType::Bot,
            _ => SenderType::User,
        };
        let entry = Entry {
            conversation_id: operation.conversation_id,
            seq,
            id: (self.fresh_id)(),
            author: Author { id: operation.actor.clone(), r#type },
            client_id: operation.client_id,
            digest: operation.digest,
            created_at_ms: self.now_ms,
            target: draft.target,
            thread: draft.thread,
            also_in_main: draft.also_in_main,
            device_type: draft.device_type,
            expires_at_ms: draft.expires_at_ms,
            body: draft.body,
        };
        self.plan.mentions.extend(mentions::of(&entry).map(|row| (row.key(), Some(row))));
        self.plan.entries.push(entry);
        let place = self.plan.entries.len() - 1;
        self.fold(place);
        place
    }

    /// Applies a new entry to the messages that it changes.
    fn fold(&mut self, place: usize) {
        let entry = &self.plan.entries[place];
        let (key, changed) = (entry.conversation(), entry.changes());
        let is_edit = matches!(entry.body, Body::Change(ChangeKind::Edit, _));
        let is_reply = matches!(entry.body, Body::Message(_));
        for seq in changed {
            // Looked at by the operation: what is not there, it does not change.
            let Some(mut target) = self.target(key, seq) else { continue };
            let entry = &self.plan.entries[place];
            let was_gone = target.state.gone.is_some();
            let was_tallied = target.state.tallied;
            let named = if is_reply { BTreeSet::new() } else { target.named() };
            target.state.apply(entry);
            if is_edit {
                target.edits.push(entry.seq);
                self.name_anew(key, seq, &target, &named);
            }
            self.plan.states.insert((key, seq), target.state.clone());
            if was_tallied && target.state.gone.is_some() {
                target.tally_due_ms = Some(self.now_ms);
                self.plan.dues.insert((key, seq), target.tally_due_ms);
            } else if target.tally_due_ms.is_some() {
                self.plan.dues.insert((key, seq), target.tally_due_ms);
            }
            if target.state.gone.is_some() && !was_gone {
                self.name_nobody(key, seq, &target, named);
                self.blank(key, seq, &mut target);
            }
            self.targets.entries.insert((key, seq), target);
        }
    }

    /// Takes away the content of a message and of its edits, and what hangs on it. Entries of this batch are written without.
    fn blank(&mut self, key: ConversationKey, seq: u64, target: &mut Target) {
        for seq in std::iter::once(seq).chain(std::mem::take(&mut target.edits)) {
            match self.plan.entries.iter_mut().find(|it| it.seq == seq && it.conversation() == key)
            {
                Some(entry) => entry.body.blank(),
                None => self.plan.blanked.push((key, seq)),
            }
        }
        target.is_blank = true;
        if target.pinned_seq.take().is_some() {
            self.set_pin(key, seq, None);
        }
    }

    /// The conversation, where there is one.
    pub(super) fn found(&self, key: ConversationKey) -> Option<&Snapshot> {
        self.conversations.get(&key).and_then(Option::as_ref)
    }

    /// The conversation, for those who are members of one that there is.
    pub(super) fn snapshot(&mut self, key: ConversationKey) -> Result<&mut Snapshot, Refusal> {
        self.conversations
            .get_mut(&key)
            .and_then(Option::as_mut)
            .ok_or_else(conversation::not_member)
    }

    /// The place of the entry that is planned now.
    pub(super) fn next_seq(&self, key: ConversationKey) -> u64 {
        self.found(key).map_or(0, |snapshot| snapshot.head) + 1
    }

    /// An entry that an operation changes, as the operations before it leave it.
    pub(super) fn target(&self, key: ConversationKey, seq: u64) -> Option<Target> {
        let mut target = match self.targets.entries.get(&(key, seq)) {
            Some(target) => target.clone(),
            None => rows::target_of(self.in_plan(key, seq)?),
        };
        if let Some(pin) = self.plan.pins.get(&(key, seq)) {
            target.pinned_seq = pin.as_ref().map(|pin| pin.pinned_seq);
        }
        Some(target)
    }

    /// A message that somebody copies.
    pub(super) fn source(
        &self,
        actor: &UserId,
        from: ConversationId,
        seq: u64,
    ) -> Option<&'_ Source> {
        self.sources.get(&(actor.clone(), from, seq))
    }

    /// An entry of this batch.
    fn in_plan(&self, key: ConversationKey, seq: u64) -> Option<&Entry> {
        self.plan.entries.iter().find(|entry| entry.seq == seq && entry.conversation() == key)
    }

    /// How many messages are pinned.
    pub(super) fn pins(&self, key: ConversationKey) -> u32 {
        self.targets.pins.get(&key).copied().unwrap_or_default()
    }

    /// Pins a message, or unpins it.
    pub(super) fn set_pin(&mut self, key: ConversationKey, seq: u64, pin: Option<PinRow>) {
        let pins = self.targets.pins.entry(key).or_default();
        *pins = if pin.is_some() { *pins + 1 } else { pins.saturating_sub(1) };
        self.plan.pins.insert((key, seq), pin);
    }

    /// Has an act written down with what it does.
    pub(super) fn act(&mut self, act: Act) {
        self.plan.acts.push(act);
    }

    /// Keeps a member as they are now; `None`: they are none any more.
    pub(super) fn set_member(
        &mut self,
        id: ConversationId,
        user: &UserId,
        member: Option<MemberRow>,
    ) {
        self.plan.members.insert((id, user.clone()), member);
    }

    /// Keeps the title of a conversation as it is now.
    pub(super) fn keep_conversation(&mut self, key: ConversationKey) {
        if let Some(row) = self.found(key).map(row_of) {
            self.plan.conversations.insert(key, row);
        }
    }

    /// Puts a new conversation into the plan and among the known ones.
    pub(super) fn begin(
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
        for (user, member) in snapshot.members.iter() {
            self.set_member(key.id, user, Some(member_row(key.id, user, *member)));
        }
        self.conversations.insert(key, Some(snapshot));
        self.keep_conversation(key);
    }
}

/// All of them can be added to a conversation.
pub(super) fn may_join(closed: &Closed, users: &[UserId]) -> Result<(), Refusal> {
    match users.iter().find_map(|user| closed.get(user)) {
        Some(refusal) => Err(refusal.clone()),
        None => Ok(()),
    }
}

/// Those whom an entry names: everybody who comes later reads it, and a client that wants all asks for the members.
pub(super) fn named(members: &[UserId]) -> Vec<UserName> {
    members.iter().take(MOST_NAMED).map(UserId::name).collect()
}

/// Gives a member another role; what they may see stays as it is.
pub(super) fn with_role(
    members: &mut BTreeMap<UserId, Membership>,
    user: &UserId,
    role: Role,
) -> Option<Membership> {
    let member = members.get_mut(user)?;
    member.role = role;
    Some(*member)
}
