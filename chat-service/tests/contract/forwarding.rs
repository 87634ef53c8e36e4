//! Copies of messages: what may be copied by whom, and what a copy says.

use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::common::{DeviceType, Role};
use proto::id::{ClientId, ConversationId};
use serde_json::{Value, json};

use super::worker::{Rig, Told, answers, operation};
use super::{Store, group};

fn copy(to: ConversationId, client_id: ClientId, from: ConversationId, seq: u64) -> Frame {
    let source = bus::Source { conversation_id: from.to_bytes(), seq };
    let action = Action::Send(bus::Send { source: Some(source), ..bus::Send::default() });
    operation(Some(to), client_id, action)
}

fn send(at: ConversationId, kind: &str, content: &Value, more: bus::Send) -> Frame {
    let message = bus::Send { kind: kind.to_owned(), content: content.to_string(), ..more };
    operation(Some(at), ClientId::generate(), Action::Send(message))
}

/// What a user heard of an entry.
fn heard(told: &Told, who: &str) -> Value {
    let mut entries = told.iter().filter(|(user, frame)| user == who && frame["type"] == "entry");
    entries.next().unwrap_or_else(|| panic!("{who} heard nothing of {told:?}")).1.clone()
}

pub async fn a_message_is_copied_with_its_author_and_mentions_nobody(store: Store) {
    let mut rig = Rig::over(store).await;
    let (from, to) = (ConversationId::generate(), ConversationId::generate());
    rig.store.append(&group(from, &["ann", "bob"])).await.unwrap();
    rig.store.append(&group(to, &["bob", "cleo"])).await.unwrap();
    let text = json!({ "text": "hi bob", "entities": [
        { "type": "mention", "from": 3, "length": 3, "user": "bob" }, { "type": "bold", "from": 0, "length": 2 }] });
    let more = bus::Send {
        mentions: vec!["bob".to_owned()],
        important: true,
        reply_to: 1,
        extra: r#"{"secret":1}"#.to_owned(),
        ..bus::Send::default()
    };
    let original = heard(&rig.ask("ann", send(from, "text", &text, more)).await, "bob");
    let client_id = ClientId::generate();
    let told = rig.ask("bob", copy(to, client_id, from, 2)).await;
    assert_eq!(answers(&told), [("sent".to_owned(), 2)]);
    let copied = heard(&told, "cleo");
    let expected =
        json!({ "text": "hi bob", "entities": [{ "type": "bold", "from": 0, "length": 2 }] });
    assert_eq!((&copied["content"], &copied["kind"]), (&expected, &json!("text")));
    assert_eq!(copied["sender"]["id"], "bob");
    assert_eq!(copied["forwarded"], json!({ "user": "ann", "at": original["timestamp"] }));
    for field in ["mentions", "mention_all", "reply_to", "extra", "is_important", "thread"] {
        assert_eq!(copied[field], Value::Null, "{field}");
    }
    assert!(!copied.to_string().contains(&from.to_string()), "{copied}");
    // A repeat has the first answer, and what is read back is the same.
    let again = rig.ask("bob", copy(to, client_id, from, 2)).await;
    assert_eq!(answers(&again), [("sent".to_owned(), 2)]);
    assert_eq!(heard(&again, "cleo"), copied);
    let other = rig.ask("bob", copy(to, client_id, to, 2)).await;
    assert_eq!(answers(&other), [("conflict".to_owned(), 0)]);
    // The copy of a copy says who wrote it first.
    let told = rig.ask("cleo", copy(to, ClientId::generate(), to, 2)).await;
    let twice = heard(&told, "bob");
    assert_eq!(
        (&twice["forwarded"], &twice["sender"]["id"]),
        (&copied["forwarded"], &json!("cleo"))
    );
    // A copy of what was edited says what the last edit says.
    let content = json!({ "text": "hello" }).to_string();
    let edit = bus::Edit { seq: 2, content, ..bus::Edit::default() };
    rig.ask("ann", operation(Some(from), ClientId::generate(), Action::Edit(edit))).await;
    let told = rig.ask("bob", copy(to, ClientId::generate(), from, 2)).await;
    assert_eq!(heard(&told, "cleo")["content"], json!({ "text": "hello" }));
    let delete = bus::Delete { seqs: vec![2], ..bus::Delete::default() };
    rig.ask("ann", operation(Some(from), ClientId::generate(), Action::Delete(delete))).await;
    let gone = rig.ask("bob", copy(to, ClientId::generate(), from, 2)).await;
    assert_eq!(answers(&gone), [("not_found".to_owned(), 0)]);
    let card = json!({ "fallback": "Lunch?", "card": { "title": "Lunch?" } });
    let card = send(from, "card", &card, bus::Send::default());
    assert_eq!(answers(&rig.ask("ann", card).await), [("sent".to_owned(), 5)]);
    let told = rig.ask("bob", copy(to, ClientId::generate(), from, 5)).await;
    assert_eq!(heard(&told, "cleo")["kind"], "card");
}

pub async fn what_one_may_not_see_or_say_is_not_copied(store: Store) {
    let mut rig = Rig::over(store).await;
    let (from, to) = (ConversationId::generate(), ConversationId::generate());
    rig.store.append(&group(from, &["ann", "bob"])).await.unwrap();
    rig.store.append(&group(to, &["ann", "cleo"])).await.unwrap();
    let text = json!({ "text": "hi" });
    let sealed = json!({ "algorithm": "a", "ciphertext": "aGk=", "sender_device": "d" });
    let for_phones = bus::Send { device_type: DeviceType::Ios as i32, ..bus::Send::default() };
    for (seq, (who, frame)) in (2..).zip([
        ("ann", send(from, "text", &text, bus::Send::default())),
        ("ann", send(from, "encrypted", &sealed, bus::Send::default())),
        ("dan", send(from, "notice", &json!({ "body": "x" }), bus::Send::default())),
        ("ann", send(from, "text", &text, for_phones)),
    ]) {
        assert_eq!(answers(&rig.ask(who, frame).await), [("sent".to_owned(), seq)]);
    }
    let add = bus::AddMembers { user_ids: vec!["cleo".to_owned()], role: Role::Member as i32 };
    rig.ask("ann", operation(Some(from), ClientId::generate(), Action::AddMembers(add))).await;
    for (who, source, seq, code) in [
        // What it is of, and what it says.
        ("ann", from, 1, "not_found"),
        ("ann", from, 99, "not_found"),
        ("ann", from, 0, "not_found"),
        ("ann", ConversationId::generate(), 1, "not_found"),
        ("ann", from, 3, "invalid"),
        ("ann", from, 4, "invalid"),
        ("ann", from, 5, "invalid"),
        // `cleo` came later, and `bob` is no member of where it would go.
        ("cleo", from, 2, "not_found"),
        ("bob", from, 2, "not_member"),
    ] {
        let told = rig.ask(who, copy(to, ClientId::generate(), source, seq)).await;
        assert_eq!(answers(&told), [(code.to_owned(), 0)], "{who} {seq}");
    }
    assert_eq!(
        answers(&rig.ask("ann", copy(to, ClientId::generate(), from, 2)).await),
        [("sent".to_owned(), 2)]
    );
}
