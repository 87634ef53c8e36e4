//! The server finds out who is still there.

use std::time::Duration;

use crate::device::{Device, Heard};
use crate::edge::{Edge, until};

#[tokio::test]
async fn a_device_that_answers_no_ping_is_closed() {
    let edge = Edge::with(|limits| (limits.heartbeat_ms, limits.heartbeat_misses) = (100, 3)).await;
    let mut device = Device::connect(&edge, "ann").await;
    // Nothing reads it, so nothing answers.
    let number = device.number;
    until("presence hears that it is gone", || {
        edge.presence.account().disconnected.iter().any(|gone| gone.connection == number)
    })
    .await;
    assert_eq!(device.hear().await, Heard::Ping);
    assert_eq!(device.closed().await, (1001, "no answer to the heartbeat".to_owned()));
    edge.stop().await;
}

#[tokio::test]
async fn a_device_that_answers_pings_stays_for_as_long_as_it_likes() {
    let edge = Edge::with(|limits| (limits.heartbeat_ms, limits.heartbeat_misses) = (200, 4)).await;
    let mut device = Device::connect(&edge, "ann").await;
    let started = std::time::Instant::now();
    let mut pings = 0;
    while pings < 6 {
        match device.hear().await {
            Heard::Ping => pings += 1,
            other => panic!("after {pings} pings: {other:?}"),
        }
    }
    assert!(started.elapsed() >= Duration::from_millis(900), "pinged too often");
    edge.stop().await;
}
