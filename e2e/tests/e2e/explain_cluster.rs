//! `tidings explain` in a cluster: pushed to which gateways, written when, and what nobody remembers.

use std::time::Duration;

use e2e::client::Client;
use e2e::cluster::{Cluster, ready};
use e2e::eventually::eventually;
use e2e::process::command;
use e2e::token::{token, token_with};
use serde_json::{Value, json};

/// What an operator reads who asks the first gateway.
async fn explain(cluster: &Cluster, place: &str) -> String {
    let url = format!("http://{}", cluster.gateway_address(0));
    let admin = token_with("root", 3600, &json!({ "roles": ["admin"] }));
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a plain name");
    let arguments = ["explain", place, "--url", &url, "--token", &admin, "--data", data];
    let output = command("tidings", &arguments, &[]).output().await.expect("the binary runs");
    let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("plain text");
    assert!(output.status.success(), "{text}");
    text
}

async fn until(cluster: &Cluster, place: &str, part: &str) -> String {
    let says = async || {
        let text = explain(cluster, place).await;
        if text.contains(part) { Ok(text) } else { Err(text) }
    };
    eventually(part, Duration::from_secs(30), says).await
}

fn line<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {text}"))
}

async fn group(cluster: &Cluster) -> String {
    let made: Value = reqwest::Client::new()
        .post(format!("http://{}/api/v1/conversations", cluster.gateway_address(0)))
        .bearer_auth(token("ann"))
        .json(&json!({ "kind": "group", "title": "Crew", "members": ["bob", "cleo", "dave"] }))
        .send()
        .await
        .expect("the gateway answers")
        .json()
        .await
        .expect("JSON");
    made["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn an_operator_learns_where_an_entry_was_pushed_and_written_and_what_is_not_remembered() {
    let settings = [
        // The dead gateway is looked for as long as the test takes.
        ("TIDINGS_PRESENCE__LEASES__LEASE_MS", "120000"),
        // No partition moves to another chat service by itself: what a chat service pushed before is not remembered then.
        ("TIDINGS_CHAT__LANES__REPLICA_BEAT_MS", "600000"),
        ("TIDINGS_CHAT__LANES__REPLICA_GONE_MS", "1800000"),
    ];
    let mut cluster = Cluster::start_with("explain-cluster", &settings).await;
    let mut ann = Client::connect(cluster.gateway_address(0), &token("ann")).await;
    let mut bob = Client::connect(cluster.gateway_address(0), &token("bob")).await;
    let mut dave = Client::connect(cluster.gateway_address(1), &token("dave")).await;
    let id = group(&cluster).await;
    ann.send_in(&id, "one").await;
    for device in [&mut bob, &mut dave] {
        device.expect_where("entry", |entry| entry["seq"] == 2).await;
    }

    let one = format!("{id}:2");
    let text = explain(&cluster, &one).await;
    for gateway in ["gateway-0", "gateway-1"] {
        let pushed = line(&text, &format!("to {gateway} for 1 connection"));
        assert!(pushed.starts_with("pushed ") && pushed.ends_with("taken by the broker"), "{text}");
    }
    assert!(line(&text, "bob:").contains("; at gateway-0 as gateway-0."), "{text}");
    assert!(line(&text, "bob:").contains(", written 20"), "{text}");
    assert!(line(&text, "dave:").contains("; at gateway-1 as gateway-1."), "{text}");
    assert!(line(&text, "dave:").contains(", written 20"), "the other gateway was asked: {text}");
    assert!(line(&text, "cleo:").starts_with("offline"), "{text}");
    assert!(!line(&text, "cleo:").contains("written"), "{text}");
    assert!(line(&text, "ann:").contains("the connection that wrote it got `sent`"), "{text}");

    bob.close().await;
    let text = until(&cluster, &one, ", gone since").await;
    assert!(line(&text, "bob:").contains(", gone since, written 20"), "{text}");
    let mut bob = Client::connect(cluster.gateway_address(0), &token("bob")).await;
    let text = explain(&cluster, &one).await;
    assert!(line(&text, "bob:").contains(", connected after it was stored"), "{text}");

    cluster.gateways[1].kill().await;
    let text = until(&cluster, &one, "its gateway is gone").await;
    assert!(line(&text, "dave:").contains("not remembered: its gateway is gone"), "{text}");
    let pushed = line(&text, "to gateway-1 for 1 connection");
    assert!(pushed.contains("what it wrote is not remembered"), "{text}");
    ann.send_in(&id, "two").await;
    bob.expect_where("entry", |entry| entry["seq"] == 3).await;
    let text =
        until(&cluster, &format!("{id}:3"), "to gateway-1 for 1 connection: came back").await;
    assert!(line(&text, "bob:").contains(", written 20"), "{text}");

    for index in 0..2 {
        cluster.chats[index].kill().await;
        cluster.chats[index] = cluster.start_chat(index).await;
    }
    for chat in &cluster.chats {
        ready(chat.address("management")).await;
    }
    let text = until(&cluster, &one, "not remembered: the chat service that works on").await;
    assert!(text.contains("(it remembers since 20"), "{text}");
    assert!(line(&text, "bob:").contains(", connected after it was stored"), "{text}");
    cluster.gateways[1] = cluster.start_gateway(1).await;
    cluster.stop().await;
}
