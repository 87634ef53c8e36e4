//! Reactions that are counted: rows beside the log, which a tally tells together.

use std::collections::BTreeMap;

use chat_service::config::WorkerConfig;
use chat_service::domain::entry::{State, StateRow};
use chat_service::domain::tally::{ReactionKey, ReactionRow};
use chat_service::store::{AppendBatch, AppendError, MessagePage, Page};
use chat_service::verify;
use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::chat::chat_server::Chat;
use proto::chat::{ReadChangesRequest, ReadMessagesRequest};
use proto::id::{ClientId, ConversationId};
use serde_json::{Value, json};
use tonic::Request;

use super::paging::queries;
use super::reactions::{react, reacted};
use super::worker::{Rig, Told, answers, operation, pushed};
use super::{Store, entry, group, keyed, name, only, room};

const PAGE_BYTES: usize = 1 << 20;

fn act(at: ConversationId, action: Action) -> Frame {
    operation(Some(at), ClientId::generate(), action)
}

fn tally(at: ConversationId) -> Frame {
    act(at, Action::TallyReactions(bus::TallyReactions { seq: 2 }))
}

/// A group that counts as large, with a message of ann's at 2.
async fn crowd(store: Store) -> (Rig, ConversationId) {
    let config = WorkerConfig { large_members: 2, ..WorkerConfig::default() };
    let mut rig = Rig::with(store, config).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob", "cleo"])).await.unwrap();
    let (kind, content) = ("text".to_owned(), json!({ "text": "hi" }).to_string());
    let send = Action::Send(bus::Send { kind, content, ..bus::Send::default() });
    rig.ask("ann", act(at, send)).await;
    (rig, at)
}

/// The answer: its type, its seq, and whether it is tallied or changes nothing.
fn answer(told: &Told) -> (String, u64, bool, bool) {
    let all = answers(told);
    assert_eq!(all.len(), 1, "{told:?}");
    let frame = &told.iter().find(|(_, frame)| frame["type"] != "entry").unwrap().1;
    assert!(frame.get("id").is_none(), "{frame}");
    (all[0].0.clone(), all[0].1, frame["tallied"] == true, frame["unchanged"] == true)
}

fn tallied(seq: u64) -> (String, u64, bool, bool) {
    ("sent".to_owned(), seq, true, false)
}

fn unchanged(seq: u64) -> (String, u64, bool, bool) {
    ("sent".to_owned(), seq, false, true)
}

fn counts(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(key, n)| ((*key).to_owned(), *n)).collect()
}

async fn state(store: &Store, at: ConversationId) -> State {
    let found = store.messages(keyed(at), MessagePage::Only(2), 1, room(1)).await.unwrap();
    found.messages[0].state.clone().unwrap_or_default()
}

/// What rows say, and whether it is to be told.
async fn rows(store: &Store, at: ConversationId) -> (BTreeMap<String, u64>, bool) {
    let counted = store.counted(keyed(at), 2).await.unwrap().unwrap_or_default();
    (counted.reactions, counted.is_due)
}

async fn mismatches(store: &Store, at: ConversationId, mend: bool) -> u64 {
    let totals = verify::walk(&**store, Some(keyed(at)), mend, |_| {}).await.unwrap();
    totals.mismatches
}

pub async fn reactions_in_a_large_conversation_are_counted_and_told_together(store: Store) {
    let (mut rig, at) = crowd(store).await;
    // The first one is told at once, to its sender, too: the message is tallied from then on.
    let told = rig.ask("bob", react(at, 2, "👍", true)).await;
    assert_eq!((answer(&told), pushed(&told)), (tallied(3), vec!["channel"]));
    let live = &told.iter().find(|(_, frame)| frame["type"] == "entry").unwrap().1;
    assert_eq!((&live["kind"], &live["target"]), (&json!("tally"), &json!(2)));
    assert_eq!(live["content"], json!({ "reactions": { "👍": 1 }, "reactors": 1 }));
    assert_eq!(live["sender"]["type"], "system");
    // The next ones with the same key are rows, and nothing is pushed.
    let told = rig.ask("cleo", react(at, 2, "👍", true)).await;
    assert_eq!((answer(&told), pushed(&told).len()), (tallied(3), 0));
    assert_eq!(answer(&rig.ask("cleo", react(at, 2, "👍", true)).await), unchanged(3));
    let frames = vec![("bob", react(at, 2, "👍", false)), ("ann", react(at, 2, "👍", true))];
    assert_eq!(answers(&rig.batch(frames, false).await).len(), 2);
    let before = state(&rig.store, at).await;
    assert!(before.tallied);
    assert_eq!(before.counts(), counts(&[("👍", 1)]));
    assert_eq!(rows(&rig.store, at).await, (counts(&[("👍", 2)]), true));
    assert_eq!(mismatches(&rig.store, at, false).await, 0, "they are to be told");
    let of = |who: &str, key: &str| (who.to_owned(), key.to_owned());
    assert_eq!(reacted(&rig.store, at, 2, "", 1).await, [of("ann", "👍"), of("cleo", "👍")]);
    // The server tells them, and nobody else does.
    assert_eq!(answers(&rig.ask("bob", tally(at)).await)[0].0, "forbidden");
    let told = rig.ask("dan", tally(at)).await;
    assert_eq!((answer(&told), pushed(&told)), (tallied(4), vec!["channel"]));
    assert_eq!(state(&rig.store, at).await.counts(), counts(&[("👍", 2)]));
    assert_eq!(rows(&rig.store, at).await, (counts(&[("👍", 2)]), false));
    assert_eq!(answer(&rig.ask("dan", tally(at)).await), unchanged(4), "nothing new");
    // A key that is not told yet is told at once, with all that came before.
    rig.ask("cleo", react(at, 2, "👍", false)).await;
    let told = rig.ask("cleo", react(at, 2, "🎉", true)).await;
    assert_eq!(answer(&told), tallied(5));
    let after = state(&rig.store, at).await;
    assert_eq!(after.counts(), counts(&[("👍", 1), ("🎉", 1)]));
    assert_eq!(rows(&rig.store, at).await, (after.counts(), false));
    assert_eq!(mismatches(&rig.store, at, false).await, 0);
    // The log says the same.
    let entries = rig.store.entries(keyed(at), Page::After(0), 0, room(50)).await.unwrap();
    assert_eq!(entries.len(), 5);
    let mut folded = State::default();
    entries[2..].iter().for_each(|stored| folded.apply(&stored.entry));
    assert_eq!(folded, after);
    assert_eq!(answers(&rig.ask("dan!", react(at, 2, "👍", true)).await)[0].0, "not_member");
}

pub async fn a_user_who_reacted_by_a_row_is_shown_their_own_keys(store: Store) {
    let (mut rig, at) = crowd(store).await;
    for (who, key) in [("bob", "x"), ("cleo", "x"), ("cleo", "y")] {
        rig.ask(who, react(at, 2, key, true)).await;
    }
    for (who, expected) in
        [("ann", Value::Null), ("bob", json!(["x"])), ("cleo", json!(["x", "y"]))]
    {
        let (user_id, conversation_id) = (who.to_owned(), at.to_bytes());
        let request = ReadMessagesRequest {
            user_id: user_id.clone(),
            conversation_id: conversation_id.clone(),
            limit: 9,
            ..ReadMessagesRequest::default()
        };
        let asked = queries(&rig.store, PAGE_BYTES);
        let page = asked.read_messages(Request::new(request)).await.unwrap().into_inner();
        let request = ReadChangesRequest {
            user_id,
            conversation_id,
            from_seq: 1,
            to_seq: 9,
            limit: 9,
            ..ReadChangesRequest::default()
        };
        let changes = asked.read_changes(Request::new(request)).await.unwrap().into_inner();
        for states in [page.states, changes.messages] {
            let state: Value = serde_json::from_slice(&states[0].state).unwrap();
            assert_eq!((states.len(), &state["mine"]), (1, &expected), "{who} {state}");
        }
    }
}

pub async fn a_message_to_which_very_many_reacted_is_tallied_from_then_on(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob", "cleo"])).await.unwrap();
    let by: Vec<_> = (0..100).map(|n| format!("user-{n}")).collect();
    let json = json!({ "as_of": 3, "reactions": { "👍": { "n": 100, "by": by } } }).to_string();
    let mut batch = only(vec![entry(at, 2, "ann"), entry(at, 3, "eve")]);
    batch.states = vec![StateRow::Message(keyed(at), 2, State::read(&json).unwrap(), None)];
    rig.store.append(&batch).await.unwrap();
    let frames = vec![("ann", react(at, 2, "👍", true)), ("bob", react(at, 2, "👍", true))];
    let told = rig.batch(frames, false).await;
    let kinds: Vec<_> = told.iter().filter_map(|(_, frame)| frame["kind"].as_str()).collect();
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == "tally"), "{told:?}");
    assert_eq!(rows(&rig.store, at).await, (counts(&[("👍", 102)]), true));
    assert_eq!(reacted(&rig.store, at, 2, "👍", 50).await.len(), 102);
    assert_eq!(state(&rig.store, at).await.counts(), counts(&[("👍", 101)]));
    let told = rig.ask("dan", tally(at)).await;
    let live = &told.iter().find(|(_, frame)| frame["type"] == "entry").unwrap().1;
    assert_eq!(live["content"], json!({ "reactions": { "👍": 102 }, "reactors": 102 }));
}

pub async fn counts_are_due_once_and_reactions_to_what_is_gone_are_forgotten(store: Store) {
    let (mut rig, at) = crowd(store).await;
    let claim = async |now_ms: u64| {
        rig.store.claim_tally(now_ms, now_ms + 1_000, u64::MAX >> 1).await.unwrap()
    };
    assert_eq!(claim(u64::MAX >> 2).await, None);
    for (who, key) in [("ann", "x"), ("bob", "x"), ("cleo", "y")] {
        rig.ask(who, react(at, 2, key, true)).await;
    }
    rig.ask("cleo", react(at, 2, "x", true)).await;
    let claim = async |now_ms: u64| {
        rig.store.claim_tally(now_ms, now_ms + 1_000, u64::MAX >> 1).await.unwrap()
    };
    assert_eq!(claim(1_000).await, None, "not yet");
    let by_wrong_clock = rig.store.claim_tally(1_000, 2_000, 60_000).await.unwrap();
    assert_eq!(by_wrong_clock.unwrap().seq, 2, "none waits for longer than it can have to");
    let now = u64::MAX >> 2;
    let due = claim(now).await.unwrap();
    assert_eq!((due.conversation, due.seq, due.is_gone), (keyed(at), 2, false));
    assert_eq!(claim(now).await, None, "somebody works on it");
    assert_eq!(claim(now + 1_000).await, Some(due), "or did not");
    let delete = bus::Delete { seq: 2, ..bus::Delete::default() };
    rig.ask("ann", act(at, Action::Delete(delete))).await;
    assert_eq!(reacted(&rig.store, at, 2, "", 9).await, []);
    assert_eq!(answers(&rig.ask("bob", react(at, 2, "x", false)).await)[0].0, "not_found");
    assert_eq!(answers(&rig.ask("dan", tally(at)).await)[0].0, "not_found");
    let claim = async |now_ms: u64| {
        rig.store.claim_tally(now_ms, now_ms + 1_000, u64::MAX >> 1).await.unwrap()
    };
    assert!(claim(now).await.unwrap().is_gone);
    assert!(!rig.store.forget_reactions(keyed(at), 2, 3).await.unwrap());
    assert_eq!(rows(&rig.store, at).await.0.values().sum::<u64>(), 1);
    assert!(rig.store.forget_reactions(keyed(at), 2, 3).await.unwrap());
    assert_eq!(rows(&rig.store, at).await, (counts(&[]), false));
    assert_eq!(claim(now * 2).await, None);
    assert_eq!(mismatches(&rig.store, at, false).await, 0);
}

pub async fn rows_that_are_not_what_was_told_are_found_and_told_again(store: Store) {
    let (mut rig, at) = crowd(store).await;
    rig.ask("bob", react(at, 2, "x", true)).await;
    let row = |head: u64| {
        let (conversation, key) = (keyed(at), "x".to_owned());
        let of = ReactionKey { conversation, seq: 2, user: name("zoe"), key };
        let row = ReactionRow { of, client_id: ClientId::generate(), at_ms: 7 };
        AppendBatch {
            generation: rig.store.generation(),
            reactions_set: vec![row],
            heads: vec![(keyed(at), head)],
            ..AppendBatch::default()
        }
    };
    // A writer that has missed an entry writes nothing.
    for head in [2, 4] {
        let outcome = rig.store.append(&row(head)).await;
        assert!(matches!(outcome, Err(AppendError::Conflict)), "{outcome:?}");
        assert_eq!(rows(&rig.store, at).await.0, counts(&[("x", 1)]));
    }
    rig.store.append(&row(3)).await.unwrap();
    assert_eq!(rows(&rig.store, at).await, (counts(&[("x", 2)]), false));
    assert_eq!(mismatches(&rig.store, at, false).await, 1);
    assert_eq!(mismatches(&rig.store, at, true).await, 1);
    assert_eq!(rows(&rig.store, at).await, (counts(&[("x", 2)]), true), "it is told next");
    assert_eq!(mismatches(&rig.store, at, false).await, 0);
    rig.ask("dan", tally(at)).await;
    assert_eq!(state(&rig.store, at).await.counts(), counts(&[("x", 2)]));
}
