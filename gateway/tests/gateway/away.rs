//! A part of the system is away: clients are told so, with the truth about what was stored, and stay.

use serde_json::{Value, json};

use crate::device::Device;
use crate::edge::{Edge, Kind, token, until};
use crate::sends::sent;
use crate::services::Mode as ServiceMode;
use crate::switched_bus::Mode;

#[tokio::test]
async fn without_the_bus_sends_are_refused_as_not_stored_and_sockets_stay() {
    let edge = Edge::with(|limits| limits.retry_after_ms = 321).await;
    let mut ann = Device::connect(&edge, "ann").await;
    edge.bus.switch(Mode::Away);
    let client_id = ann.send_to("bob", "now").await;
    let error = ann.expect("error").await;
    assert_eq!((&error["code"], &error["stored"]), (&json!("unavailable"), &json!("no")));
    assert_eq!((&error["ref"], &error["client_id"]), (&json!("now"), &json!(client_id)));
    assert_eq!(error["retry_after_ms"], 321);
    ann.is_served().await;

    // Back: connections are reported anew, under the new address, and work goes on.
    let before = edge.presence.account();
    edge.bus.switch(Mode::Works);
    until("the connections are reported anew", || {
        let account = edge.presence.account();
        account.snapshots > before.snapshots && account.gateway != before.gateway
    })
    .await;
    // Unasked: something may have been missed.
    assert!(ann.expect("pong").await["heads"].is_u64());
    ann.send_to("bob", "again").await;
    assert_eq!(edge.send().await.1.r#ref, "again");
    edge.push(&[ann.number], Kind::Entry, r#"{"type":"entry"}"#).await;
    ann.expect("entry").await;
    drop(ann);
    edge.stop().await;
}

#[tokio::test]
async fn without_the_bus_presence_goes_on_hearing_that_the_gateway_lives() {
    let edge = Edge::with(|limits| limits.presence_heartbeat_ms = 100).await;
    let ann = Device::connect(&edge, "ann").await;
    let bob = Device::connect(&edge, "bob").await;
    edge.bus.switch(Mode::Away);
    for _ in 0..2 {
        let before = edge.presence.account();
        until("three more heartbeats", || {
            edge.presence.account().heartbeats >= before.heartbeats + 3
        })
        .await;
    }
    // Nor does a departure, which is told under the next address only, hold them up.
    let number = bob.number;
    drop(bob);
    let before = edge.presence.account();
    until("ten more heartbeats", || edge.presence.account().heartbeats >= before.heartbeats + 10)
        .await;
    edge.bus.switch(Mode::Works);
    until("the departure is told", || {
        let gone = edge.presence.account().disconnected;
        gone.iter().any(|gone| gone.connection == number)
    })
    .await;
    drop(ann);
    edge.stop().await;
}

#[tokio::test]
async fn a_lost_confirm_is_told_as_unknown_and_never_as_not_stored() {
    let edge = Edge::start().await;
    let mut ann = Device::connect(&edge, "ann").await;
    edge.bus.switch(Mode::LosesConfirms);
    ann.send_to("bob", "1").await;
    let error = ann.expect("error").await;
    assert_eq!((&error["code"], &error["stored"]), (&json!("unavailable"), &json!("unknown")));
    assert!(error["retry_after_ms"].is_u64());
    let (status, body) = post(&edge, &json!({ "content": { "text": "x" } })).await;
    assert_eq!((status, &body["stored"]), (503, &json!("unknown")), "{body}");
    edge.stop().await;
}

#[tokio::test]
async fn what_was_asked_under_a_lost_queue_is_told_as_unknown_soon_after_the_next_one_is_open() {
    let edge = Edge::with(|limits| limits.answer_timeout_ms = 120_000).await;
    let mut ann = Device::connect(&edge, "ann").await;
    ann.send_to("bob", "before").await;
    let (number, before) = edge.send().await;
    let (posted, ()) =
        tokio::join!(async { post(&edge, &json!({ "content": { "text": "x" } })).await }, async {
            edge.send().await;
            let snapshots = edge.presence.account().snapshots;
            edge.bus.switch(Mode::Away);
            while !edge.readiness().await.contains("answer_queue") {
                tokio::task::yield_now().await;
            }
            edge.bus.switch(Mode::Works);
            until("presence has the account", || edge.presence.account().snapshots > snapshots)
                .await;
            ann.send_to("bob", "after").await;
            let error = heard(&mut ann, "error").await;
            assert_eq!((&error["ref"], &error["stored"]), (&json!("before"), &json!("unknown")));
        });
    assert_eq!((posted.0, &posted.1["stored"]), (503, &json!("unknown")), "{posted:?}");
    // An answer that was not lost comes all the same, and what was asked later waits for its own.
    let (_, after) = edge.send().await;
    for send in [&before, &after] {
        edge.push_all(vec![sent(number, send)]).await;
        assert_eq!(heard(&mut ann, "sent").await["ref"], json!(send.r#ref));
    }
    edge.stop().await;
}

/// The next frame of a type; heads are told in between.
async fn heard(device: &mut Device, kind: &str) -> Value {
    loop {
        let frame = device.frame().await;
        if frame["type"] != "pong" {
            assert_eq!(frame["type"], kind, "{frame}");
            return frame;
        }
    }
}

#[tokio::test]
async fn a_bus_that_takes_nothing_fills_up_to_its_bound_and_then_refuses() {
    let edge = Edge::with(|limits| {
        (limits.uplink_frames, limits.uplink_batch_frames, limits.in_flight) = (4, 1, 1_000);
        limits.answer_timeout_ms = 60_000;
    })
    .await;
    let mut ann = Device::connect(&edge, "ann").await;
    edge.bus.switch(Mode::Stuck);
    for place in 0..100 {
        ann.send_to("bob", &place.to_string()).await;
    }
    let error = ann.expect("error").await;
    assert_eq!((&error["code"], &error["stored"]), (&json!("unavailable"), &json!("no")));
    edge.bus.switch(Mode::Works);
    assert_eq!(edge.send().await.1.r#ref, "0", "what was taken goes out in its order");
    // Its answers are waited for while it is there; gone, it holds up nothing.
    edge.begin_to_stop();
    drop(ann);
    edge.stop().await;
}

#[tokio::test]
async fn without_the_chat_service_syncs_and_rest_say_so_and_the_socket_stays() {
    let edge = Edge::start().await;
    let mut ann = Device::connect(&edge, "ann").await;
    edge.chat.switch(ServiceMode::Away);
    ann.say(&json!({ "type": "sync", "ref": "s", "cursors": {} })).await;
    let error = ann.expect("error").await;
    assert_eq!((&error["code"], &error["ref"]), (&json!("unavailable"), &json!("s")));
    assert!(error["retry_after_ms"].is_u64(), "{error}");
    let answer = reqwest::Client::new()
        .get(format!("http://{}/api/v1/conversations", edge.address))
        .bearer_auth(token("ann"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["code"], "unavailable");
    assert!(body["retry_after_ms"].is_u64(), "{body}");
    edge.chat.switch(ServiceMode::Answers);
    ann.say(&json!({ "type": "sync", "cursors": {} })).await;
    ann.expect("synced").await;
    edge.stop().await;
}

#[tokio::test]
async fn without_presence_those_who_are_connected_go_on() {
    let edge = Edge::start().await;
    let mut ann = Device::connect(&edge, "ann").await;
    edge.presence.switch(ServiceMode::Frozen);
    ann.send_to("bob", "1").await;
    assert_eq!(edge.send().await.1.r#ref, "1");
    edge.push(&[ann.number], Kind::Entry, r#"{"type":"entry"}"#).await;
    ann.expect("entry").await;
    edge.presence.switch(ServiceMode::Answers);
    drop(ann);
    edge.stop().await;
}

/// A message over REST.
async fn post(edge: &Edge, body: &Value) -> (u16, Value) {
    let id = uuid::Uuid::now_v7();
    let answer = reqwest::Client::new()
        .post(format!("http://{}/api/v1/conversations/{id}/messages", edge.address))
        .bearer_auth(token("ann"))
        .json(body)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}
