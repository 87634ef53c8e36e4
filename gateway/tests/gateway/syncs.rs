//! A sync that takes its time holds up neither its own connection nor anybody else.

use std::time::{Duration, Instant};

use proto::bus::{Push, PushClass};
use proto::chat::SyncPage;
use serde_json::json;

use crate::device::Device;
use crate::edge::Edge;
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
    edge.push(&[ann.number], PushClass::Entry, entry).await;
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
    let push = |seq: u64| Push {
        connections: vec![ann.number],
        frame: json!({ "type": "entry", "seq": seq }).to_string().into(),
        class: PushClass::Entry as i32,
        conversation_id: page(1).conversation_id,
        seq,
        ..Push::default()
    };
    let (before, after) = (push(60), push(3));
    edge.push_all(vec![before]).await;
    assert_eq!(ann.expect("entry").await["seq"], 60);
    // The database is one from a backup.
    edge.chat.has(vec![SyncPage { reset: true, more: false, ..page(2) }], 7);
    ann.say(&json!({ "type": "sync" })).await;
    ann.expect("sync_page").await;
    ann.expect("synced").await;
    edge.push_all(vec![after]).await;
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
    edge.push(&[ann.number], PushClass::Entry, entry).await;
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
    // Who asks again and again has one place in the queue.
    for _ in 0..50 {
        many.say(&ping).await;
    }
    for _ in 0..50 {
        many.expect("pong").await;
    }
    edge.stop().await;
}
