//! Presses of the actions of cards: an entry in the self log of the bot that sent the card, and an answer about the card.

use std::time::Duration;

use chat_service::queries::events::EventDesk;
use chat_service::store::Page;
use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::chat::ReadEventsRequest;
use proto::chat::events_server::Events as _;
use proto::id::{ClientId, ConversationId};
use serde_json::{Value, json};
use tonic::Request;

use super::worker::{Rig, Told, answers, operation, pushed};
use super::{Store, group, keyed, user};

const BOT: &str = "ann (bot)";

fn press(at: ConversationId, seq: u64, bot: &str, action_id: &str, value: Option<&str>) -> Frame {
    let card = Some(bus::Source { conversation_id: at.to_bytes(), seq });
    let (bot, action_id, value) = (bot.to_owned(), action_id.to_owned(), value.map(str::to_owned));
    let own = ConversationId::own(&user(&bot));
    let act = bus::CardAct { card, bot, action_id, value };
    operation(Some(own), ClientId::generate(), Action::Act(act))
}

fn act(at: ConversationId, action: Action) -> Frame {
    operation(Some(at), ClientId::generate(), action)
}

fn card() -> Action {
    let actions = json!([
        { "id": "yes", "label": "Yes", "value": "y" },
        { "id": "later", "label": "Later" },
    ]);
    let content =
        json!({ "fallback": "Lunch?", "card": { "title": "Lunch?", "actions": actions } });
    let (kind, content) = ("card".to_owned(), content.to_string());
    Action::Send(bus::Send { kind, content, ..bus::Send::default() })
}

/// What the bot heard.
fn heard(told: &Told) -> Value {
    assert_eq!(pushed(told), ["ann"], "{told:?}");
    told.iter().find(|(_, frame)| frame["type"] == "entry").unwrap().1.clone()
}

pub async fn a_press_of_a_card_comes_to_its_bot_once_and_to_nobody_else(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob", "cleo"])).await.unwrap();
    assert_eq!(answers(&rig.ask(BOT, act(at, card())).await), [("sent".to_owned(), 2)]);
    let own = ConversationId::own(&user("ann"));
    let frame = press(at, 2, "ann", "yes", None);
    let told = rig.ask("bob", frame.clone()).await;
    let (who, answer) = told.iter().find(|(_, frame)| frame["type"] == "sent").unwrap();
    // Nothing of the log that it went to.
    assert_eq!((who.as_str(), &answer["seq"]), ("bob", &json!(2)));
    assert_eq!(answer["conversation_id"], json!(at));
    for field in ["id", "unchanged", "tallied"] {
        assert_eq!(answer.get(field), None, "{answer}");
    }
    let entry = heard(&told);
    let said = |action_id: &str, value: Option<&str>, user: &str| {
        let mut said =
            json!({ "conversation_id": at, "seq": 2, "action_id": action_id, "user": user });
        if let Some(value) = value {
            said["value"] = json!(value);
        }
        said
    };
    assert_eq!(
        (&entry["kind"], &entry["content"]),
        (&json!("act"), &said("yes", Some("y"), "bob"))
    );
    assert_eq!((&entry["conversation_id"], &entry["seq"]), (&json!(own), &json!(1)));
    assert_eq!((&entry["sender"]["id"], &entry["sender"]["type"]), (&json!("bob"), &json!("user")));
    // The same press again, alone and in company of itself, and another one under its id.
    assert_eq!(
        rig.ask("bob", frame.clone()).await.iter().filter(|(_, it)| it == answer).count(),
        1
    );
    let twice = press(at, 2, "ann", "later", Some("at two"));
    let told = rig.batch(vec![("cleo", twice.clone()), ("cleo", twice)], false).await;
    let same: Vec<_> = told.iter().filter(|(_, frame)| frame["type"] == "sent").collect();
    assert!(same.len() == 2 && same[0] == same[1], "{told:?}");
    assert_eq!(heard(&told)["content"], said("later", Some("at two"), "cleo"));
    let mut other = press(at, 2, "ann", "later", None);
    other.client_id = frame.client_id;
    assert_eq!(answers(&rig.ask("bob", other).await), [("conflict".to_owned(), 0)]);
    // The bot itself may press it, and hears of that like of any.
    let told = rig.ask(BOT, press(at, 2, "ann", "later", None)).await;
    assert_eq!(heard(&told)["content"], said("later", None, "ann"));
    let log = rig.store.entries(keyed(own), Page::After(0), 0, super::room(10)).await.unwrap();
    let kinds: Vec<_> = log.iter().map(|it| it.entry.body.kind().to_owned()).collect();
    assert_eq!(kinds, ["act"; 3]);
}

pub async fn what_is_no_card_of_a_bot_that_one_may_see_is_not_pressed(store: Store) {
    let mut rig = Rig::over(store).await;
    let (at, other) = (ConversationId::generate(), ConversationId::generate());
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    rig.store.append(&group(other, &["ann", "bob"])).await.unwrap();
    for (seq, (who, action)) in (2..).zip([(BOT, card()), ("bob", card()), (BOT, card())]) {
        assert_eq!(answers(&rig.ask(who, act(at, action)).await), [("sent".to_owned(), seq)]);
    }
    let text = json!({ "text": "yes" }).to_string();
    let text = bus::Send { kind: "text".to_owned(), content: text, ..bus::Send::default() };
    rig.ask(BOT, act(at, Action::Send(text))).await;
    // A copy is nobody's to be pressed.
    let source = Some(bus::Source { conversation_id: at.to_bytes(), seq: 2 });
    let copy = Action::Send(bus::Send { source, ..bus::Send::default() });
    rig.ask("bob", act(at, copy)).await;
    let delete = Action::Delete(bus::Delete { seq: 4, ..bus::Delete::default() });
    rig.ask(BOT, act(at, delete)).await;
    let add = bus::AddMembers { user_ids: vec!["cleo".to_owned()], ..bus::AddMembers::default() };
    let add = bus::AddMembers { role: proto::common::Role::Member as i32, ..add };
    rig.ask("ann", act(at, Action::AddMembers(add))).await;
    let long = "x".repeat(65);
    for (who, place, seq, bot, action_id, value, code) in [
        ("bob", at, 2, "ann", "no", None, "invalid"),
        ("bob", at, 2, "ann", "yes", Some("n"), "invalid"),
        ("bob", at, 2, "ann", "", None, "invalid"),
        ("bob", at, 2, "ann", &*long, None, "too_large"),
        // Another's card, a person's, a text, a copy, what is gone and what never was.
        ("bob", at, 2, "bob", "yes", None, "not_found"),
        ("bob", at, 3, "bob", "yes", None, "not_found"),
        ("bob", at, 5, "ann", "yes", None, "not_found"),
        ("bob", at, 6, "ann", "yes", None, "not_found"),
        ("bob", at, 6, "bob", "yes", None, "not_found"),
        ("bob", at, 4, "ann", "yes", None, "not_found"),
        ("bob", at, 0, "ann", "yes", None, "not_found"),
        ("bob", at, 99, "ann", "yes", None, "not_found"),
        ("bob", other, 2, "ann", "yes", None, "not_found"),
        ("bob", ConversationId::generate(), 2, "ann", "yes", None, "not_found"),
        // No member, one who came later, and another tenant's.
        ("dan!", at, 2, "ann", "yes", None, "not_found"),
        ("cleo", at, 2, "ann", "yes", None, "not_found"),
        ("acme/bob", at, 2, "ann", "yes", None, "not_found"),
        ("acme/bob", at, 2, "acme/ann", "yes", None, "not_found"),
    ] {
        let told = rig.ask(who, press(place, seq, bot, action_id, value)).await;
        assert_eq!(answers(&told), [(code.to_owned(), 0)], "{who} {seq} {bot} {action_id}");
        assert!(pushed(&told).is_empty());
    }
    assert_eq!(answers(&rig.ask("bob", press(at, 2, "ann", "yes", Some("y"))).await)[0].0, "sent");
    // A bot that has gone hears nothing more.
    let leave = Action::RemoveMember(bus::RemoveMember { user_id: "ann".to_owned() });
    rig.ask(BOT, act(at, leave)).await;
    let told = rig.ask("bob", press(at, 2, "ann", "yes", None)).await;
    assert_eq!(answers(&told), [("not_found".to_owned(), 0)]);
}

pub async fn a_press_is_an_event_and_what_a_bot_sets_is_none(store: Store) {
    let desk = EventDesk::new(std::sync::Arc::clone(&store));
    let read = async |after: &str| {
        let request =
            ReadEventsRequest { after: after.to_owned(), limit: 50, ..Default::default() };
        desk.read_events(Request::new(request)).await.unwrap().into_inner()
    };
    let begun = read("").await;
    let mut rig = Rig::over(store.clone()).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    rig.ask(BOT, act(at, card())).await;
    let (what, value) = ("push".to_owned(), r#"{"content":"none"}"#.to_owned());
    let set = Action::Set(bus::Set { what, value, ..bus::Set::default() });
    rig.ask(BOT, operation(None, ClientId::generate(), set)).await;
    rig.ask("bob", press(at, 2, "ann", "yes", None)).await;
    let (mut after, mut events) = (begun.next, Vec::<Value>::new());
    let reading = async {
        while events.len() < 3 {
            let page = read(&after).await;
            events.extend(page.events.iter().map(|it| serde_json::from_slice(it).unwrap()));
            after = page.next;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), reading).await.expect("all events come");
    let types: Vec<_> = events.iter().map(|it| it["type"].as_str().unwrap()).collect();
    let expected = ["chat.conversation.created", "chat.message.received", "chat.card.action"];
    assert_eq!(types, expected);
    let data = &events[2]["data"];
    assert_eq!(data["conversation"]["kind"], "private");
    assert_eq!(data["entry"]["content"]["conversation_id"], json!(at));
    assert_eq!(events[2]["partitionkey"], json!(ConversationId::own(&user("ann"))));
}
