//! What an operator says reaches every connection once, behind everything else.

use proto::bus::PushClass;
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::device::Device;
use crate::edge::{Edge, admin_token, token, until};
use crate::slow::{PLUGS, stop_up};
use crate::switched_bus::Mode;

async fn say(edge: &Edge, token: &str, body: &Value) -> (StatusCode, Value) {
    let url = format!("http://{}/api/v1/admin/broadcast", edge.address);
    let answer =
        reqwest::Client::new().post(url).bearer_auth(token).json(body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn everybody_hears_a_broadcast_once_however_often_it_is_said() {
    let edge = Edge::with(|limits| limits.broadcast_slice = 2).await;
    let mut devices = Vec::new();
    for user in ["ann", "ann", "bob", "cleo", "dan"] {
        devices.push(Device::connect(&edge, user).await);
    }
    let id = Uuid::now_v7();
    for text in ["first", "first, again", "once more"] {
        let new = json!({ "id": id, "content": { "text": text } });
        let (status, body) = say(&edge, &admin_token(), &new).await;
        assert_eq!((status, &body["id"]), (StatusCode::ACCEPTED, &json!(id)), "{body}");
    }
    let (_, other) = say(&edge, &admin_token(), &json!({ "content": { "text": "other" } })).await;
    for device in &mut devices {
        let notice = device.expect("notice").await;
        assert_eq!((&notice["id"], &notice["content"]), (&json!(id), &json!({ "text": "first" })));
        assert!(notice["timestamp"].is_u64(), "{notice}");
        // The next one at once: the repeats were told to nobody.
        assert_eq!(device.expect("notice").await["id"], other["id"]);
    }
    assert_eq!(edge.metric("tidings_gateway_broadcast_repeats_total"), 2);
    edge.stop().await;
}

#[tokio::test]
async fn only_operators_say_something_to_everybody_and_only_what_is_well_formed() {
    let edge = Edge::with(|limits| limits.broadcast_bytes = 100).await;
    let mut bob = Device::connect(&edge, "bob").await;
    let (user, operator) = (token("ann"), admin_token());
    let fine = json!({ "content": { "text": "hello" } });
    let wrong = [
        (&user, fine.clone(), 403, "forbidden"),
        (&operator, json!({}), 400, "invalid"),
        (&operator, json!({ "content": "hello" }), 400, "invalid"),
        (&operator, json!({ "id": "7", "content": {} }), 400, "invalid"),
        (&operator, json!({ "content": { "text": "x".repeat(100) } }), 413, "too_large"),
    ];
    for (token, body, status, code) in wrong {
        let (answered, error) = say(&edge, token, &body).await;
        assert_eq!((answered.as_u16(), &error["code"]), (status, &json!(code)), "{error}");
    }
    edge.bus.switch(Mode::Away);
    let (status, error) = say(&edge, &operator, &fine).await;
    assert_eq!((status.as_u16(), &error["stored"]), (503, &json!("no")), "{error}");
    edge.bus.switch(Mode::Works);
    bob.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn entries_and_answers_overtake_broadcasts_at_a_reader_that_is_behind() {
    let edge = Edge::with(|limits| {
        limits.frame_bytes = PLUGS;
        (limits.write_timeout_ms, limits.outbox_broadcasts) = (60_000, 3);
    })
    .await;
    let mut slow = Device::connect_narrow(&edge, "ann").await;
    stop_up(&edge, &slow).await;
    for number in 0..5 {
        say(&edge, &admin_token(), &json!({ "content": { "number": number } })).await;
    }
    until("the bulk is in its outbox", || {
        edge.metric(r#"tidings_gateway_outbox_dropped_total{kind="bulk"}"#) == 2
    })
    .await;
    for (seq, class) in [(1, PushClass::Entry), (2, PushClass::Answer), (3, PushClass::Signal)] {
        let frame = json!({ "type": "entry", "seq": seq }).to_string();
        edge.push(&[slow.number], class, frame).await;
    }
    // A ping is answered through the same outbox; its answer shows that the pushes before are in it.
    slow.expect("entry").await;
    let mut heard = Vec::new();
    for _ in 0..6 {
        let frame = slow.frame().await;
        let what = frame["seq"].as_u64().or(frame["content"]["number"].as_u64().map(|n| n + 100));
        heard.push(what.unwrap());
    }
    assert_eq!(heard, [1, 2, 3, 102, 103, 104], "and the two oldest broadcasts are gone");
    slow.is_served().await;
    edge.stop().await;
}
