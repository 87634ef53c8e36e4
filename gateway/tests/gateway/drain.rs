//! The gateway leaves in order: nobody loses an answer, nobody's connection breaks.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::device::{Device, Heard};
use crate::edge::{Edge, token, until};
use crate::sends::sent;
use crate::services::Mode;

#[tokio::test]
async fn a_leaving_gateway_is_not_ready_and_takes_no_sockets_while_it_answers_the_old_ones() {
    let edge =
        Edge::with(|limits| (limits.drain_window_ms, limits.drain_linger_ms) = (1, 60_000)).await;
    assert!(edge.is_ready().await);
    let mut ann = Device::connect(&edge, "ann").await;
    ann.send_to("bob", "under way").await;
    let (number, send) = edge.send().await;
    edge.begin_to_stop();
    let redirect = ann.expect("redirect").await;
    assert!(redirect["after_ms"].is_u64(), "{redirect}");
    assert!(!edge.is_ready().await);
    until("nobody listens any more", || {
        std::net::TcpStream::connect_timeout(&edge.address, Duration::from_secs(1)).is_err()
    })
    .await;
    assert!(TcpStream::connect(edge.address).await.is_err());

    // What was under way is answered, and so is what follows until the client goes.
    edge.push_all(vec![sent(number, &send)]).await;
    ann.expect("sent").await;
    ann.is_served().await;
    ann.say_raw(Message::Close(None)).await;
    ann.closed().await;
    edge.ended().await;
    let account = edge.presence.account();
    assert!(account.disconnected.iter().any(|gone| gone.connection == number));
    assert_eq!(account.left_with, Some(0), "it signs off after everybody is reported as gone");
    edge.stop().await;
}

#[tokio::test]
async fn a_gateway_that_cannot_sign_off_ends_all_the_same_and_soon() {
    let edge = Edge::with(|limits| limits.drain_window_ms = 0).await;
    let mut ann = Device::connect(&edge, "ann").await;
    ann.is_served().await;
    drop(ann);
    until("ann is reported as gone", || !edge.presence.account().disconnected.is_empty()).await;
    edge.presence.switch(Mode::Frozen);
    let began = Instant::now();
    edge.begin_to_stop();
    edge.ended().await;
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert_eq!(edge.presence.account().left_with, None);
    edge.presence.switch(Mode::Answers);
    edge.stop().await;
}

#[tokio::test]
async fn redirects_are_spread_over_the_window_and_those_that_stay_are_closed_with_1012() {
    const WINDOW: Duration = Duration::from_secs(1);
    let edge = Edge::with(|limits| {
        (limits.drain_window_ms, limits.drain_linger_ms) = (WINDOW.as_millis() as u64, 100);
    })
    .await;
    let mut devices = Vec::new();
    for place in 0..30 {
        devices.push(Device::connect(&edge, &format!("user-{place}")).await);
    }
    let began = Instant::now();
    edge.begin_to_stop();
    let told = devices.into_iter().map(|mut device| async move {
        let frame = device.frame().await;
        assert_eq!(frame["type"], "redirect", "{frame}");
        let told = began.elapsed();
        let (code, reason) = device.closed().await;
        assert_eq!((code, reason.as_str()), (1012, "restarting; reconnect"));
        told
    });
    let told = futures_util::future::join_all(told).await;
    let early = told.iter().filter(|told| **told < WINDOW / 2).count();
    // Of 30 fair coins fewer than 4 on one side: once in 200,000 runs.
    assert!((4..=26).contains(&early), "{early} of 30 in the first half: {told:?}");
    edge.ended().await;
    edge.stop().await;
}

#[tokio::test]
async fn without_a_window_sockets_are_closed_at_once_after_their_answers() {
    let edge = Edge::start().await;
    let mut ann = Device::connect(&edge, "ann").await;
    let mut idle = Device::connect(&edge, "bob").await;
    ann.send_to("bob", "under way").await;
    let (number, send) = edge.send().await;
    edge.begin_to_stop();
    assert_eq!(idle.hear().await, Heard::Closed(1012, "restarting; reconnect".to_owned()));
    edge.push_all(vec![sent(number, &send)]).await;
    ann.expect("sent").await;
    assert_eq!(ann.closed().await.0, 1012);
    edge.ended().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_send_that_gets_no_answer_before_the_end_is_told_that_its_outcome_is_unknown() {
    let edge = Edge::with(|limits| limits.answer_timeout_ms = 300).await;
    let mut ann = Device::connect(&edge, "ann").await;
    ann.send_to("bob", "1").await;
    edge.send().await;
    edge.begin_to_stop();
    let error = ann.expect("error").await;
    assert_eq!((&error["ref"], &error["stored"]), (&json!("1"), &json!("unknown")));
    assert_eq!(ann.closed().await.0, 1012);
    let path = format!("/ws?token={}", token("ann"));
    assert!(
        TcpStream::connect(edge.address).await.is_err()
            || Device::try_open(&edge, &path, &[]).await.is_err()
    );
    edge.stop().await;
}
