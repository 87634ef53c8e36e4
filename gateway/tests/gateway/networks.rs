//! What fits a client's network: as it says, or as its heartbeats show.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::device::{Device, Heard};
use crate::edge::{Edge, token};

async fn open(edge: &Edge, query: &str) -> Device {
    let mut device = Device::open(edge, &format!("/ws?token={}&{query}", token("ann")), &[]).await;
    device.welcome().await;
    device
}

#[tokio::test]
async fn a_client_that_names_its_network_is_told_what_fits_it() {
    let edge = Edge::start().await;
    for (name, heartbeat_ms, batch, retries) in
        [("good", 15_000, 10, 2), ("fair", 30_000, 5, 3), ("poor", 60_000, 1, 5)]
    {
        let mut ann = open(&edge, &format!("network={name}")).await;
        let told = ann.expect("network_optimization").await;
        // Compression was not agreed on by the upgrade.
        let expected = json!({"type": "network_optimization", "quality": name, "compression": false,
            "heartbeat_ms": heartbeat_ms, "batch": batch, "retries": retries});
        assert_eq!(told, expected);
        ann.is_served().await;
    }
    let counted = edge.metric(r#"tidings_gateway_network_profiles_total{quality="poor"}"#);
    assert_eq!(counted, 1);
    edge.stop().await;
}

#[tokio::test]
async fn what_a_client_asked_of_batches_holds_whatever_its_network() {
    let edge = Edge::start().await;
    let mut ann = open(&edge, "network=poor&batch=50").await;
    assert_eq!(ann.expect("network_optimization").await["batch"], 50);
    edge.stop().await;
}

#[tokio::test]
async fn a_network_is_measured_at_once_and_told_again_when_it_has_become_another() {
    // Before the first answer the usual heartbeat holds, then that of the profile.
    let edge = Edge::start_with_network(|network| {
        (network.fair_rtt_ms, network.poor_rtt_ms) = (150, 10_000);
        network.good.heartbeat_ms = 50;
        network.fair.heartbeat_ms = 400;
    })
    .await;
    let mut ann = open(&edge, "network=auto").await;
    let told = quality(&mut ann, Duration::ZERO).await;
    assert_eq!((&told["quality"], &told["heartbeat_ms"]), (&json!("good"), &json!(50)));
    // Its answers take longer than the interval: heartbeats are lost, then slow.
    let told = quality(&mut ann, Duration::from_millis(200)).await;
    assert_eq!((&told["quality"], &told["heartbeat_ms"]), (&json!("fair"), &json!(400)));
    let told = quality(&mut ann, Duration::ZERO).await;
    assert_eq!(told["quality"], "good");
    edge.stop().await;
}

/// Answers heartbeats only after so long, until it is told what fits.
async fn quality(device: &mut Device, slowness: Duration) -> serde_json::Value {
    loop {
        match device.hear().await {
            Heard::Frame(frame) => {
                assert_eq!(frame["type"], "network_optimization", "{frame}");
                return frame;
            }
            Heard::Ping => tokio::time::sleep(slowness).await,
            Heard::Closed(code, reason) => panic!("{code} {reason}"),
        }
    }
}

#[tokio::test]
async fn who_asks_for_nothing_is_told_nothing_and_its_pings_are_bare() {
    let edge = Edge::with(|limits| limits.heartbeat_ms = 50).await;
    let mut ann = Device::connect(&edge, "ann").await;
    match ann.socket.next().await.unwrap().unwrap() {
        Message::Ping(payload) => assert!(payload.is_empty()),
        other => panic!("{other:?}"),
    }
    edge.stop().await;
}
