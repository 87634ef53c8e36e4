//! What planning promises whatever is asked, in whichever batches it arrives.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::collections::HashMap;

use chat_service::domain::entry::{
    ConversationKind, Digest, EntryRow, Role, Snapshot, StoredOperation,
};
use chat_service::domain::operation::{Action, Message, Operation};
use chat_service::domain::plan::{Closed, Conversations, Earlier, MOST_NAMED, Outcome, plan};
use chat_service::domain::said::Said;
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
        6 => "[a-z]{1,4}".prop_map(|text| Action::Send(Message {
            to: None,
            kind: "text".to_owned(),
            content: format!(r#"{{"text":"{text}"}}"#),
            reply_to: None,
            mentions: Vec::new(),
            is_important: false,
            extra: None,
        })),
        2 => (users.clone(), role.clone()).prop_map(|(users, role)| Action::Add { users, role }),
        2 => anyone.clone().prop_map(|user| Action::Remove { user }),
        1 => (anyone, role).prop_map(|(user, role)| Action::SetRole { user, role }),
        1 => "[a-z]{1,4}".prop_map(|title| Action::Rename { title }),
    ]
}

/// Operations with client ids from a small set, so that some are repeated: the same actor, client id
/// and content, or the same id with other content.
fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let fresh = (0..USERS.len(), 0..CONVERSATIONS, 0..40_u16, action()).prop_map(
        |(actor, place, number, action)| Operation {
            actor: user(actor),
            reference: String::new(),
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
    entries: HashMap<ConversationId, Vec<EntryRow>>,
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
                let action = Action::Create {
                    kind: ConversationKind::Group,
                    title: "Crew".to_owned(),
                    members: vec![user(0), user(1)],
                };
                Operation {
                    actor: user(0),
                    reference: String::new(),
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
        let planned =
            plan(batch, &mut self.conversations, &self.operations, &Closed::new(), 5, &mut fresh);
        self.ids = ids;
        assert_eq!(planned.outcomes.len(), batch.len());
        for entry in &planned.entries {
            let log = self.entries.entry(entry.conversation_id).or_default();
            assert_eq!(entry.seq, log.len() as u64 + 1, "no gap, no seq twice");
            log.push(entry.clone());
            let key = (entry.sender_id.clone(), entry.client_id);
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
    }
}

fn told(entry: &EntryRow) -> String {
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
    let action = Action::Add { users: users.clone(), role: Role::Member };
    log.apply(&[Operation {
        actor: user(0),
        reference: String::new(),
        client_id: client_id(1),
        conversation_id: conversation(0),
        digest: digest(0, &action),
        action,
    }]);
    let entry = &log.entries[&conversation(0)][1];
    let content: serde_json::Value = serde_json::from_str(&entry.content).unwrap();
    assert_eq!(content["count"], 500);
    let named: Vec<_> = users[..MOST_NAMED].iter().map(UserId::name).collect();
    assert_eq!(content["members"], serde_json::json!(named));
    assert!(users.iter().all(|user| log.snapshot(conversation(0)).members.contains_key(user)));
}
