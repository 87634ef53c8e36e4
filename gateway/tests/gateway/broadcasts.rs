//! What an operator says reaches every connection once, behind everything else.

use bus::Bus;
use proto::bus::{Broadcast, PushBatch, push};
use proto::common::NoticeAudience;
use proto::id::{ConversationId, TenantId};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::device::Device;
use crate::edge::{Edge, Kind, admin_token, named_token, token, until};
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
    for (seq, class) in [(1, Kind::Entry), (2, Kind::Receipt), (3, Kind::Signal)] {
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
    assert_eq!(heard, [3, 1, 2, 102, 103, 104], "and the two oldest broadcasts are gone");
    slow.is_served().await;
    edge.stop().await;
}

/// A notice of the default tenant.
fn notice(log: ConversationId, seq: u64, urgent: bool) -> Broadcast {
    let frame = json!({ "type": "entry", "conversation_id": log, "seq": seq }).to_string();
    Broadcast {
        id: Uuid::now_v7().as_bytes().to_vec().into(),
        frame: frame.into(),
        conversation_id: log.to_bytes(),
        seq,
        audience: Some(NoticeAudience { all: true, ..NoticeAudience::default() }),
        urgent,
        ..Broadcast::default()
    }
}

#[tokio::test]
async fn an_urgent_notice_overtakes_everything_and_no_notice_comes_after_a_later_one() {
    let edge = Edge::with(|limits| {
        limits.frame_bytes = PLUGS;
        (limits.write_timeout_ms, limits.outbox_broadcasts) = (60_000, 50);
    })
    .await;
    let mut slow =
        Device::connect_narrow_at(&edge, &format!("/ws?token={}&notices=1", token("ann"))).await;
    stop_up(&edge, &slow).await;
    let log = ConversationId::notices(TenantId::DEFAULT);
    for number in 0..30 {
        say(&edge, &admin_token(), &json!({ "content": { "number": number } })).await;
    }
    edge.bus.broadcast(notice(log, 1, false)).await.unwrap();
    until("the bulk is in its outbox", || edge.metric("tidings_gateway_broadcasts_total") == 31)
        .await;
    edge.push(&[slow.number], Kind::Entry, json!({ "type": "entry", "seq": 77 }).to_string()).await;
    let urgent = PushBatch { pushes: vec![push::Body::Urgent(notice(log, 2, true)).into()] };
    edge.bus.publish_urgent(None, urgent).await.unwrap();
    until("the urgent one, too", || edge.metric("tidings_gateway_broadcasts_total") == 32).await;
    // The first notice is not written after the second: the device sees that it lacks it.
    edge.bus.broadcast(notice(log, 3, false)).await.unwrap();
    until("and the last", || edge.metric("tidings_gateway_broadcasts_total") == 33).await;
    slow.expect("entry").await;
    let mut heard = Vec::new();
    while heard.last() != Some(&3) {
        let frame = slow.frame().await;
        heard.push(
            frame["seq"].as_u64().or(frame["content"]["number"].as_u64().map(|n| n + 100)).unwrap(),
        );
    }
    let bulk = (100..130).collect::<Vec<u64>>();
    assert_eq!((&heard[..2], &heard[2..32], &heard[32..]), (&[2, 77][..], &bulk[..], &[3][..]));
    edge.stop().await;
}

#[tokio::test]
async fn a_user_with_a_role_for_it_broadcasts_over_a_socket() {
    let edge = Edge::with(|limits| {
        (limits.broadcast_bytes, limits.broadcast_roles) = (100, vec!["caster".to_owned()]);
    })
    .await;
    let mut bob = Device::connect(&edge, "bob").await;
    let caster = named_token("ann", "cast", &["caster"]);
    let mut ann = Device::connect_with(&edge, &caster).await;
    let say = |id: Uuid, content: Value| json!({ "type": "broadcast", "ref": "b", "client_id": id, "content": content });
    let id = Uuid::now_v7();
    for _ in 0..2 {
        ann.say(&say(id, json!({ "text": "now" }))).await;
    }
    for device in [&mut ann, &mut bob] {
        let heard = device.expect("notice").await;
        assert_eq!((&heard["id"], &heard["sender"]), (&json!(id), &json!("ann")), "{heard}");
        assert_eq!(heard["content"], json!({ "text": "now" }));
    }
    let long = json!({ "text": "x".repeat(100) });
    for (is_bob, content, code) in [
        (true, json!({ "text": "me, too" }), "forbidden"),
        (false, long, "too_large"),
        (false, json!("no object"), "invalid"),
    ] {
        let device = if is_bob { &mut bob } else { &mut ann };
        device.say(&say(Uuid::now_v7(), content)).await;
        let error = device.expect("error").await;
        assert_eq!((&error["code"], &error["stored"]), (&json!(code), &json!("no")), "{error}");
    }
    bob.is_served().await;
    edge.stop().await;
}
