//! What planning promises whatever is asked, in whichever batches it arrives.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::collections::HashMap;

use chat_service::domain::act::Authority;
use chat_service::domain::entry::{
    Class, ConversationKind, Digest, Entry, MessageKind, PinRow, Role, Snapshot, State,
    StoredOperation, Target, TargetKey, Targets,
};
use chat_service::domain::said::Said;
use chat_service::operations::add_members::AddMembers;
use chat_service::operations::create::Create;
use chat_service::operations::delete::Delete;
use chat_service::operations::edit::Edit;
use chat_service::operations::pin::Pin;
use chat_service::operations::plan::{
    Conversations, Earlier, Known, MOST_NAMED, Outcome, Plan, plan,
};
use chat_service::operations::react::React;
use chat_service::operations::remove_member::RemoveMember;
use chat_service::operations::rename::Rename;
use chat_service::operations::send::Send;
use chat_service::operations::set_role::SetRole;
use chat_service::operations::{Action, Operation};
use proptest::prelude::*;
use proto::id::{ClientId, ConversationId, ConversationKey, EntryId, TenantId, UserId};

const USERS: [&str; 5] = ["ann", "bob", "cleo", "dan", "eve"];
const CONVERSATIONS: u128 = 2;

fn user(place: usize) -> UserId {
    UserId::parse_qualified(USERS[place]).unwrap()
}

fn conversation(place: u128) -> ConversationId {
    ConversationId(uuid::Uuid::from_u128(place + 1))
}

fn client_id(number: u16) -> ClientId {
    ClientId(uuid::Uuid::from_u128(u128::from(number) + 1))
}

fn action() -> impl Strategy<Value = Action> {
    let users = prop::collection::vec(0..USERS.len(), 1..3)
        .prop_map(|places| places.into_iter().map(user).collect::<Vec<_>>());
    let anyone = (0..USERS.len()).prop_map(user);
    let role = prop_oneof![Just(Role::Member), Just(Role::Admin), Just(Role::Owner)];
    prop_oneof![
        6 => "[a-z]{1,4}".prop_map(|text| Action::Send(Send {
            to: None,
            kind: MessageKind::Text,
            content: format!(r#"{{"text":"{text}"}}"#),
            reply_to: None,
            mentions: Vec::new(),
            is_important: false,
            extra: None,
            device_type: None,
            thread: None,
            also_in_main: false,
            mention_all: false,
        })),
        2 => (users.clone(), role.clone())
            .prop_map(|(users, role)| Action::AddMembers(AddMembers { users, role })),
        2 => anyone.clone().prop_map(|user| Action::RemoveMember(RemoveMember { user })),
        1 => (anyone, role).prop_map(|(user, role)| Action::SetRole(SetRole { user, role })),
        1 => "[a-z]{1,4}".prop_map(|title| Action::Rename(Rename { title })),
        3 => (1..12_u64, any::<bool>()).prop_map(|(seq, on)| Action::Pin(Pin { seq, on })),
        6 => change(),
    ]
}

/// Changes of messages.
fn change() -> impl Strategy<Value = Action> {
    let key = prop::sample::select(vec!["👍", "x"]);
    prop_oneof![
        3 => (1..12_u64, key, any::<bool>()).prop_map(|(seq, key, on)| {
            Action::React(React { seq, key: key.to_owned(), on })
        }),
        3 => (1..12_u64, "[a-z]{1,4}", prop::option::of(0..12_u64)).prop_map(|(seq, text, base)| {
            Action::Edit(Edit {
                seq,
                content: format!(r#"{{"text":"{text}"}}"#),
                mentions: Vec::new(),
                extra: None,
                base,
                is_operator: false,
            })
        }),
        1 => (prop::collection::btree_set(1..12_u64, 1..3), any::<bool>()).prop_map(
            |(seqs, is_list)| {
                let count = if is_list { seqs.len() } else { 1 };
                let seqs = seqs.into_iter().take(count).collect();
                Action::Delete(Delete {
                    seqs,
                    is_list,
                    reason: None,
                    authority: Authority::None,
                    ip: String::new(),
                })
            }
        ),
    ]
}

/// Operations with client ids from a small set, so that some are repeated: the same actor, client id
/// and content, or the same id with other content.
fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let fresh = (0..USERS.len(), 0..CONVERSATIONS, 0..40_u16, action()).prop_map(
        |(actor, place, number, action)| Operation {
            actor: user(actor),
            is_bot: false,
            client_id: client_id(number),
            conversation_id: conversation(place),
            digest: digest(place, &action),
            action,
        },
    );
    prop::collection::vec(fresh, 1..60).prop_flat_map(|fresh| {
        let count = fresh.len();
        let repeats = prop::collection::vec((0..count, 0..=count), 0..10);
        repeats.prop_map(move |repeats| {
            let mut all = fresh.clone();
            for (from, to) in repeats {
                let again = fresh[from].clone();
                all.insert(to.min(all.len()), again);
            }
            all
        })
    })
}

fn digest(place: u128, action: &Action) -> Digest {
    let text = format!("{place} {action:?}");
    let mut said = Said::new(&text, conversation(place));
    said.number(0);
    said.finish()
}

/// A store in a few maps.
#[derive(Default)]
struct Log {
    entries: HashMap<ConversationId, Vec<Entry>>,
    pins: HashMap<(ConversationKey, u64), PinRow>,
    states: HashMap<(ConversationKey, u64), State>,
    operations: Earlier,
    conversations: Conversations,
    outcomes: Vec<String>,
    ids: u128,
}

impl Log {
    fn begun() -> Self {
        let mut log = Self::default();
        let founders: Vec<_> = (0..CONVERSATIONS)
            .map(|place| {
                let action = Action::Create(Create {
                    kind: ConversationKind::Group,
                    title: "Crew".to_owned(),
                    members: vec![user(0), user(1)],
                });
                Operation {
                    actor: user(0),
                    is_bot: false,
                    client_id: client_id(1_000 + u16::try_from(place).unwrap()),
                    conversation_id: conversation(place),
                    digest: digest(place, &action),
                    action,
                }
            })
            .collect();
        log.apply(&founders);
        log
    }

    fn snapshot(&self, id: ConversationId) -> &Snapshot {
        self.conversations[&ConversationKey::new(TenantId::DEFAULT, id)].as_ref().unwrap()
    }

    /// Plans one batch and commits it, checking every promise on the way.
    fn apply(&mut self, batch: &[Operation]) {
        for operation in batch {
            self.conversations.entry(operation.conversation()).or_insert(None);
        }
        let mut ids = self.ids;
        let mut fresh = || {
            ids += 1;
            EntryId(uuid::Uuid::from_u128(ids))
        };
        let mut known = Known {
            earlier: self.operations.clone(),
            targets: self.targets(batch),
            large_members: usize::MAX,
            ..Known::default()
        };
        let planned = plan(batch, &mut self.conversations, &mut known, 5, &mut fresh);
        self.ids = ids;
        self.keep(planned, batch);
    }

    /// What a store knows of the targets of a batch before it.
    fn targets(&self, batch: &[Operation]) -> Targets {
        let mut targets = Targets::default();
        for wanted in batch.iter().flat_map(Operation::targets) {
            // It may give edits that nobody asks for.
            let TargetKey { conversation: key, seq, .. } = wanted;
            let pinned = self.pins.keys().filter(|(of, _)| *of == key).count();
            targets.pins.insert(key, u32::try_from(pinned).unwrap());
            let log = self.entries.get(&key.id);
            let Some(entry) = log.and_then(|log| log.get(seq as usize - 1)) else { continue };
            let edits = log.into_iter().flatten();
            let edits = edits.filter(|it| it.target == Some(seq) && it.body.kind() == "edit");
            let edits = edits.map(|edit| edit.seq).collect();
            let target = Target {
                kind: entry.body.kind().to_owned(),
                author: entry.author.id.clone(),
                created_at_ms: entry.created_at_ms,
                thread: entry.thread,
                also_in_main: entry.also_in_main,
                mentions: entry.body.message().map_or(Vec::new(), |it| it.mentions.clone()),
                mention_all: entry.body.message().is_some_and(|it| it.mention_all),
                state: self.states.get(&(key, seq)).cloned().unwrap_or_default(),
                edits,
                device_type: None,
                expires_at_ms: None,
                is_blank: entry.body.content() == "{}",
                pinned_seq: self.pins.get(&(key, seq)).map(|pin| pin.pinned_seq),
                tally_due_ms: None,
            };
            targets.entries.insert((key, seq), target);
        }
        targets
    }

    fn keep(&mut self, planned: Plan, batch: &[Operation]) {
        assert_eq!(planned.outcomes.len(), batch.len());
        for entry in &planned.entries {
            let log = self.entries.entry(entry.conversation_id).or_default();
            assert_eq!(entry.seq, log.len() as u64 + 1, "no gap, no seq twice");
            log.push(entry.clone());
            let key = (entry.author.id.clone(), entry.client_id);
            let stored = StoredOperation {
                conversation: entry.conversation(),
                seq: entry.seq,
                entry_id: entry.id,
                created_at_ms: entry.created_at_ms,
                digest: Some(entry.digest),
                entry: Some(Box::new(entry.clone())),
            };
            assert!(self.operations.insert(key, stored).is_none(), "a client id is stored once");
        }
        for outcome in &planned.outcomes {
            self.outcomes.push(match outcome {
                Outcome::Stored { entry, .. } => told(&planned.entries[*entry]),
                Outcome::Repeated { stored, audience } => {
                    for (member, membership) in audience.members.iter() {
                        let seq = stored.seq;
                        assert!(membership.from_seq <= seq, "{member} may not see {seq}");
                    }
                    place(stored.conversation.id, stored.seq)
                }
                Outcome::Unchanged { .. } => "unchanged".to_owned(),
                Outcome::Tallied { .. } => "tallied".to_owned(),
                Outcome::Refused(refusal) => format!("{:?}", refusal.code),
            });
        }
        for ((id, user), row) in planned.members {
            let member = self.snapshot(id).members.get(&user).copied();
            assert_eq!(
                row.map(|row| (row.role, row.from_seq)),
                member.map(|member| (member.role, member.from_seq)),
                "rows and memory say the same of {user}"
            );
        }
        for (key, seq) in planned.blanked {
            self.entries.get_mut(&key.id).unwrap()[seq as usize - 1].body.blank();
        }
        self.states.extend(planned.states);
        for (place, pin) in planned.pins {
            match pin {
                Some(pin) => {
                    let target = &self.entries[&place.0.id][place.1 as usize - 1];
                    assert_eq!(target.body.class(), Class::Message, "only messages are pinned");
                    self.pins.insert(place, pin);
                }
                None => drop(self.pins.remove(&place)),
            }
        }
    }
}

fn told(entry: &Entry) -> String {
    place(entry.conversation_id, entry.seq)
}

fn place(id: ConversationId, seq: u64) -> String {
    format!("{id} {seq}")
}

proptest! {
    #[test]
    fn batches_do_not_matter(all in operations(), cuts in prop::collection::vec(1_usize..8, 60)) {
        let mut whole = Log::begun();
        whole.apply(&all);
        let mut pieces = Log::begun();
        let mut rest = all.as_slice();
        for cut in cuts {
            let (batch, later) = rest.split_at(cut.min(rest.len()));
            pieces.apply(batch);
            rest = later;
        }
        pieces.apply(rest);
        prop_assert_eq!(&whole.outcomes, &pieces.outcomes);
        for place in 0..CONVERSATIONS {
            let id = conversation(place);
            prop_assert_eq!(whole.snapshot(id), pieces.snapshot(id));
        }
        prop_assert_eq!(&whole.pins, &pieces.pins);
        prop_assert_eq!(&whole.states, &pieces.states);
        let contents = |log: &Log| -> Vec<_> {
            let entries = (0..CONVERSATIONS).flat_map(|place| &log.entries[&conversation(place)]);
            entries.map(|entry| entry.body.clone()).collect()
        };
        prop_assert_eq!(contents(&whole), contents(&pieces), "what is gone is gone from all rows");
    }

    #[test]
    fn states_are_what_the_log_says_and_what_is_gone_is_in_no_entry(all in operations()) {
        let mut log = Log::begun();
        log.apply(&all);
        let mut folded: HashMap<(ConversationKey, u64), State> = HashMap::new();
        for entry in log.entries.values().flatten() {
            for seq in entry.changes() {
                folded.entry((entry.conversation(), seq)).or_default().apply(entry);
            }
        }
        // The contents of deleted messages and of their edits are gone, and so of the folded states.
        prop_assert_eq!(&folded, &log.states);
        for ((key, seq), state) in &log.states {
            let entries = &log.entries[&key.id];
            let of_it = entries.iter().filter(|it| it.target == Some(*seq) && it.body.kind() == "edit");
            let of_it = of_it.chain([&entries[*seq as usize - 1]]);
            let blank = of_it.filter(|entry| entry.body.content() == "{}").count();
            prop_assert_eq!(blank > 0, state.gone.is_some());
            let pinned = log.pins.get(&(*key, *seq)).map(|pin| pin.pinned_seq);
            prop_assert_eq!(state.pinned.as_ref().map(|pinned| pinned.seq), pinned);
        }
    }

    #[test]
    fn what_is_pinned_is_what_the_log_says(all in operations()) {
        let mut log = Log::begun();
        log.apply(&all);
        let mut folded: HashMap<(ConversationId, u64), u64> = HashMap::new();
        for (id, entries) in &log.entries {
            for entry in entries {
                match (entry.body.kind(), entry.body.content()) {
                    ("pin", r#"{"on":true}"#) => {
                        let place = (*id, entry.target.unwrap());
                        prop_assert!(folded.insert(place, entry.seq).is_none());
                    }
                    ("pin", _) => {
                        let place = (*id, entry.target.unwrap());
                        prop_assert!(folded.remove(&place).is_some(), "unpinned and not pinned");
                    }
                    // What is deleted is no longer pinned; no entry of its own says so.
                    ("delete", _) => folded.retain(|(of, seq), _| {
                        of != id || !entry.changes().contains(seq)
                    }),
                    _ => {}
                }
            }
        }
        let pins = log.pins.iter().map(|((key, seq), pin)| ((key.id, *seq), pin.pinned_seq));
        prop_assert_eq!(pins.collect::<HashMap<_, _>>(), folded);
    }

    #[test]
    fn a_batch_that_comes_again_stores_nothing_and_gets_the_same_answers(all in operations()) {
        let mut log = Log::begun();
        log.apply(&all);
        let (entries, from) = (log.ids, log.outcomes.len());
        let first = log.outcomes.clone();
        log.apply(&all);
        let is_place = |outcome: &&String| outcome.contains(' ');
        for (before, again) in first[from - all.len()..].iter().zip(&log.outcomes[from..]) {
            // What was refused may be allowed by now; what was stored stays where it is.
            if is_place(&before) {
                prop_assert_eq!(before, again);
            }
        }
        let stored_now = log.ids - entries;
        let refused = first[from - all.len()..].iter().filter(|outcome| !outcome.contains(' ')).count();
        prop_assert!(stored_now <= refused as u128);
    }

    #[test]
    fn a_group_with_members_has_an_owner(all in operations()) {
        let mut log = Log::begun();
        log.apply(&all);
        for place in 0..CONVERSATIONS {
            let members = &log.snapshot(conversation(place)).members;
            let owners = members.values().filter(|member| member.role == Role::Owner).count();
            prop_assert_eq!(owners, usize::from(!members.is_empty()));
        }
    }
}

#[test]
fn an_entry_names_some_of_thousands_who_are_added_and_counts_all_of_them() {
    let mut log = Log::begun();
    let users: Vec<_> =
        (0..500).map(|n| UserId::parse_qualified(&format!("user-{n:03}")).unwrap()).collect();
    let action = Action::AddMembers(AddMembers { users: users.clone(), role: Role::Member });
    log.apply(&[Operation {
        actor: user(0),
        is_bot: false,
        client_id: client_id(1),
        conversation_id: conversation(0),
        digest: digest(0, &action),
        action,
    }]);
    let entry = &log.entries[&conversation(0)][1];
    let content: serde_json::Value = serde_json::from_str(entry.body.content()).unwrap();
    assert_eq!(content["count"], 500);
    let named: Vec<_> = users[..MOST_NAMED].iter().map(UserId::name).collect();
    assert_eq!(content["members"], serde_json::json!(named));
    assert!(users.iter().all(|user| log.snapshot(conversation(0)).members.contains_key(user)));
}
