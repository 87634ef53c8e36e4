//! Requests go up with their sender, and every one is answered.

use proto::bus::{Answer, Push, Sent, answer::Outcome, frame::Body, push};
use proto::id::{ConversationId, TenantId, UserName};
use serde_json::{Value, json};

use crate::device::Device;
use crate::edge::{Edge, Said, until};

/// The answer of a chat service to a send.
pub fn sent(connection: u64, said: &Said) -> Push {
    let sent = Sent { conversation_id: said.conversation_id.clone(), seq: 1, ..Sent::default() };
    push::Body::Answer(Answer {
        connection,
        client_id: said.client_id.clone(),
        r#ref: said.r#ref.clone(),
        outcome: Some(Outcome::Sent(sent)),
    })
    .into()
}

#[tokio::test]
async fn a_send_goes_up_under_its_connection_and_its_answer_comes_back_to_it() {
    let edge = Edge::start().await;
    let mut ann = Device::connect(&edge, "ann").await;
    let client_id = ann.send_to("bob", "first").await;
    let frame = edge.frame().await;
    let origin = frame.origin.clone().unwrap();
    assert_eq!((origin.connection, origin.user_id.as_str()), (ann.number, "ann"));
    assert!(!origin.admin && !origin.bot);
    let send = Said::of(frame).unwrap();
    let (one, two) = (UserName::parse("ann").unwrap(), UserName::parse("bob").unwrap());
    assert_eq!(
        send.conversation_id,
        ConversationId::direct(TenantId::DEFAULT, &one, &two).to_bytes()
    );
    assert_eq!(
        (send.r#ref.as_str(), send.to.as_str(), send.kind.as_str()),
        ("first", "bob", "text")
    );
    assert_eq!(send.content, r#"{"text":"hello"}"#);

    edge.push_all(vec![sent(ann.number, &send)]).await;
    let answer = ann.expect("sent").await;
    assert_eq!((&answer["ref"], &answer["client_id"]), (&json!("first"), &json!(client_id)));
    edge.stop().await;
}

#[tokio::test]
async fn what_all_ask_together_beyond_what_may_await_its_answer_is_refused_until_an_answer_makes_room()
 {
    let edge = Edge::with(|limits| (limits.unanswered, limits.in_flight) = (16, 64)).await;
    let mut ann = Device::connect(&edge, "ann").await;
    let mut other = Device::connect(&edge, "ann").await;
    for _ in 0..15 {
        ann.send_to("bob", "many").await;
        edge.send().await;
    }
    other.send_to("bob", "last").await;
    let (_, last) = edge.send().await;
    let client_id = other.send_to("bob", "beyond").await;
    let error = other.expect("error").await;
    assert_eq!((&error["code"], &error["stored"]), (&json!("unavailable"), &json!("no")));
    assert_eq!((&error["ref"], &error["client_id"]), (&json!("beyond"), &json!(client_id)));
    assert!(error["retry_after_ms"].as_u64().unwrap() >= 1_000, "{error}");
    assert_eq!(edge.metric(r#"tidings_gateway_refused_total{limit="unanswered"}"#), 1);

    edge.push_all(vec![sent(other.number, &last)]).await;
    other.expect("sent").await;
    other.send_to("bob", "again").await;
    assert_eq!(edge.send().await.1.r#ref, "again");
    // A connection that closes makes room, too.
    drop(ann);
    until("ann is gone", || edge.metric("tidings_gateway_connections") == 1).await;
    other.send_to("bob", "more").await;
    assert_eq!(edge.send().await.1.r#ref, "more");
    drop(other);
    edge.stop().await;
}

#[tokio::test]
async fn a_send_that_nobody_answers_in_time_is_told_that_its_outcome_is_unknown() {
    let edge = Edge::with(|limits| limits.answer_timeout_ms = 200).await;
    let mut ann = Device::connect(&edge, "ann").await;
    let client_id = ann.send_to("bob", "late").await;
    let error = ann.expect("error").await;
    assert_eq!((&error["code"], &error["stored"]), (&json!("unavailable"), &json!("unknown")));
    assert_eq!((&error["ref"], &error["client_id"]), (&json!("late"), &json!(client_id)));
    assert!(error["retry_after_ms"].is_u64(), "{error}");

    // The answer comes all the same, and so does that of the repeated send.
    let (number, send) = edge.send().await;
    edge.push_all(vec![sent(number, &send)]).await;
    assert_eq!(ann.expect("sent").await["client_id"], json!(client_id));
    edge.stop().await;
}

#[tokio::test]
async fn marks_and_typing_go_up_and_a_sync_is_asked_of_the_chat_service() {
    let edge = Edge::start().await;
    let mut ann = Device::connect(&edge, "ann").await;
    let id = uuid::Uuid::now_v7();
    ann.say(&json!({ "type": "delivered", "conversation_id": id, "seq": 4 })).await;
    ann.say(&json!({ "type": "read", "conversation_id": id, "seq": 3 })).await;
    ann.say(&json!({ "type": "typing", "conversation_id": id, "on": true })).await;
    let mut cursors = Vec::new();
    for _ in 0..2 {
        let Some(Body::AdvanceCursor(cursor)) = edge.frame().await.body else { panic!("a cursor") };
        cursors.push((cursor.delivered_seq, cursor.read_seq));
    }
    assert_eq!(cursors, [(4, 0), (0, 3)]);
    let Some(Body::Typing(typing)) = edge.frame().await.body else { panic!("typing") };
    assert!(typing.on);

    let page = proto::chat::SyncPage {
        conversation_id: id.as_bytes().to_vec().into(),
        entries: vec![r#"{"seq":5}"#.into()],
        head: 5,
        ..proto::chat::SyncPage::default()
    };
    edge.chat.has(vec![page], 0);
    ann.say(&json!({ "type": "sync", "epoch": "e", "cursors": { id.to_string(): 4 } })).await;
    let page: Value = ann.expect("sync_page").await;
    assert_eq!((&page["head"], &page["entries"]), (&json!(5), &json!([{ "seq": 5 }])));
    assert_eq!(ann.expect("synced").await["epoch"], "e");
    let asked = edge.chat.syncs().pop().unwrap();
    assert_eq!((asked.user_id.as_str(), asked.cursors[0].seq), ("ann", 4));
    assert!(asked.cursors[0].id.is_empty());
    let entry = uuid::Uuid::from_u128(5);
    let cursors = json!({ id.to_string(): { "seq": 4, "id": entry } });
    ann.say(&json!({ "type": "sync", "epoch": "e", "cursors": cursors })).await;
    ann.expect("sync_page").await;
    ann.expect("synced").await;
    let cursor = edge.chat.syncs().pop().unwrap().cursors.remove(0);
    assert_eq!((cursor.seq, &cursor.id[..]), (4, &entry.as_bytes()[..]));
    edge.stop().await;
}

/// The next word about typing that goes up: who, where, on or off.
pub async fn typing(edge: &Edge) -> (String, Vec<u8>, bool) {
    let frame = edge.frame().await;
    let Some(Body::Typing(typing)) = frame.body else { panic!("typing, not {:?}", frame.body) };
    (frame.origin.unwrap().user_id, typing.conversation_id.to_vec(), typing.on)
}

#[tokio::test]
async fn a_connection_that_ends_takes_back_that_it_writes_however_it_ends() {
    let edge = Edge::with(|limits| limits.typing_conversations = 2).await;
    let ids: Vec<_> = (0..3).map(|_| uuid::Uuid::now_v7()).collect();
    let word =
        |id: uuid::Uuid, on: bool| json!({ "type": "typing", "conversation_id": id, "on": on });
    let told = |id: uuid::Uuid, on| ("ann".to_owned(), id.as_bytes().to_vec(), on);
    let mut ann = Device::connect(&edge, "ann").await;
    for id in &ids {
        ann.say(&word(*id, true)).await;
    }
    assert_eq!(typing(&edge).await, told(ids[0], true));
    assert_eq!(typing(&edge).await, told(ids[1], true));
    // The bound is two: the earliest is taken back when there is a third one.
    assert_eq!(typing(&edge).await, told(ids[0], false));
    assert_eq!(typing(&edge).await, told(ids[2], true));
    ann.say(&word(ids[1], false)).await;
    assert_eq!(typing(&edge).await, told(ids[1], false));
    drop(ann);
    assert_eq!(typing(&edge).await, told(ids[2], false));
    edge.stop().await;
}
