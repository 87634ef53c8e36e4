//! `docs/state.json`: logs and what they make of their messages, which clients are tested with, too. They are made here, from
//! fixed seeds, by the fold of the server.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::collections::{BTreeMap, BTreeSet};

use chat_service::domain::entry::{Author, Body, Entry, Message, MessageKind, SenderType, State};
use proto::id::{ClientId, ConversationId, EntryId, UserId};
use serde_json::{Value, json};

/// So many logs.
const LOGS: u64 = 6;
const USERS: [&str; 3] = ["ann", "bob", "cleo"];
const KEYS: [&str; 3] = ["👍", "🎉", "+1"];

/// A small generator, the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

fn entry(json: &Value) -> Entry {
    let kind = json["kind"].as_str().unwrap();
    let message = Message {
        kind: MessageKind::Text,
        content: json["content"].to_string(),
        reply_to: None,
        mentions: Vec::new(),
        mention_all: false,
        forwarded: None,
        is_important: false,
        extra: None,
    };
    let seq = json["seq"].as_u64().unwrap();
    Entry {
        conversation_id: ConversationId(uuid::Uuid::nil()),
        seq,
        id: EntryId(uuid::Uuid::from_u128(u128::from(seq))),
        author: Author {
            id: UserId::parse_qualified(json["sender"]["id"].as_str().unwrap()).unwrap(),
            r#type: SenderType::User,
        },
        client_id: ClientId(uuid::Uuid::from_u128(u128::from(seq))),
        digest: [0; 32],
        created_at_ms: json["timestamp"].as_u64().unwrap(),
        target: json["target"].as_u64(),
        thread: json["thread"].as_u64(),
        also_in_main: false,
        device_type: None,
        expires_at_ms: None,
        body: Body::read(kind, message),
    }
}

/// A log in which nothing is changed that is gone, as a server plans one.
fn log(dice: &mut Dice) -> Vec<Value> {
    let (mut log, mut messages, mut gone): (Vec<Value>, Vec<u64>, BTreeSet<u64>) =
        Default::default();
    for seq in 1..=(40 + dice.below(20) as u64) {
        let left: Vec<u64> = messages.iter().copied().filter(|seq| !gone.contains(seq)).collect();
        let kind = if left.is_empty() {
            "text"
        } else {
            dice.one_of(&[
                "text",
                "text",
                "text",
                "reply",
                "edit",
                "edit",
                "reaction",
                "reaction",
                "reaction",
                "reaction",
                "pin",
                "tally",
                "delete",
                "delete several",
            ])
        };
        let sender = dice.one_of(&USERS);
        let target = if left.is_empty() { 0 } else { dice.one_of(&left) };
        let mut entry = json!({ "seq": seq, "sender": { "id": sender }, "timestamp": 1_763_678_000_000_u64 + seq });
        let fields = entry.as_object_mut().unwrap();
        let (kind, content, has_target) = match kind {
            "edit" => {
                let content =
                    json!({ "content": { "text": format!("edit {seq}") }, "mentions": [sender] });
                ("edit", content, true)
            }
            "reaction" => {
                let content = json!({ "key": dice.one_of(&KEYS), "on": dice.below(3) > 0 });
                ("reaction", content, true)
            }
            "pin" => ("pin", json!({ "on": dice.below(2) > 0 }), true),
            "tally" => {
                let content =
                    json!({ "reactions": { "👍": 100 + dice.below(9), "+1": 1 }, "reactors": 110 });
                ("tally", content, true)
            }
            "delete" => {
                gone.insert(target);
                ("delete", json!({ "by": dice.one_of(&["sender", "admin"]) }), true)
            }
            "delete several" => {
                let last = target + dice.below(2) as u64;
                let seqs: Vec<_> =
                    left.iter().filter(|seq| (target..=last).contains(seq)).collect();
                gone.extend(seqs.iter().copied());
                let ranges: Vec<_> = seqs.iter().map(|seq| json!([seq, seq])).collect();
                ("delete", json!({ "by": "sender", "seqs": ranges }), false)
            }
            // Nothing else is said of it: what changes it is the same as of other messages.
            "reply" => {
                fields.insert("thread".to_owned(), json!(target));
                ("text", json!({ "text": format!("reply {seq}") }), false)
            }
            _ => {
                messages.push(seq);
                ("text", json!({ "text": format!("message {seq}") }), false)
            }
        };
        fields.insert("kind".to_owned(), json!(kind));
        fields.insert("content".to_owned(), content);
        if has_target {
            fields.insert("target".to_owned(), json!(target));
        }
        log.push(entry);
    }
    log
}

/// The states after the first entries of a log.
fn states(log: &[Entry], head: usize) -> BTreeMap<u64, State> {
    let mut states: BTreeMap<u64, State> = BTreeMap::new();
    for entry in &log[..head] {
        for seq in entry.changes() {
            states.entry(seq).or_default().apply(entry);
        }
    }
    states
}

fn shown(states: &BTreeMap<u64, State>) -> Value {
    let shown = |(seq, state): (&u64, &State)| {
        (seq.to_string(), serde_json::from_str(&state.to_json()).unwrap())
    };
    Value::Object(states.iter().map(shown).collect())
}

fn vectors() -> Value {
    let cases = (1..=LOGS).map(|seed| {
        let mut dice = Dice(seed);
        let log = log(&mut dice);
        let entries: Vec<Entry> = log.iter().map(entry).collect();
        let heads = [entries.len() / 3, entries.len() / 2, entries.len()];
        let at: serde_json::Map<_, _> =
            heads.iter().map(|head| (head.to_string(), shown(&states(&entries, *head)))).collect();
        json!({ "log": log, "states": at })
    });
    json!({
        "about": "Logs, and the states of their messages after some of their entries, by seq. A message that is not named was not changed.",
        "cases": cases.collect::<Vec<_>>(),
    })
}

#[test]
fn the_committed_vectors_are_what_the_server_folds() {
    let made = serde_json::to_string_pretty(&vectors()).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/state.json");
    if std::fs::read_to_string(path).unwrap_or_default() != made {
        let fresh = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/state.json");
        std::fs::write(fresh, &made).unwrap();
        panic!("docs/state.json is out of date: copy target/state.json over it");
    }
}

/// Whatever head an answer was made at, and whether entries come once or twice: the end is the same.
#[test]
fn answers_of_any_head_and_the_entries_behind_them_end_in_one_state() {
    for seed in 1..200 {
        let mut dice = Dice(seed);
        let entries: Vec<Entry> = log(&mut dice).iter().map(entry).collect();
        let end = states(&entries, entries.len());
        for head in 1..entries.len() {
            let mut held = states(&entries, head);
            for state in held.values_mut() {
                // As a device takes an answer: it holds for its head.
                if state.gone.is_none() {
                    state.as_of = head as u64;
                }
            }
            let again = dice.below(head + 1);
            for entry in &entries[again..] {
                for seq in entry.changes() {
                    let unchanged = State { as_of: head as u64, ..State::default() };
                    held.entry(seq).or_insert(unchanged).apply(entry);
                }
            }
            for (seq, state) in &mut held {
                let mut expected = end[seq].clone();
                (state.as_of, expected.as_of) = (0, 0);
                assert_eq!(state, &expected, "seed {seed}, head {head}, message {seq}");
            }
        }
    }
}
