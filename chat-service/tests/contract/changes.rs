//! Edits, deletes and reactions: who may, what is stored, what is told, and what is gone for good.

use chat_service::domain::entry::{
    Body, ChangeKind, ConversationKind, Entry, MemberRow, Role, State, StateRow, TargetKey,
};
use chat_service::store::Page;
use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::id::{ClientId, ConversationId};
use serde_json::{Value, json};

use super::worker::{Rig, Told, answers, operation, pushed};
use super::{Store, direct, entry, group, keyed, message, only, room, user};

fn act(at: ConversationId, action: Action) -> Frame {
    operation(Some(at), ClientId::generate(), action)
}

fn edit(at: ConversationId, seq: u64, text: &str) -> Frame {
    edit_from(at, seq, text, None)
}

fn edit_from(at: ConversationId, seq: u64, text: &str, base: Option<u64>) -> Frame {
    let content = json!({ "text": text }).to_string();
    act(at, Action::Edit(bus::Edit { seq, content, base, ..bus::Edit::default() }))
}

fn delete(at: ConversationId, seq: u64) -> Frame {
    act(at, Action::Delete(bus::Delete { seq, ..bus::Delete::default() }))
}

fn delete_all(at: ConversationId, seqs: &[u64]) -> Frame {
    act(at, Action::Delete(bus::Delete { seqs: seqs.to_vec(), ..bus::Delete::default() }))
}

fn react(at: ConversationId, seq: u64, key: &str, on: bool) -> Frame {
    act(at, Action::React(bus::React { seq, key: key.to_owned(), on }))
}

fn send(at: ConversationId, text: &str) -> Frame {
    let (kind, content) = ("text".to_owned(), json!({ "text": text }).to_string());
    act(at, Action::Send(bus::Send { kind, content, ..bus::Send::default() }))
}

/// The state of a message and whether its entry is blank, as the next operation finds them.
async fn found(store: &Store, at: ConversationId, seq: u64) -> (State, bool) {
    let key = TargetKey { conversation: keyed(at), seq, with_edits: false };
    let targets = store.load_targets(&[key]).await.unwrap();
    let target = &targets.entries[&(keyed(at), seq)];
    (target.state.clone(), target.is_blank)
}

/// The states that the log says, of the messages that it changes.
async fn folded(store: &Store, at: ConversationId, seq: u64) -> State {
    let entries = store.entries(keyed(at), Page::After(0), 0, room(1_000)).await.unwrap();
    let mut state = State::default();
    for stored in entries.iter().filter(|stored| stored.entry.changes().contains(&seq)) {
        state.apply(&stored.entry);
    }
    state
}

fn only_answer(told: &Told) -> (String, u64) {
    let mut answers = answers(told);
    assert_eq!(answers.len(), 1, "{told:?}");
    answers.remove(0)
}

fn sent(seq: u64) -> (String, u64) {
    ("sent".to_owned(), seq)
}

fn refused(code: &str) -> (String, u64) {
    (code.to_owned(), 0)
}

async fn texts(rig: &mut Rig, at: ConversationId, who: &str, count: u64) {
    for n in 0..count {
        rig.ask(who, send(at, &format!("message {n} of {who}"))).await;
    }
}

pub async fn changes_of_a_message_are_in_its_log_and_its_state(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    rig.ask("bob", send(at, "first")).await;
    let told = rig.ask("bob", edit(at, 2, "second")).await;
    assert_eq!((only_answer(&told), pushed(&told)), (sent(3), vec!["ann"]));
    let live = &told.iter().find(|(_, frame)| frame["type"] == "entry").unwrap().1;
    assert_eq!((&live["kind"], &live["target"]), (&json!("edit"), &json!(2)));
    assert_eq!(live["content"], json!({ "content": { "text": "second" } }));
    assert_eq!(only_answer(&rig.ask("ann", react(at, 2, "👍", true)).await), sent(4));
    assert_eq!(only_answer(&rig.ask("bob", react(at, 2, "👍", true)).await), sent(5));
    assert_eq!(only_answer(&rig.ask("ann", react(at, 2, "👍", true)).await), sent(5), "unchanged");
    assert_eq!(only_answer(&rig.ask("ann", react(at, 2, "👍", false)).await), sent(6));
    assert_eq!(only_answer(&rig.ask("ann", react(at, 2, "👍", false)).await), sent(6), "unchanged");
    let (state, is_blank) = found(&rig.store, at, 2).await;
    let json: Value = serde_json::from_str(&state.to_json()).unwrap();
    let at_ms = json["edited"]["at"].clone();
    let expected = json!({ "as_of": 6, "content": { "text": "second" },
        "edited": { "seq": 3, "count": 1, "at": at_ms }, "reactions": { "👍": { "n": 1, "by": ["bob"] } } });
    assert_eq!((json, is_blank), (expected, false));
    assert_eq!(folded(&rig.store, at, 2).await, state);

    let told = rig.ask("bob", delete(at, 2)).await;
    assert_eq!(only_answer(&told), sent(7));
    assert_eq!(only_answer(&rig.ask("ann", delete(at, 2)).await), sent(7), "unchanged");
    let (state, is_blank) = found(&rig.store, at, 2).await;
    let expected = r#"{"as_of":7,"deleted":{"seq":7,"by":"sender"},"gone":"deleted"}"#;
    assert_eq!((state.to_json().as_str(), is_blank), (expected, true));
    assert_eq!(folded(&rig.store, at, 2).await, state);
    for frame in [edit(at, 2, "x"), react(at, 2, "x", true)] {
        assert_eq!(only_answer(&rig.ask("bob", frame).await), refused("not_found"));
    }
    let all = rig.store.entries(keyed(at), Page::After(0), 0, room(50)).await.unwrap();
    let contents: Vec<_> = all.iter().map(|stored| stored.entry.body.content()).collect();
    assert_eq!(contents.len(), 7);
    assert!(!contents.join("").contains("first") && !contents.join("").contains("second"));
    assert_eq!((contents[1], contents[2]), ("{}", "{}"), "the places stay");
}

/// Operations of one batch see each other, and a text that is taken back at once is never stored or pushed.
pub async fn a_message_may_be_sent_changed_and_deleted_in_one_batch(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    rig.ask("ann", send(at, "kept")).await;
    let frames = vec![
        ("bob", send(at, "secret one")),
        ("bob", edit(at, 3, "secret two")),
        ("ann", react(at, 3, "👍", true)),
        ("ann", edit(at, 2, "kept, too")),
        ("bob", delete(at, 3)),
        ("ann", react(at, 3, "🎉", true)),
        ("ann", edit(at, 2, "kept, three")),
    ];
    let told = rig.batch(frames, false).await;
    let codes: Vec<_> = answers(&told).into_iter().map(|(what, _)| what).collect();
    assert_eq!(codes, ["sent", "sent", "sent", "sent", "sent", "not_found", "sent"]);
    assert!(!format!("{told:?}").contains("secret"), "{told:?}");
    let all = rig.store.entries(keyed(at), Page::After(0), 0, room(50)).await.unwrap();
    assert_eq!(all.len(), 8);
    assert!(!format!("{all:?}").contains("secret"), "{all:?}");
    for (seq, gone) in [(2, false), (3, true)] {
        let (state, is_blank) = found(&rig.store, at, seq).await;
        assert_eq!((state.gone.is_some(), is_blank), (gone, gone), "{seq}");
        assert_eq!(folded(&rig.store, at, seq).await, state, "{seq}");
    }
    assert_eq!(found(&rig.store, at, 2).await.0.edited.unwrap().count, 2);
    // In batches: the same message is edited in one and taken away in the next.
    rig.ask("bob", send(at, "secret three")).await;
    let frames = vec![("bob", edit(at, 9, "secret four")), ("bob", react(at, 9, "x", true))];
    rig.batch(frames, false).await;
    rig.batch(vec![("bob", edit(at, 9, "secret five")), ("bob", delete(at, 9))], false).await;
    let all = rig.store.entries(keyed(at), Page::After(0), 0, room(50)).await.unwrap();
    assert!(!format!("{all:?}").contains("secret"), "{all:?}");
}

pub async fn several_own_messages_are_deleted_at_once_or_none(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    texts(&mut rig, at, "bob", 4).await;
    texts(&mut rig, at, "ann", 1).await;
    rig.ask("bob", edit(at, 3, "message, edited")).await;
    rig.ask("ann", act(at, Action::Pin(bus::Pin { seq: 4, on: true }))).await;
    for (seqs, code) in [
        (vec![2, 6], "forbidden"),
        (vec![2, 99], "not_found"),
        (vec![2, 7], "not_found"),
        (vec![0, 2], "invalid"),
        (Vec::new(), "invalid"),
        ((2..=102).collect(), "invalid"),
    ] {
        assert_eq!(only_answer(&rig.ask("bob", delete_all(at, &seqs)).await), refused(code));
    }
    let told = rig.ask("bob", delete_all(at, &[5, 2, 3, 4, 2])).await;
    assert_eq!(only_answer(&told), sent(9));
    let live = &told.iter().find(|(_, frame)| frame["type"] == "entry").unwrap().1;
    assert_eq!(live["content"], json!({ "by": "sender", "seqs": [[2, 5]] }));
    assert_eq!(live.get("target"), None);
    for seq in 2..=5 {
        let (state, is_blank) = found(&rig.store, at, seq).await;
        assert_eq!((state.deleted.unwrap().seq, is_blank), (9, true), "{seq}");
        assert_eq!(folded(&rig.store, at, seq).await.to_json(), state.to_json());
    }
    let all = rig.store.entries(keyed(at), Page::After(0), 0, room(50)).await.unwrap();
    assert!(!format!("{all:?}").contains("of bob") && !format!("{all:?}").contains("edited"));
    let pins = rig.store.pins(keyed(at), 1, u64::MAX, 10).await.unwrap();
    assert_eq!(pins.len(), 0, "what is deleted is not pinned");
    assert_eq!(only_answer(&rig.ask("bob", delete_all(at, &[2, 5])).await), sent(9), "unchanged");
}

/// Each cell of who may do what. `dan` is an operator, `ann` owns the group, `cleo` is an admin, `bob` a member.
#[expect(clippy::too_many_lines, reason = "a table of cells")]
pub async fn everybody_may_do_to_messages_what_their_role_says(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    let mut made = group(at, &["ann", "bob", "cleo"]);
    made.members_set[2].role = Role::Admin;
    let past = entry(at, 2, "eve");
    made.entries.push(past);
    rig.store.append(&made).await.unwrap();
    for who in ["ann", "bob", "cleo", "ann", "bob", "cleo", "bob", "bob"] {
        rig.ask(who, send(at, "x")).await;
    }
    let notice = bus::Send {
        kind: "notice".to_owned(),
        content: json!({ "body": "maintenance" }).to_string(),
        ..bus::Send::default()
    };
    rig.ask("dan", act(at, Action::Send(notice))).await;
    // 3 and 6 are of ann, 4, 7, 9 and 10 of bob, 5 and 8 of cleo, 2 of somebody who has left, 11 a notice.
    let edits = [
        ("ann", 3, "sent"),
        ("bob", 4, "sent"),
        ("cleo", 5, "sent"),
        ("ann", 4, "forbidden"),
        ("cleo", 4, "forbidden"),
        ("bob", 3, "forbidden"),
        ("dan", 4, "not_member"),
        ("ann", 11, "forbidden"),
        ("ann", 1, "not_found"),
        ("ann", 99, "not_found"),
        ("ann", 0, "invalid"),
    ];
    for (who, seq, expected) in edits {
        let (code, _) = only_answer(&rig.ask(who, edit(at, seq, "y")).await);
        assert_eq!(code, expected, "{who} edits {seq}");
    }
    let reactions =
        [("ann", 4, "sent"), ("bob", 3, "sent"), ("cleo", 11, "sent"), ("dan", 4, "not_member")];
    for (who, seq, expected) in reactions {
        let (code, _) = only_answer(&rig.ask(who, react(at, seq, "👍", true)).await);
        assert_eq!(code, expected, "{who} reacts to {seq}");
    }
    let deletes = [
        ("bob", 3, "forbidden", ""),
        ("bob", 5, "forbidden", ""),
        ("bob", 2, "forbidden", ""),
        ("cleo", 3, "forbidden", ""),
        ("cleo", 11, "forbidden", ""),
        ("ann", 11, "forbidden", ""),
        ("cleo", 4, "sent", "admin"),
        ("ann", 5, "sent", "admin"),
        ("cleo", 2, "sent", "admin"),
        ("bob", 7, "sent", "sender"),
        ("cleo", 8, "sent", "sender"),
        ("ann", 6, "sent", "sender"),
        ("dan", 9, "sent", "operator"),
        ("dan", 11, "sent", "operator"),
        ("dan!", 10, "not_member", ""),
        ("dan", 1, "not_found", ""),
    ];
    for (who, seq, expected, by) in deletes {
        let told = rig.ask(who, delete(at, seq)).await;
        assert_eq!(only_answer(&told).0, expected, "{who} deletes {seq}");
        if expected == "sent" {
            let (state, is_blank) = found(&rig.store, at, seq).await;
            let json: Value = serde_json::from_str(&state.to_json()).unwrap();
            assert_eq!((&json["deleted"]["by"], is_blank), (&json!(by), true), "{who} {seq}");
        }
    }
    // In a direct conversation everybody has their own alone.
    let at = direct("ann", "bob");
    let mut made = group(at, &["ann", "bob"]);
    made.conversations[0].kind = ConversationKind::Direct;
    made.members_set[0].role = Role::Member;
    rig.store.append(&made).await.unwrap();
    texts(&mut rig, at, "ann", 1).await;
    texts(&mut rig, at, "bob", 1).await;
    for (who, frame, expected) in [
        ("bob", delete(at, 2), "forbidden"),
        ("bob", edit(at, 2, "y"), "forbidden"),
        ("bob", react(at, 2, "👍", true), "sent"),
        ("cleo", react(at, 2, "👍", true), "not_member"),
        ("ann", edit(at, 2, "y"), "sent"),
        ("ann", delete(at, 2), "sent"),
        ("bob", delete(at, 3), "sent"),
    ] {
        assert_eq!(only_answer(&rig.ask(who, frame).await).0, expected, "{who}");
    }
}

pub async fn edits_are_bound_in_time_in_number_and_to_what_their_author_has_seen(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    // These are of decades ago.
    let old = vec![entry(at, 2, "ann"), entry(at, 3, "bob"), entry(at, 4, "bob")];
    rig.store.append(&only(old)).await.unwrap();
    assert_eq!(only_answer(&rig.ask("bob", edit(at, 3, "x")).await), refused("forbidden"));
    assert_eq!(only_answer(&rig.ask("ann", edit(at, 2, "x")).await), sent(5), "the owner");
    assert_eq!(only_answer(&rig.ask("bob (bot)", edit(at, 4, "x")).await), sent(6), "a bot");
    // What it is based on.
    let told = rig.ask("ann", edit_from(at, 2, "y", Some(0))).await;
    let error = &told[0].1;
    assert_eq!((&error["code"], &error["current"]), (&json!("conflict"), &json!(5)), "{error}");
    assert_eq!(only_answer(&rig.ask("ann", edit_from(at, 2, "y", Some(5))).await), sent(7));
    rig.ask("bob", send(at, "new")).await;
    assert_eq!(only_answer(&rig.ask("bob", edit_from(at, 8, "y", Some(0))).await), sent(9));
    // What a message of this kind may say.
    for (content, code) in [
        (r#"{"txt":"y"}"#, "invalid"),
        (r#"{"text":""}"#, "invalid"),
        ("[]", "invalid"),
        ("{", "invalid"),
        ("", "invalid"),
    ] {
        let edit = bus::Edit { seq: 8, content: content.to_owned(), ..bus::Edit::default() };
        let told = rig.ask("bob", act(at, Action::Edit(edit))).await;
        assert_eq!(only_answer(&told), refused(code), "{content}");
    }
    let long = json!({ "text": "x".repeat(8_001) }).to_string();
    let long = bus::Edit { seq: 8, content: long, ..bus::Edit::default() };
    assert_eq!(only_answer(&rig.ask("bob", act(at, Action::Edit(long))).await).0, "too_large");
    let named = bus::Edit {
        seq: 8,
        content: json!({ "text": "@eve" }).to_string(),
        mentions: vec!["eve".to_owned()],
        ..bus::Edit::default()
    };
    assert_eq!(
        only_answer(&rig.ask("bob", act(at, Action::Edit(named.clone()))).await).0,
        "invalid"
    );
    let named =
        bus::Edit { mentions: vec!["ann".to_owned()], extra: r#"{"a": 1.50}"#.to_owned(), ..named };
    assert_eq!(only_answer(&rig.ask("bob", act(at, Action::Edit(named))).await), sent(10));
    let (state, _) = found(&rig.store, at, 8).await;
    assert_eq!(state.extra.unwrap().as_str(), r#"{"a": 1.50}"#, "as it was written");
    // A hundred of them, in one batch.
    let frames: Vec<_> = (0..99).map(|n| ("bob", edit(at, 8, &format!("{n}")))).collect();
    let told = answers(&rig.batch(frames, false).await);
    let refused: Vec<_> = told.iter().filter(|(what, _)| what != "sent").collect();
    assert_eq!((told.len(), refused.len()), (99, 1));
    assert_eq!(told[98].0, "quota_exceeded");
}

pub async fn reactions_are_bound_in_number(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    rig.ask("ann", send(at, "x")).await;
    let frames: Vec<_> = (0..20).map(|n| ("ann", react(at, 2, &format!("k{n}"), true))).collect();
    assert!(answers(&rig.batch(frames, false).await).iter().all(|(what, _)| what == "sent"));
    let told = rig.ask("ann", react(at, 2, "another", true)).await;
    assert_eq!(only_answer(&told), refused("quota_exceeded"));
    assert_eq!(only_answer(&rig.ask("bob", react(at, 2, "another", true)).await).0, "sent");
    let frames = vec![("ann", react(at, 2, "k3", false)), ("ann", react(at, 2, "another", true))];
    assert_eq!(answers(&rig.batch(frames, false).await)[1].0, "sent");
    // Kinds of reactions, of all users together.
    let many: Vec<String> = (0..100).map(|n| format!("of others {n}")).collect();
    let reacted = |key: &String| (key.clone(), json!({ "n": 1, "by": ["eve"] }));
    let reactions: serde_json::Map<_, _> = many.iter().map(reacted).collect();
    rig.ask("ann", send(at, "y")).await;
    let last = rig.store.heads(&user("ann")).await.unwrap()[0].seq;
    let json = json!({ "as_of": last, "reactions": reactions }).to_string();
    let mut batch = only(vec![entry(at, last + 1, "eve")]);
    batch.states = vec![StateRow::Message(keyed(at), last, State::read(&json).unwrap(), None)];
    rig.store.append(&batch).await.unwrap();
    let told = rig.ask("bob", react(at, last, "a new one", true)).await;
    assert_eq!(only_answer(&told), refused("quota_exceeded"));
    assert_eq!(only_answer(&rig.ask("bob", react(at, last, "of others 7", true)).await).0, "sent");
    for bad in ["", "a\u{0}b", "e\u{301}", &"x".repeat(65)] {
        let told = rig.ask("bob", react(at, 2, bad, true)).await;
        assert_eq!(only_answer(&told), refused("invalid"), "{bad:?}");
    }
}

pub async fn what_a_reader_may_not_see_is_not_changed_and_not_told(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    rig.ask("ann", send(at, "before")).await;
    rig.store
        .append(&chat_service::store::AppendBatch {
            entries: vec![entry(at, 3, "ann")],
            members_set: vec![MemberRow {
                conversation_id: at,
                user_id: user("cleo"),
                role: Role::Member,
                from_seq: 3,
            }],
            ..chat_service::store::AppendBatch::default()
        })
        .await
        .unwrap();
    // A worker that knows nothing of what was appended beside it.
    let mut rig = Rig::over(rig.store).await;
    for frame in [react(at, 2, "👍", true), edit(at, 2, "y"), delete(at, 2)] {
        assert_eq!(only_answer(&rig.ask("cleo", frame).await), refused("not_found"));
    }
    let told = rig.ask("ann", edit(at, 2, "after")).await;
    let content = |who: &str| {
        let of_them = told.iter().find(|(user, frame)| user == who && frame["type"] == "entry");
        of_them.unwrap().1["content"].clone()
    };
    assert_eq!(content("bob")["content"]["text"], "after");
    assert_eq!(content("cleo"), json!({}), "they came after the message");
    // Past its end there is nothing to be changed.
    let mut short = entry(at, 5, "ann");
    short.expires_at_ms = Some(2_000);
    rig.store.append(&only(vec![short])).await.unwrap();
    for frame in [react(at, 5, "👍", true), edit(at, 5, "y"), delete(at, 5)] {
        assert_eq!(only_answer(&rig.ask("ann", frame).await), refused("not_found"));
    }
}

/// Sixty-four react to one message, each by a worker of its own that knows nothing of the others, while it is edited and in
/// the end deleted: the state is what the log says.
pub async fn changes_of_many_at_once_are_folded_in_the_order_of_the_log(store: Store) {
    let at = ConversationId::generate();
    store.append(&group(at, &["ann", "bob", "cleo"])).await.unwrap();
    store.append(&only(vec![entry(at, 2, "ann")])).await.unwrap();
    let mut workers = Vec::new();
    for _ in 0..64 {
        workers.push(Rig::over(std::sync::Arc::clone(&store)).await);
    }
    let work = workers.iter_mut().enumerate().map(|(place, rig)| async move {
        let who = ["ann", "bob", "cleo"][place % 3];
        for n in 0..2 {
            if who == "ann" {
                rig.ask(who, edit(at, 2, &format!("{place} {n}"))).await;
            } else {
                let key = ["👍", "x"][place / 3 % 2];
                rig.ask(who, react(at, 2, key, n == 0)).await;
            }
        }
    });
    futures_util::future::join_all(work).await;
    let (state, _) = found(&store, at, 2).await;
    assert_eq!(folded(&store, at, 2).await, state);
    let entries = store.entries(keyed(at), Page::After(2), 0, room(1_000)).await.unwrap();
    assert_eq!(state.as_of, entries.last().unwrap().entry.seq);
    // Each was planned on the state before it: nobody adds a reaction that is there.
    let mut before = State::default();
    for stored in &entries {
        let Entry { body, .. } = &stored.entry;
        let mut after = before.clone();
        after.apply(&stored.entry);
        if matches!(body, Body::Change(ChangeKind::Reaction, _)) {
            assert_ne!(after.reactions, before.reactions, "{stored:?} changes nothing");
        }
        before = after;
    }
    let work = workers.iter_mut().enumerate().map(|(place, rig)| async move {
        let who = ["ann", "bob", "cleo"][place % 3];
        let frame =
            if who == "ann" { delete(at, 2) } else { react(at, 2, &format!("{place}"), true) };
        rig.ask(who, frame).await;
    });
    futures_util::future::join_all(work).await;
    let (state, is_blank) = found(&store, at, 2).await;
    assert!(is_blank && state.gone.is_some());
    assert_eq!(folded(&store, at, 2).await, state);
    let all = store.entries(keyed(at), Page::After(0), 0, room(2_000)).await.unwrap();
    let deleted = state.deleted.unwrap().seq;
    let later = all.iter().filter(|stored| stored.entry.seq > deleted).count();
    assert_eq!(later, 0, "nothing changes what is gone");
}

/// A state is replaced by a later one alone, and never where the message is gone, whatever a batch holds.
pub async fn a_state_never_goes_back(store: Store) {
    let at = ConversationId::generate();
    store.append(&group(at, &["ann"])).await.unwrap();
    store.append(&only(vec![entry(at, 2, "ann"), entry(at, 3, "ann")])).await.unwrap();
    let write = async |seq: u64, json: &str| {
        let mut batch = only(vec![entry(at, seq, "ann")]);
        batch.states = vec![StateRow::Message(keyed(at), 2, State::read(json).unwrap(), None)];
        store.append(&batch).await.unwrap();
        found(&store, at, 2).await.0.to_json()
    };
    let five = r#"{"as_of":5,"pinned":{"seq":5,"by":"ann"}}"#;
    assert_eq!(write(4, five).await, five);
    assert_eq!(write(5, r#"{"as_of":4}"#).await, five);
    assert_eq!(write(6, r#"{"as_of":5}"#).await, five);
    let gone = r#"{"as_of":7,"deleted":{"seq":7,"by":"sender"},"gone":"deleted"}"#;
    assert_eq!(write(7, gone).await, gone);
    assert_eq!(write(8, r#"{"as_of":9,"content":{"text":"back"}}"#).await, gone);
    // A blank touches the row that it names and no other.
    let mut batch = only(vec![entry(at, 9, "ann")]);
    batch.blanked = vec![(keyed(at), 2), (keyed(at), 99)];
    store.append(&batch).await.unwrap();
    let read = store.entries(keyed(at), Page::After(1), 0, room(2)).await.unwrap();
    let contents: Vec<_> = read.iter().map(|stored| stored.entry.body.content()).collect();
    let mut other = entry(at, 3, "ann");
    assert_eq!(contents, ["{}", message(&mut other).content.as_str()]);
    // One that collides leaves nothing behind.
    let mut batch = only(vec![entry(at, 9, "ann")]);
    batch.blanked = vec![(keyed(at), 3)];
    batch.states = vec![StateRow::Message(keyed(at), 3, State::read(five).unwrap(), None)];
    store.append(&batch).await.unwrap_err();
    assert_eq!(found(&store, at, 3).await, (State::default(), false));
}
