//! More requests than may await their answer: the gateway does not read on until an answer has gone out.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::device::{Device, Heard};
use crate::edge::{Edge, Kind, short_token, token, until};
use crate::sends::sent;

fn send(number: usize) -> Value {
    json!({ "type": "send", "ref": number.to_string(), "client_id": Uuid::now_v7(), "to": "bob",
        "content": { "text": "hello" } })
}

/// Writes so many sends in one go.
async fn write_sends(device: &mut Device, count: usize) {
    for number in 0..count {
        device.socket.feed(Message::text(send(number).to_string())).await.unwrap();
    }
    device.socket.flush().await.unwrap();
}

/// Nothing more has come up.
async fn is_paused(edge: &Edge) {
    let more = tokio::time::timeout(Duration::from_millis(100), edge.send()).await;
    assert!(more.is_err(), "it reads on: {more:?}");
}

#[tokio::test]
async fn a_thousand_sends_written_at_once_go_up_in_their_order_and_each_is_answered() {
    let edge = Edge::start().await;
    let mut ann = Device::connect(&edge, "ann").await;
    let answering = async {
        for number in 0..1_000 {
            let (connection, send) = edge.send().await;
            assert_eq!(send.r#ref, number.to_string());
            edge.push_all(vec![sent(connection, &send)]).await;
        }
    };
    let asking = async {
        write_sends(&mut ann, 1_000).await;
        for number in 0..1_000 {
            assert_eq!(ann.expect("sent").await["ref"], number.to_string());
        }
    };
    tokio::join!(answering, asking);
    edge.stop().await;
}

#[tokio::test]
async fn binary_frames_wait_likewise() {
    let edge = Edge::with(|limits| limits.in_flight = 2).await;
    let path = format!("/ws?token={}", token("ann"));
    let offer = [("sec-websocket-protocol", "tidings.v1.msgpack")];
    let mut ann = Device::open(&edge, &path, &offer).await;
    assert!(matches!(ann.socket.next().await, Some(Ok(Message::Binary(_)))), "welcome");
    for number in 0..5 {
        ann.say_raw(Message::binary(rmp_serde::to_vec_named(&send(number)).unwrap())).await;
    }
    for number in 0..5 {
        let (connection, send) = edge.send().await;
        assert_eq!(send.r#ref, number.to_string());
        if number == 1 {
            is_paused(&edge).await;
        }
        if number > 0 {
            edge.push_all(vec![sent(connection, &send)]).await;
        }
    }
    drop(ann);
    edge.stop().await;
}

#[tokio::test]
async fn while_a_client_is_not_read_it_still_gets_what_others_say() {
    let edge = Edge::with(|limits| limits.in_flight = 1).await;
    let (mut ann, mut cleo) =
        (Device::connect(&edge, "ann").await, Device::connect(&edge, "cleo").await);
    write_sends(&mut ann, 2).await;
    let (connection, first) = edge.send().await;
    is_paused(&edge).await;
    let entry = json!({ "type": "entry", "seq": 1 }).to_string();
    edge.push(&[ann.number], Kind::Entry, entry).await;
    ann.expect("entry").await;
    cleo.is_served().await;
    edge.push_all(vec![sent(connection, &first)]).await;
    ann.expect("sent").await;
    assert_eq!(edge.send().await.1.r#ref, "1");
    drop(ann);
    edge.stop().await;
}

#[tokio::test]
async fn a_client_that_is_not_read_is_not_taken_for_silent_and_is_told_when_no_answer_comes() {
    let edge = Edge::with(|limits| {
        (limits.in_flight, limits.heartbeat_ms, limits.heartbeat_misses) = (1, 100, 2);
        limits.answer_timeout_ms = 1_000;
    })
    .await;
    let mut ann = Device::connect(&edge, "ann").await;
    let began = Instant::now();
    write_sends(&mut ann, 2).await;
    let mut pings = 0;
    let error = loop {
        match ann.hear().await {
            Heard::Frame(frame) => break frame,
            Heard::Ping => pings += 1,
            closed @ Heard::Closed(..) => panic!("{closed:?} after {:?}", began.elapsed()),
        }
    };
    // Five times the time in which silence ends a connection that is read.
    assert!(began.elapsed() >= Duration::from_secs(1) && pings >= 5, "{pings}");
    assert_eq!((&error["ref"], &error["stored"]), (&json!("0"), &json!("unknown")));
    // And it is read again.
    edge.send().await;
    assert_eq!(edge.send().await.1.r#ref, "1");
    drop(ann);
    edge.stop().await;
}

#[tokio::test]
async fn a_client_that_is_not_read_is_closed_when_its_token_ends() {
    let edge = Edge::with(|limits| limits.in_flight = 1).await;
    let path = format!("/ws?token={}", short_token("ann", Duration::from_secs(2)));
    let mut ann = Device::open(&edge, &path, &[]).await;
    ann.welcome().await;
    write_sends(&mut ann, 50).await;
    let (code, _) = ann.closed().await;
    assert_eq!(code, 4001);
    edge.stop().await;
}

#[tokio::test]
async fn a_gateway_that_stops_answers_what_it_has_taken_and_closes_with_1012() {
    let edge = Edge::with(|limits| limits.in_flight = 1).await;
    let mut ann = Device::connect(&edge, "ann").await;
    write_sends(&mut ann, 50).await;
    let (connection, first) = edge.send().await;
    edge.begin_to_stop();
    let mut refused = 0;
    loop {
        match ann.hear().await {
            Heard::Frame(frame) if frame["type"] == "error" => {
                // It was read and is not stored: there would be nobody to answer it.
                assert_eq!(frame["stored"], "no", "{frame}");
                refused += 1;
                if refused == 1 {
                    edge.push_all(vec![sent(connection, &first)]).await;
                }
            }
            Heard::Frame(frame) => {
                assert_eq!((&frame["type"], &frame["ref"]), (&json!("sent"), &json!("0")));
            }
            Heard::Ping => {}
            Heard::Closed(code, _) => break assert_eq!(code, 1012),
        }
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_connection_that_breaks_while_it_is_not_read_is_noticed() {
    let edge = Edge::with(|limits| limits.in_flight = 1).await;
    let mut ann = Device::connect(&edge, "ann").await;
    write_sends(&mut ann, 50).await;
    edge.send().await;
    is_paused(&edge).await;
    let number = ann.number;
    // Resets the connection.
    ann.socket.get_ref().set_zero_linger().unwrap();
    let began = Instant::now();
    drop(ann);
    until("presence hears that it is gone", || {
        edge.presence.account().disconnected.iter().any(|gone| gone.connection == number)
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(5), "long before an answer is given up");
    edge.stop().await;
}

#[tokio::test]
async fn posts_over_rest_wait_for_a_place_and_are_told_when_they_get_none() {
    let edge = Edge::with(|limits| (limits.in_flight, limits.place_wait_ms) = (1, 300)).await;
    let _device = Device::connect(&edge, "cleo").await;
    let post = |user| {
        reqwest::Client::new()
            .post(format!("http://{}/api/v1/conversations", edge.address))
            .bearer_auth(token(user))
            .json(&json!({ "kind": "group", "title": "t", "members": ["bob"] }))
            .send()
    };
    let mut waiting = JoinSet::new();
    waiting.spawn(post("ann"));
    edge.frame().await;
    let refused = post("ann").await.unwrap();
    assert_eq!(refused.status(), 429);
    let body: Value = refused.json().await.unwrap();
    assert_eq!((&body["code"], &body["limit"]), (&json!("rate_limited"), &json!("waiting")));
    assert_eq!(body["stored"], "no");
    // Another user has places of their own.
    waiting.spawn(post("bob"));
    edge.frame().await;
    waiting.shutdown().await;
    edge.stop().await;
}
