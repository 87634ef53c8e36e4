//! Several frames as one, for clients that ask for it.

use std::time::{Duration, Instant};

use proto::bus::EntryPush;
use serde_json::json;

use crate::device::{Device, Heard};
use crate::edge::{Edge, token};

async fn connect(edge: &Edge, query: &str) -> Device {
    let mut device = Device::open(edge, &format!("/ws?token={}&{query}", token("ann")), &[]).await;
    device.welcome().await;
    device
}

/// Pushes so many entries with one batch of the bus.
async fn push(edge: &Edge, connections: &[u64], count: u64) {
    let push = |seq| EntryPush {
        connections: connections.to_vec(),
        frame: json!({"type": "entry", "seq": seq}).to_string().into(),
        ..EntryPush::default()
    };
    edge.push_entries((1..=count).map(push).collect()).await;
}

/// The next frames' seqs, by what they came in.
async fn heard(device: &mut Device, count: usize) -> Vec<Vec<u64>> {
    let mut heard = Vec::new();
    while heard.iter().map(Vec::len).sum::<usize>() < count {
        let frame = device.frame().await;
        heard.push(match frame["frames"].as_array() {
            Some(frames) => {
                assert_eq!(frame["type"], "batch");
                frames.iter().map(|frame| frame["seq"].as_u64().unwrap()).collect()
            }
            None => vec![frame["seq"].as_u64().unwrap()],
        });
    }
    heard
}

#[tokio::test]
async fn what_has_piled_up_comes_in_batches_of_the_size_asked_for_in_order() {
    let edge = Edge::start().await;
    // So long that all of a push is there when the first batch is made.
    let mut ann = connect(&edge, "batch=10&batch_ms=100").await;
    let mut usual = Device::connect(&edge, "bob").await;
    push(&edge, &[ann.number, usual.number], 25).await;
    let batches = heard(&mut ann, 25).await;
    assert_eq!(batches.concat(), (1..=25).collect::<Vec<_>>());
    assert!(batches.iter().all(|batch| batch.len() <= 10), "{batches:?}");
    assert!(batches.len() <= 5, "{batches:?}");
    // Nobody else gets any.
    for seq in 1..=25 {
        assert_eq!(usual.expect("entry").await["seq"], seq);
    }
    ann.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_lone_frame_waits_no_longer_than_asked_for_and_comes_as_itself() {
    let edge = Edge::start().await;
    let mut ann = connect(&edge, "batch=10&batch_ms=100").await;
    let began = Instant::now();
    push(&edge, &[ann.number], 1).await;
    assert_eq!(heard(&mut ann, 1).await, [[1]]);
    assert!(began.elapsed() >= Duration::from_millis(90), "{:?}", began.elapsed());
    // A full batch does not wait: it comes long before a second batch is due.
    push(&edge, &[ann.number], 10).await;
    assert_eq!(heard(&mut ann, 10).await.concat().len(), 10);
    edge.stop().await;
}

#[tokio::test]
async fn a_connection_that_ends_gets_what_was_held_back_first() {
    let edge = Edge::start().await;
    let mut ann = connect(&edge, "batch=100&batch_ms=100").await;
    push(&edge, &[ann.number], 3).await;
    edge.replace(&[ann.number]).await;
    assert_eq!(heard(&mut ann, 3).await.concat(), [1, 2, 3]);
    assert!(matches!(ann.hear().await, Heard::Closed(4000, _)));
    edge.stop().await;
}

#[tokio::test]
async fn more_than_allowed_is_refused_before_the_upgrade() {
    let edge = Edge::start().await;
    for query in ["batch=0", "batch=101", "batch_ms=101", "batch=x", "network=bad"] {
        let path = format!("/ws?token={}&{query}", token("ann"));
        match Device::try_open(&edge, &path, &[]).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
                assert_eq!(answer.status(), 400, "{query}");
            }
            other => panic!("{query}: {:?}", other.map(|_| ())),
        }
    }
    edge.stop().await;
}
