//! A device that does not read costs nobody else anything.

use std::time::Duration;

use serde_json::json;

use crate::device::{Device, Heard};
use crate::edge::{Edge, Kind, until};

/// Larger than what the operating system keeps between two sockets here: a write of it ends only when
/// the client reads.
const PLUG_BYTES: usize = 12 << 20;

/// The largest frame of a gateway that is to be stopped up.
pub const PLUGS: usize = 16 << 20;

/// Makes the gateway's task of this connection wait in a write.
pub async fn stop_up(edge: &Edge, slow: &Device) {
    let before = edge.metric("tidings_gateway_frames_out_total");
    let plug = json!({ "type": "entry", "plug": "x".repeat(PLUG_BYTES) }).to_string();
    edge.push(&[slow.number], Kind::Entry, plug).await;
    until("the plug is being written", || edge.metric("tidings_gateway_frames_out_total") > before)
        .await;
}

fn entry(seq: usize) -> String {
    json!({ "type": "entry", "seq": seq }).to_string()
}

#[tokio::test]
async fn a_slow_reader_is_closed_with_4009_and_others_are_not_delayed() {
    let edge = Edge::with(|limits| (limits.outbox_frames, limits.frame_bytes) = (10, PLUGS)).await;
    let mut slow = Device::connect_narrow(&edge, "ann").await;
    let mut quick = Device::connect(&edge, "bob").await;
    stop_up(&edge, &slow).await;
    for seq in 1..=50 {
        edge.push(&[slow.number, quick.number], Kind::Entry, entry(seq)).await;
        assert_eq!(quick.frame().await["seq"], seq);
    }
    // Once it reads again: the plug, nothing of the entries that found no room, and the reason.
    assert!(slow.expect("entry").await["plug"].is_string());
    let (code, reason) = slow.closed().await;
    assert_eq!((code, reason.as_str()), (4009, "reading too slowly; reconnect and sync"));
    let dropped = edge.metric(r#"tidings_gateway_outbox_dropped_total{kind="entry"}"#);
    assert_eq!(dropped, 11, "the ten that waited and the one that found no room");
    quick.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_reader_that_has_stopped_is_given_up_when_the_time_for_a_write_is_over() {
    let edge =
        Edge::with(|limits| (limits.write_timeout_ms, limits.frame_bytes) = (300, PLUGS)).await;
    let stuck = Device::connect_narrow(&edge, "ann").await;
    stop_up(&edge, &stuck).await;
    let number = stuck.number;
    until("presence hears that it is gone", || {
        edge.presence.account().disconnected.iter().any(|gone| gone.connection == number)
    })
    .await;
    assert_eq!(edge.metric(r#"tidings_gateway_closes_total{code="4009"}"#), 1);
    edge.stop().await;
}

#[tokio::test]
async fn typing_and_presence_are_dropped_for_a_slow_reader_before_it_is_closed() {
    let edge = Edge::with(|limits| {
        (limits.outbox_frames, limits.write_timeout_ms) = (4, 60_000);
        limits.frame_bytes = PLUGS;
    })
    .await;
    let mut slow = Device::connect_narrow(&edge, "ann").await;
    stop_up(&edge, &slow).await;
    let typing = json!({ "type": "typing" }).to_string();
    for _ in 0..6 {
        edge.push(&[slow.number], Kind::Ephemeral, typing.clone()).await;
    }
    for seq in 1..=4 {
        edge.push(&[slow.number], Kind::Entry, entry(seq)).await;
    }
    let dropped = r#"tidings_gateway_outbox_dropped_total{kind="ephemeral"}"#;
    until("all typing was dropped", || edge.metric(dropped) == 6).await;
    slow.expect("entry").await;
    for seq in 1..=4 {
        assert_eq!(slow.frame().await["seq"], seq);
    }
    slow.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_device_that_reads_in_time_gets_everything_however_much_it_is() {
    let edge = Edge::with(|limits| (limits.outbox_frames, limits.frame_bytes) = (10, PLUGS)).await;
    let mut device = Device::connect(&edge, "ann").await;
    let large = json!({ "type": "entry", "seq": 1, "text": "x".repeat(PLUG_BYTES) }).to_string();
    edge.push(&[device.number], Kind::Entry, large).await;
    assert_eq!(device.frame().await["text"].as_str().unwrap().len(), PLUG_BYTES);
    let heard = tokio::time::timeout(Duration::from_millis(50), device.hear()).await;
    assert!(!matches!(heard, Ok(Heard::Closed(..))), "{heard:?}");
    device.is_served().await;
    edge.stop().await;
}
