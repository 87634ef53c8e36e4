//! A slow sync delays neither its own connection nor any other.

use std::time::{Duration, Instant};

use proto::bus::EntryPush;
use proto::chat::SyncPage;
use serde_json::json;

use crate::device::{Device, Heard};
use crate::edge::{Edge, Kind, until};
use crate::sends::sent;
use crate::services::Mode;

fn page(seq: u64) -> SyncPage {
    SyncPage {
        conversation_id: uuid::Uuid::from_u128(1).as_bytes().to_vec().into(),
        entries: vec![json!({ "seq": seq }).to_string().into()],
        head: 2,
        more: seq < 2,
        ..SyncPage::default()
    }
}

#[tokio::test]
async fn while_a_sync_runs_the_client_is_answered_and_entries_wait_behind_the_pages() {
    let edge = Edge::start().await;
    edge.chat.has(vec![page(1), page(2)], 7);
    edge.chat.switch_pages(Mode::Holds);
    let mut ann = Device::connect(&edge, "ann").await;
    ann.say(&json!({ "type": "sync" })).await;
    assert_eq!(ann.expect("sync_page").await["entries"], json!([{ "seq": 1 }]));

    let entry = json!({ "type": "entry", "seq": 3 }).to_string();
    edge.push(&[ann.number], Kind::Entry, entry).await;
    ann.say(&json!({ "type": "ping" })).await;
    assert_eq!(ann.expect("pong").await["heads"], 7);
    ann.send_to("bob", "mine").await;
    let (connection, send) = edge.send().await;
    edge.push_all(vec![sent(connection, &send)]).await;
    ann.expect("sent").await;
    ann.is_served().await;

    edge.chat.switch_pages(Mode::Answers);
    assert_eq!(ann.expect("sync_page").await["entries"], json!([{ "seq": 2 }]));
    ann.expect("synced").await;
    assert_eq!(ann.expect("entry").await["seq"], 3);
    ann.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_log_that_a_sync_begins_anew_is_heard_from_its_first_entry_on() {
    let edge = Edge::start().await;
    let mut ann = Device::connect(&edge, "ann").await;
    let push = |seq: u64| EntryPush {
        connections: vec![ann.number],
        frame: json!({ "type": "entry", "seq": seq }).to_string().into(),
        conversation_id: page(1).conversation_id,
        seq,
        ..EntryPush::default()
    };
    let (before, after) = (push(60), push(3));
    edge.push_entries(vec![before]).await;
    assert_eq!(ann.expect("entry").await["seq"], 60);
    // The database is one from a backup.
    edge.chat.has(vec![SyncPage { reset: true, more: false, ..page(2) }], 7);
    ann.say(&json!({ "type": "sync" })).await;
    ann.expect("sync_page").await;
    ann.expect("synced").await;
    edge.push_entries(vec![after]).await;
    assert_eq!(ann.expect("entry").await["seq"], 3);
    edge.stop().await;
}

#[tokio::test]
async fn syncs_of_one_connection_run_one_after_the_other_and_each_is_answered() {
    let edge = Edge::start().await;
    let mut ann = Device::connect(&edge, "ann").await;
    for reference in ["1", "2", "3", "4"] {
        ann.say(&json!({ "type": "sync", "ref": reference })).await;
    }
    for _ in 0..4 {
        ann.expect("synced").await;
    }
    ann.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn a_sync_whose_pages_do_not_come_is_given_up_with_an_error() {
    let edge = Edge::with(|limits| limits.request_timeout_ms = 300).await;
    edge.chat.has(vec![page(1), page(2)], 7);
    edge.chat.switch_pages(Mode::Holds);
    let mut ann = Device::connect(&edge, "ann").await;
    ann.say(&json!({ "type": "sync", "ref": "s" })).await;
    ann.expect("sync_page").await;
    let error = ann.expect("error").await;
    assert_eq!((&error["code"], &error["ref"]), (&json!("unavailable"), &json!("s")));
    // What was pushed meanwhile comes now.
    let entry = json!({ "type": "entry", "seq": 3 }).to_string();
    edge.push(&[ann.number], Kind::Entry, entry).await;
    ann.expect("entry").await;
    edge.stop().await;
}

#[tokio::test]
async fn a_user_with_very_many_conversations_delays_nobody_elses_pong() {
    let edge = Edge::start().await;
    let (mut many, mut bob) =
        (Device::connect(&edge, "many").await, Device::connect(&edge, "bob").await);
    edge.chat.has(Vec::new(), 7);
    edge.chat.has_many("many", Duration::from_secs(1));
    let ping = json!({ "type": "ping" });
    // Both are known now.
    bob.is_served().await;
    many.is_served().await;
    let began = Instant::now();
    many.say(&ping).await;
    for _ in 0..3 {
        bob.say(&ping).await;
        assert_eq!(bob.expect("pong").await["heads"], 7);
    }
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    assert_eq!(many.expect("pong").await["heads"], 7, "and is answered, too");
    // A client that asks again and again has one place in the queue.
    for _ in 0..50 {
        many.say(&ping).await;
    }
    for _ in 0..50 {
        many.expect("pong").await;
    }
    edge.stop().await;
}

#[tokio::test]
async fn an_unanswered_sync_or_redelivery_holds_up_neither_pings_nor_outbox_nor_drain() {
    let edge = Edge::with(|limits| {
        (limits.heartbeat_ms, limits.heartbeat_misses) = (100, 1_000);
        (limits.drain_window_ms, limits.drain_linger_ms) = (1, 200);
        (limits.redelivery_ms, limits.delivery_timeout_ms) = (vec![50], 60_000);
    })
    .await;
    let mut ann = Device::connect(&edge, "ann").await;
    let mut bob = Device::connect(&edge, "bob").await;
    edge.chat.switch(Mode::Holds);
    ann.say(&json!({ "type": "sync" })).await;
    // Bob does not acknowledge it, so the gateway asks the chat service for it again.
    let entry = EntryPush {
        connections: vec![bob.number],
        frame: json!({ "type": "entry", "seq": 60 }).to_string().into(),
        conversation_id: page(1).conversation_id,
        seq: 60,
        ..EntryPush::default()
    };
    edge.push_entries(vec![entry]).await;
    assert_eq!(bob.expect("entry").await["seq"], 60);
    until("both are asked for", || edge.chat.sync_calls() == 2).await;

    let began = Instant::now();
    for device in [&mut ann, &mut bob] {
        while device.hear().await != Heard::Ping {}
        let receipt = json!({ "type": "receipt" }).to_string();
        edge.push(&[device.number], Kind::Receipt, receipt).await;
        device.expect("receipt").await;
    }
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
    edge.begin_to_stop();
    for device in [&mut ann, &mut bob] {
        device.expect("redirect").await;
        assert_eq!(device.closed().await.0, 1012);
    }
    assert_eq!(edge.chat.sync_calls(), 2, "neither was answered or given up before");
    edge.chat.switch(Mode::Answers);
    edge.stop().await;
}
