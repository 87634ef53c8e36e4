//! What is pushed reaches the connections that are named, as it was encoded, and no other.

use proto::bus::EntryPush;
use proto::chat::SyncPage;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::device::Device;
use crate::edge::{Edge, Kind, token, until};

/// Spaces and order that no encoder of ours would make.
const ODD: &str = r#"{ "seq":1,  "type":"entry","content":{"text":"é\u00e9 "} }"#;

#[tokio::test]
async fn a_push_reaches_the_named_connections_with_its_bytes_unchanged() {
    let edge = Edge::start().await;
    let mut ann = Device::connect(&edge, "ann").await;
    let mut other_ann = Device::connect(&edge, "ann").await;
    let mut bob = Device::connect(&edge, "bob").await;
    edge.push(&[ann.number, bob.number], Kind::Entry, ODD).await;
    for device in [&mut ann, &mut bob] {
        let message = futures_util::StreamExt::next(&mut device.socket).await.unwrap().unwrap();
        assert_eq!(message, Message::text(ODD));
    }
    // Whatever was pushed before it would have come before the pong.
    other_ann.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_push_to_a_connection_that_is_gone_harms_nobody() {
    let edge = Edge::start().await;
    let gone = Device::connect(&edge, "ann").await;
    let mut bob = Device::connect(&edge, "bob").await;
    let number = gone.number;
    drop(gone);
    until("presence hears that it is gone", || {
        edge.presence.account().disconnected.iter().any(|gone| gone.connection == number)
    })
    .await;
    edge.push(&[number, 12_345, bob.number], Kind::Entry, ODD).await;
    assert_eq!(bob.expect("entry").await["seq"], 1);
    edge.stop().await;
}

#[tokio::test]
async fn the_older_connection_of_a_device_is_closed_and_the_newer_stays() {
    let edge = Edge::start().await;
    let path = format!("/ws?token={}&device=phone", token("ann"));
    let mut older = Device::open(&edge, &path, &[]).await;
    older.welcome().await;
    let mut newer = Device::open(&edge, &path, &[]).await;
    newer.welcome().await;
    // Presence, which sees both, tells whom the newer one replaces; what was pushed before comes first.
    edge.push(&[older.number, newer.number], Kind::Entry, ODD).await;
    edge.replace(&[older.number]).await;
    older.expect("entry").await;
    assert_eq!(older.closed().await, (4000, "the same device has connected again".to_owned()));
    newer.expect("entry").await;
    newer.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn entries_that_are_not_acknowledged_come_again_from_the_store_and_then_the_connection_ends()
{
    let edge = Edge::with(|limits| {
        (limits.redelivery_ms, limits.delivery_timeout_ms) = (vec![50, 100], 150);
    })
    .await;
    let id = uuid::Uuid::now_v7();
    let page = SyncPage {
        conversation_id: id.as_bytes().to_vec().into(),
        entries: vec![r#"{"seq":7}"#.into()],
        head: 7,
        ..SyncPage::default()
    };
    edge.chat.has(vec![page], 0);
    let mut deaf = Device::connect(&edge, "ann").await;
    let mut hearing = Device::connect(&edge, "bob").await;
    let listening_path = format!("/ws?token={}&acks=off", token("cleo"));
    let mut listening = Device::open(&edge, &listening_path, &[]).await;
    listening.welcome().await;
    let push = EntryPush {
        connections: vec![deaf.number, hearing.number, listening.number],
        frame: ODD.into(),
        conversation_id: id.as_bytes().to_vec().into(),
        seq: 7,
        ..EntryPush::default()
    };
    edge.push_entries(vec![push]).await;
    hearing.expect("entry").await;
    hearing.say(&json!({ "type": "delivered", "conversation_id": id, "seq": 7 })).await;
    deaf.expect("entry").await;
    for _ in 0..2 {
        assert_eq!(deaf.expect("sync_page").await["entries"][0]["seq"], 7);
    }
    assert_eq!(deaf.closed().await.0, 4008);
    listening.expect("entry").await;
    listening.is_served().await;
    hearing.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn an_entry_that_is_pushed_after_a_later_one_is_left_out_and_comes_from_the_store_if_need_be()
{
    let edge = Edge::with(|limits| {
        (limits.redelivery_ms, limits.delivery_timeout_ms) = (vec![200], 60_000);
    })
    .await;
    let id = uuid::Uuid::now_v7();
    let mut deaf = Device::connect(&edge, "ann").await;
    let mut hearing = Device::connect(&edge, "bob").await;
    let connections = vec![deaf.number, hearing.number];
    let push = |seq| EntryPush {
        connections: connections.clone(),
        frame: json!({ "type": "entry", "seq": seq }).to_string().into(),
        conversation_id: id.as_bytes().to_vec().into(),
        seq,
        ..EntryPush::default()
    };
    // As one batch and apart.
    edge.push_entries(vec![push(6), push(4)]).await;
    for device in [&mut deaf, &mut hearing] {
        assert_eq!(device.expect("entry").await["seq"], 6);
    }
    edge.push_entries(vec![push(5), push(7)]).await;
    for device in [&mut deaf, &mut hearing] {
        assert_eq!(device.expect("entry").await["seq"], 7);
    }
    // Who has all of them is told nothing wrong by one of them that comes again.
    hearing.say(&json!({ "type": "delivered", "conversation_id": id, "seq": 7 })).await;
    hearing.is_served().await;
    edge.push_entries(vec![push(4)]).await;
    assert_eq!(hearing.expect("entry").await["seq"], 4);
    // Who acknowledges nothing is given what was left out, too.
    until("what is not acknowledged is asked for", || !edge.chat.syncs().is_empty()).await;
    assert_eq!(edge.chat.syncs()[0].cursors[0].seq, 3);
    edge.stop().await;
}
