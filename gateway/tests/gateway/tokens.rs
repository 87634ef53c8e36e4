//! Who may connect: every way to hand in a token, and what becomes of bad ones.

use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::device::Device;
use crate::edge::{Edge, expired_token, short_token, token, token_for};

/// Every way to hand in a token, as path, headers and first frame.
async fn hand_in(edge: &Edge, way: &str, token: &str) -> Device {
    match way {
        "query" => Device::open(edge, &format!("/ws?token={token}"), &[]).await,
        "subprotocol" => {
            let offer = format!("tidings.v1, bearer.{token}");
            Device::open(edge, "/ws", &[("sec-websocket-protocol", &offer)]).await
        }
        "authorization" => {
            Device::open(edge, "/ws", &[("authorization", &format!("Bearer {token}"))]).await
        }
        _ => {
            let mut device = Device::open(edge, "/ws", &[]).await;
            device.say(&json!({ "type": "auth", "token": token })).await;
            device
        }
    }
}

const WAYS: [&str; 4] = ["query", "subprotocol", "authorization", "first frame"];

#[tokio::test]
async fn a_good_token_signs_in_over_every_way_to_hand_it_in() {
    let edge = Edge::start().await;
    for way in WAYS {
        let mut device = hand_in(&edge, way, &token("ann")).await;
        assert_eq!(device.welcome().await["user_id"], "ann", "{way}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_bad_token_is_refused_with_4001_and_its_reason_over_every_way_to_hand_it_in() {
    let edge = Edge::start().await;
    let stranger = token_for(
        "ann",
        "another secret of 32 bytes or more!!",
        SystemTime::now(),
        Duration::from_mins(1),
    );
    let bad = [
        (expired_token("ann"), "expired"),
        (stranger, "signature"),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjk5OTk5OTk5OTl9.".to_owned(), "algorithm"),
        ("nonsense".to_owned(), "malformed"),
        (token("a b"), "user id"),
    ];
    for way in WAYS {
        for (token, why) in &bad {
            let (code, reason) = hand_in(&edge, way, token).await.closed().await;
            assert_eq!(code, 4001, "{way}: {why}: {reason}");
            assert!(reason.contains(why), "{way}: {why}: {reason}");
            assert!(!reason.contains(token.as_str()), "{way}: the token is not repeated");
        }
    }
    assert!(edge.presence.account().connected.is_empty(), "nobody was registered");
    edge.stop().await;
}

#[tokio::test]
async fn the_subprotocol_is_chosen_and_the_token_beside_it_is_not_repeated() {
    let edge = Edge::start().await;
    let offer = format!("tidings.v1, bearer.{}", token("ann"));
    let headers = [("sec-websocket-protocol", offer.as_str())];
    let (_device, response) = Device::try_open(&edge, "/ws", &headers).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "tidings.v1");
    edge.stop().await;
}

#[tokio::test]
async fn a_frame_before_the_token_is_refused_with_4001() {
    let edge = Edge::start().await;
    let firsts = [
        Message::text(r#"{"type":"ping"}"#),
        Message::text("hello"),
        Message::text(r#"{"type":"auth"}"#),
        Message::binary(vec![0xff, 0x00]),
    ];
    for first in firsts {
        let mut device = Device::open(&edge, "/ws", &[]).await;
        device.say_raw(first.clone()).await;
        assert_eq!(device.closed().await, (4001, "no token".to_owned()), "{first:?}");
    }
    // Nobody holds memory before it has said who it is.
    let mut device = Device::open(&edge, "/ws", &[]).await;
    device.say(&json!({ "type": "auth", "token": "x".repeat(20 << 10) })).await;
    assert_eq!(device.closed().await.0, 1009);
    edge.stop().await;
}

#[tokio::test]
async fn a_socket_that_hands_in_nothing_is_closed_when_its_time_is_over() {
    let edge = Edge::with(|limits| limits.auth_timeout_ms = 100).await;
    let mut device = Device::open(&edge, "/ws", &[]).await;
    assert_eq!(device.closed().await, (4001, "no token in time".to_owned()));
    edge.stop().await;
}

#[tokio::test]
async fn a_connection_ends_with_its_token() {
    let edge = Edge::start().await;
    let short = short_token("ann", Duration::from_secs(1));
    let mut device = Device::open(&edge, &format!("/ws?token={short}"), &[]).await;
    device.welcome().await;
    assert_eq!(device.closed().await, (4001, "the token has expired".to_owned()));
    edge.stop().await;
}

#[tokio::test]
async fn a_fresh_token_keeps_the_connection_beyond_the_end_of_the_first() {
    let edge = Edge::start().await;
    let short = short_token("ann", Duration::from_secs(2));
    let mut device = Device::open(&edge, &format!("/ws?token={short}"), &[]).await;
    let mut other = Device::open(&edge, &format!("/ws?token={short}"), &[]).await;
    device.welcome().await;
    other.welcome().await;
    device.say(&json!({ "type": "auth", "token": token("ann") })).await;
    assert_eq!(other.closed().await.0, 4001, "the time of the first token is over");
    device.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_fresh_token_of_somebody_else_ends_the_connection() {
    let edge = Edge::start().await;
    for (fresh, why) in [(token("bob"), "subject"), (expired_token("ann"), "expired")] {
        let mut device = Device::connect(&edge, "ann").await;
        device.say(&json!({ "type": "auth", "token": fresh })).await;
        let (code, reason) = device.closed().await;
        assert_eq!(code, 4001);
        assert!(reason.contains(why), "{reason}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_socket() {
    let edge = Edge::start().await;
    let path = format!("/ws?token={}", token("ann"));
    let refused = Device::try_open(&edge, &path, &[("origin", "http://evil.example")]).await;
    let Err(Error::Http(response)) = refused.map(|_| ()) else { panic!("refused by HTTP") };
    assert_eq!(response.status(), 403);
    edge.stop().await;
}

#[tokio::test]
async fn only_members_open_the_socket_of_a_conversation() {
    let edge = Edge::start().await;
    let path = format!("/ws/{}?token={}", uuid::Uuid::now_v7(), token("ann"));
    let (code, reason) = Device::open(&edge, &path, &[]).await.closed().await;
    assert_eq!((code, reason.as_str()), (4003, "not a member of this conversation"));
    edge.stop().await;
}
