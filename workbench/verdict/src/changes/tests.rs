//! A good account, made by devices that keep the rules, and one mistake in it each.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::account::{Account, Answer, Conversation, Held, Operation, Outcome};
use super::device::{Device, Page, SyncPage};
use super::fold::{Entry, Sender, State};
use super::judge;
use crate::Verdict;

fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(9, number)
}

fn entry(seq: u64, user: &str, kind: &str, target: Option<u64>, content: Value) -> Entry {
    Entry {
        seq,
        id: id(seq),
        kind: kind.to_owned(),
        sender: Sender { id: user.to_owned() },
        content,
        timestamp: seq * 10,
        target,
        thread: None,
        client_id: (kind != "system").then(|| id(1_000 + seq)),
    }
}

/// What was said, as it was at its time.
fn story() -> Vec<Entry> {
    let text =
        |seq, user: &str| entry(seq, user, "text", None, json!({ "text": format!("{seq}") }));
    let edit = |text: &str| json!({ "content": { "text": text } });
    vec![
        entry(1, "ann", "system", None, json!({ "event": "created" })),
        text(2, "ann"),
        text(3, "bob"),
        entry(4, "ann", "edit", Some(2), edit("two")),
        entry(5, "bob", "reaction", Some(2), json!({ "key": "👍", "on": true })),
        entry(6, "ann", "reaction", Some(2), json!({ "key": "👍", "on": true })),
        Entry { thread: Some(2), ..text(7, "bob") },
        entry(8, "bob", "edit", Some(3), edit("three")),
        entry(9, "ann", "pin", Some(2), json!({ "on": true })),
        entry(10, "bob", "delete", Some(3), json!({ "by": "sender" })),
        entry(11, "bob", "reaction", Some(2), json!({ "key": "👍", "on": false })),
    ]
}

/// The log up to a place, without what was taken away there.
fn log(through: u64) -> Vec<Entry> {
    let mut log: Vec<Entry> = story().into_iter().filter(|entry| entry.seq <= through).collect();
    if through >= 10 {
        (log[2].content, log[7].content) = (json!({}), json!({}));
    }
    log
}

fn states(through: u64, user: &str) -> BTreeMap<u64, Value> {
    let mut states: BTreeMap<u64, State> = BTreeMap::new();
    for entry in story().iter().filter(|entry| entry.seq <= through) {
        for seq in entry.changes() {
            states.entry(seq).or_default().apply(entry);
        }
    }
    let said = |(seq, state): (u64, State)| {
        let mine = state.keys_of(user);
        let mut said = Value::Object(state.0);
        if !mine.is_empty() {
            said["mine"] = mine.into();
        }
        (seq, said)
    };
    states.into_iter().map(said).collect()
}

fn page(through: u64, user: &str) -> Page {
    let entries = log(through).into_iter().filter(Entry::is_message).collect();
    Page { as_of: through, entries, states: states(through, user), range: None }
}

fn changes(through: u64, after: u64, user: &str) -> Page {
    let mut states = states(through, user);
    states.retain(|_, state| state["as_of"].as_u64() > Some(after));
    Page { as_of: through, entries: Vec::new(), states, range: Some((1, 12, after)) }
}

fn held(name: &str, device: &Device, seen: Vec<Entry>) -> Held {
    let (cursor, messages) = (device.cursor(), device.messages().clone());
    let dropped = device.dropped().clone();
    Held { name: name.to_owned(), conversation: 0, cursor, seen, messages, dropped }
}

/// One device that hears everything live; one that syncs late, skips some and asks for the changes; pages that come late.
fn good() -> Account {
    let mut live = Device::default();
    for entry in story() {
        live.live(entry);
    }
    assert!(live.answer(&page(6, "bob")), "late, and no news");
    let mut away = Device::default();
    for entry in &story()[..3] {
        away.live(entry.clone());
    }
    let tail: Vec<Entry> = log(11).split_off(8);
    let synced = SyncPage {
        page: Page { as_of: 11, entries: tail.clone(), states: BTreeMap::new(), range: None },
        has_states: true,
        skipped_to: Some(8),
        ..SyncPage::default()
    };
    away.sync(synced);
    assert_eq!((away.cursor(), away.stale()), (11, vec![2, 3]));
    assert!(!away.answer(&page(6, "bob")), "what came since is not held");
    let asked = changes(11, 2, "bob");
    assert!(away.answer(&asked) && away.stale().is_empty());
    assert!(away.answer(&page(11, "bob")), "with the reply that was skipped");
    let seen: Vec<Entry> = story()[..3].iter().cloned().chain(tail).collect();
    let answer = |page| Answer { conversation: 0, user: "bob".to_owned(), page };
    let stored = |entry: &Entry| Operation {
        conversation: 0,
        user: entry.sender.id.clone(),
        client_id: entry.client_id.unwrap_or_default(),
        kind: entry.kind.clone(),
        target: entry.target,
        thread: entry.thread,
        content: entry.content.clone(),
        base: None,
        outcome: Outcome::Stored { seq: entry.seq, id: entry.id },
    };
    let mut operations: Vec<Operation> = story()[1..].iter().map(stored).collect();
    let again = |outcome, at: usize, number| Operation {
        client_id: id(number),
        outcome,
        ..operations[at].clone()
    };
    let refused = |code: &str| Outcome::Refused { code: code.to_owned() };
    let conflict = Operation { base: Some(0), ..again(refused("conflict"), 2, 2_001) };
    let unchanged = again(Outcome::Unchanged { seq: 6 }, 4, 2_002);
    let gone = again(refused("not_found"), 6, 2_003);
    operations.extend([conflict, unchanged, gone]);
    Account {
        conversations: vec![Conversation {
            id: id(0),
            log: log(11),
            rows: vec![answer(page(11, "bob")), answer(changes(11, 0, "bob"))],
        }],
        operations,
        devices: vec![held("live", &live, story()), held("away", &away, seen)],
        answers: vec![answer(page(6, "bob")), answer(asked), answer(page(9, "bob"))],
        doubts: Vec::new(),
    }
}

fn broken_by(spoil: impl FnOnce(&mut Account)) -> Vec<String> {
    let mut account = good();
    spoil(&mut account);
    judge(&account, 1).violations.into_keys().collect()
}

#[test]
fn a_good_account_is_valid() {
    let judgement = judge(&good(), 7);
    assert_eq!(judgement.verdict, Verdict::Valid, "{judgement}");
    assert_eq!(judgement.counts["changes acknowledged"], 7);
    assert_eq!(judge(&good(), 8).verdict, Verdict::Unknown);
}

fn state(account: &mut Account, answer: usize, seq: u64) -> &mut Value {
    account.answers[answer].page.states.get_mut(&seq).unwrap()
}

#[test]
fn mistakes_in_answers_are_found() {
    let lost_edit = broken_by(|it| {
        let state = state(it, 0, 2).as_object_mut().unwrap();
        state.remove("content");
        state.remove("edited");
    });
    assert_eq!(lost_edit, ["state-differs"]);
    let twice = broken_by(|it| state(it, 0, 2)["reactions"]["👍"]["n"] = 3.into());
    assert_eq!(twice, ["state-differs"]);
    assert_eq!(broken_by(|it| state(it, 0, 2)["mine"] = json!([])), ["mine-differs"]);
    assert_eq!(broken_by(|it| drop(it.answers[1].page.states.remove(&3))), ["state-differs"]);
    let revived = broken_by(|it| {
        it.conversations[0].rows[0].page.entries[1].content = json!({ "text": "3" });
    });
    assert_eq!(revived, ["content-differs"]);
    let other = broken_by(|it| it.answers[0].page.entries[0].content = json!({ "text": "x" }));
    assert_eq!(other, ["content-differs"]);
    assert_eq!(
        broken_by(|it| {
            it.conversations[0].rows.pop();
            it.conversations[0].rows[0].page.entries.remove(0);
            it.conversations[0].rows[0].page.states.remove(&2);
        }),
        ["lost-message"]
    );
    assert_eq!(broken_by(|it| it.answers[0].page.as_of = 12).first().unwrap(), "answer-ahead");
}

#[test]
fn mistakes_in_logs_are_found() {
    let shown = broken_by(|it| it.conversations[0].log[7].content = story()[7].content.clone());
    assert_eq!(shown, ["shown-after-delete"]);
    assert_eq!(broken_by(|it| it.devices[0].seen[4].id = id(77)), ["disagreement"]);
    let gap = broken_by(|it| drop(it.conversations[0].log.remove(5)));
    assert!(gap.contains(&"gap".to_owned()) && gap.contains(&"lost-entry".to_owned()), "{gap:?}");
    // The same reaction is stored once more, by a lost answer.
    let doubled = broken_by(|it| {
        let mut again = it.conversations[0].log[5].clone();
        (again.seq, again.id) = (12, id(12));
        it.conversations[0].log.push(again);
    });
    assert_eq!(doubled, ["doubled-operation", "idle-change"]);
    let phantom = broken_by(|it| it.operations.truncate(9));
    assert_eq!(phantom, ["phantom"]);
}

#[test]
fn mistakes_in_operations_are_found() {
    let by = |at: usize, outcome| broken_by(move |it| it.operations[at].outcome = outcome);
    let elsewhere = Outcome::Stored { seq: 5, id: id(4) };
    assert_eq!(by(2, elsewhere), ["lost-operation"]);
    let refused = |code: &str| Outcome::Refused { code: code.to_owned() };
    assert_eq!(by(5, refused("not_found")), ["refused-stored", "wrong-refusal"]);
    assert_eq!(by(11, refused("not_found")), ["wrong-refusal"]);
    assert_eq!(by(11, Outcome::Unchanged { seq: 5 }), ["wrong-unchanged"]);
    assert_eq!(broken_by(|it| it.operations[10].base = Some(4)), ["wrong-refusal"]);
    assert_eq!(broken_by(|it| it.operations[4].content["key"] = "x".into()), ["altered-operation"]);
    let mut unknown = good();
    unknown.operations[3].outcome = Outcome::Unknown;
    assert_eq!(judge(&unknown, 1).verdict, Verdict::Unknown);
}

#[test]
fn mistakes_of_devices_are_found() {
    let stale = broken_by(|it| {
        let message = it.devices[1].messages.get_mut(&2).unwrap();
        message.state = State::said(&states(6, "bob")[&2]);
    });
    assert_eq!(stale, ["device-differs"]);
    let shown = broken_by(|it| {
        it.devices[0].messages.get_mut(&3).unwrap().content = json!({ "text": "3" });
    });
    assert_eq!(shown, ["device-shows"]);
    assert_eq!(broken_by(|it| drop(it.devices[0].messages.remove(&7))), ["forgotten"]);
    let skipped = broken_by(|it| {
        it.devices[0].messages.remove(&7);
        it.devices[0].dropped.insert(7);
    });
    assert_eq!(skipped, Vec::<String>::new());
    let mut behind = good();
    behind.devices[0].cursor = 10;
    assert_eq!(judge(&behind, 1).verdict, Verdict::Unknown, "it may still get the last entry");
}

#[test]
fn what_came_early_and_was_skipped_need_not_be_held() {
    let mut device = Device::default();
    let mut early = story().split_off(4);
    early.truncate(2);
    for entry in early {
        device.live(entry);
    }
    device.sync(SyncPage { skipped_before: Some(9), ..SyncPage::default() });
    assert_eq!((device.cursor(), device.messages().len()), (8, 0));
    assert_eq!(Vec::from_iter(device.dropped()), [&5, &6]);
}

#[test]
fn what_was_skipped_before_it_came_need_not_be_held() {
    let (mut device, story) = (Device::default(), story());
    device.live(story[0].clone());
    device.live(story[1].clone());
    device.sync(SyncPage { skipped_to: Some(6), ..SyncPage::default() });
    device.live(story[4].clone());
    device.live(story[1].clone());
    assert_eq!((device.cursor(), Vec::from_iter(device.dropped())), (6, vec![&5]));
    let mut new = Device::default();
    new.sync(SyncPage { skipped_before: Some(7), ..SyncPage::default() });
    new.live(story[4].clone());
    assert_eq!((new.cursor(), Vec::from_iter(new.dropped())), (6, vec![&5]));
}

#[test]
fn a_delete_of_several_may_name_those_alone_that_were_not_deleted_before() {
    let seqs = |ranges: Value| json!({ "by": "sender", "seqs": ranges });
    let stored = entry(9, "ann", "delete", None, seqs(json!([[3, 4]])));
    assert!(stored.says(&seqs(json!([[3, 4]]))) && stored.says(&seqs(json!([[3, 4], [7, 7]]))));
    assert!(!stored.says(&seqs(json!([[3, 3]]))));
    let nothing = entry(9, "ann", "delete", None, seqs(json!([])));
    assert!(!nothing.says(&seqs(json!([[3, 3]]))));
}

#[test]
fn a_device_waits_for_what_is_missing_and_takes_each_entry_once() {
    let (mut device, story) = (Device::default(), story());
    for seq in [1, 2, 4, 5] {
        device.live(story[seq - 1].clone());
    }
    assert!(device.has_gap() && device.cursor() == 2);
    device.live(story[2].clone());
    device.live(story[3].clone());
    assert!(!device.has_gap() && device.cursor() == 5);
    assert_eq!(device.messages()[&2].state.as_of(), 5);
    device.trim(1);
    assert!(!device.answer(&page(3, "bob")), "entry 4 is not held any more");
    assert!(device.answer(&page(4, "bob")));
    let reset = SyncPage {
        is_reset: true,
        skipped_before: Some(10),
        page: Page { entries: log(11).split_off(9), ..Page::default() },
        ..SyncPage::default()
    };
    device.sync(reset);
    assert_eq!((device.cursor(), device.messages().len()), (11, 0));
}
