//! What `welcome` promises: presence has the connection before it is said.

use std::time::Duration;

use futures_util::StreamExt;
use proto::common::DeviceType;
use tokio_tungstenite::tungstenite::Error;

use crate::device::{Device, Heard};
use crate::edge::{Edge, PATIENCE, token, until};
use crate::services::Mode;

#[tokio::test]
async fn welcome_comes_only_after_presence_has_the_connection() {
    let edge = Edge::start().await;
    // What the gateway asks presence at its start is answered by then.
    Device::connect(&edge, "bob").await.is_served().await;
    until("it is told that bob is gone", || edge.presence.account().disconnected.len() == 1).await;
    edge.presence.switch(Mode::Holds);
    let before = edge.presence.account().calls;
    let mut device = Device::open(&edge, &format!("/ws?token={}", token("ann")), &[]).await;
    until("presence was asked", || edge.presence.account().calls > before).await;
    let early = tokio::time::timeout(Duration::from_millis(200), device.socket.next()).await;
    assert!(early.is_err(), "said before presence answered: {early:?}");
    edge.presence.switch(Mode::Answers);
    device.welcome().await;
    let account = edge.presence.account();
    assert_eq!(account.connected.last().unwrap().connection, device.number);
    edge.stop().await;
}

#[tokio::test]
async fn welcome_says_who_is_there_and_what_the_server_accepts() {
    let edge = Edge::with(|limits| {
        (limits.heartbeat_ms, limits.frame_bytes, limits.in_flight) = (7_000, 5_000, 3);
    })
    .await;
    let mut device = Device::open(&edge, &format!("/ws?token={}", token("ann")), &[]).await;
    let welcome = device.welcome().await;
    assert_eq!(welcome["user_id"], "ann");
    assert_eq!(welcome["heartbeat_ms"], 7_000);
    assert_eq!(welcome["limits"]["frame_bytes"], 5_000);
    assert_eq!(welcome["limits"]["in_flight"], 3);
    // The epoch is told as soon as it is known, and never waited for.
    while Device::open(&edge, &format!("/ws?token={}", token("ann")), &[]).await.welcome().await["epoch"]
        != "e"
    {}
    assert_eq!(welcome["limits"]["content_bytes"], 65_536);
    assert!(welcome["connection_id"].as_str().unwrap().starts_with("gateway-1."), "{welcome}");
    edge.stop().await;
}

#[tokio::test]
async fn a_welcome_does_not_wait_for_the_chat_service() {
    let edge = Edge::start().await;
    edge.chat.switch(Mode::Away);
    Device::connect(&edge, "ann").await;
    edge.stop().await;
}

#[tokio::test]
async fn a_device_is_told_to_come_again_when_presence_does_not_answer() {
    let edge = Edge::with(|limits| limits.register_timeout_ms = 200).await;
    edge.presence.switch(Mode::Away);
    let mut device = Device::open(&edge, &format!("/ws?token={}", token("ann")), &[]).await;
    assert_eq!(device.closed().await.0, 1013);
    edge.presence.switch(Mode::Answers);
    let again = async {
        let path = format!("/ws?token={}", token("ann"));
        while !matches!(Device::open(&edge, &path, &[]).await.hear().await, Heard::Frame(_)) {}
    };
    tokio::time::timeout(PATIENCE, again).await.expect("it is welcome in the end");
    edge.stop().await;
}

#[tokio::test]
async fn presence_hears_of_device_and_departure() {
    let edge = Edge::start().await;
    let path = format!("/ws?token={}&device=phone-1&device_type=ios", token("ann"));
    let mut device = Device::open(&edge, &path, &[]).await;
    device.welcome().await;
    let connected = edge.presence.account().connected.pop().unwrap();
    assert_eq!((connected.user_id.as_str(), connected.device_id.as_str()), ("ann", "phone-1"));
    assert_eq!(connected.device_type, DeviceType::Ios as i32);
    // Without a close frame.
    let number = device.number;
    drop(device);
    until("presence hears that it is gone", || {
        edge.presence.account().disconnected.iter().any(|gone| gone.connection == number)
    })
    .await;
    until("the socket is counted out", || edge.metric("tidings_gateway_connections") == 0).await;
    edge.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused_with_a_time_to_come_again() {
    let edge = Edge::with(|limits| limits.connections = 1).await;
    let mut first = Device::connect(&edge, "ann").await;
    let refused = Device::try_open(&edge, &format!("/ws?token={}", token("bob")), &[]).await;
    let Err(Error::Http(response)) = refused.map(|_| ()) else { panic!("refused by HTTP") };
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    first.is_served().await;
    edge.stop().await;
}
