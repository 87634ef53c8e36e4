//! Five processes over RabbitMQ, Postgres and Redis: two gateways, two chat services, presence.

use std::time::Duration;

use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::eventually::eventually;
use e2e::load::Load;
use e2e::token::token;
use serde_json::{Value, json};

#[tokio::test]
async fn users_on_different_gateways_chat() {
    let cluster = Cluster::start("two-gateways").await;
    let mut ann = Client::connect(cluster.gateway_address(0), &token("ann")).await;
    let mut bob = Client::connect(cluster.gateway_address(1), &token("bob")).await;

    ann.send_to("bob", "over the bus").await;
    let sent = ann.expect("sent").await;
    let entry = bob.expect("entry").await;
    assert_eq!(entry["id"], sent["id"]);
    let conversation_id = entry["conversation_id"].as_str().unwrap();

    // Bob's device has acknowledged the entry by itself.
    let receipt = ann.expect("receipt").await;
    assert_eq!((&receipt["delivered_seq"], &receipt["read_seq"]), (&json!(1), &json!(0)));
    bob.say(&json!({ "type": "read", "conversation_id": conversation_id, "seq": 1 })).await;
    let receipt = ann.expect_where("receipt", |receipt| receipt["read_seq"] == 1).await;
    assert_eq!(receipt["user_id"], "bob");
    bob.say(&json!({ "type": "typing", "conversation_id": conversation_id, "on": true })).await;
    let typing = ann.expect("typing").await;
    assert_eq!((&typing["user_id"], &typing["on"]), (&json!("bob"), &json!(true)));

    ann.close().await;
    bob.close().await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_group_is_made_and_written_to_over_rest_and_heard_on_sockets() {
    let cluster = Cluster::start("rest-group").await;
    let base = format!("http://{}/api/v1", cluster.gateway_address(0));
    let mut bob = Client::connect(cluster.gateway_address(1), &token("bob")).await;
    let http = reqwest::Client::new();

    let made = http
        .post(format!("{base}/conversations"))
        .bearer_auth(token("ann"))
        .json(&json!({ "kind": "group", "title": "Crew", "members": ["bob", "cleo"] }))
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    let id = made["id"].as_str().unwrap();
    assert_eq!(bob.expect("entry").await["kind"], "system");

    let sent: Value = http
        .post(format!("{base}/conversations/{id}/messages"))
        .bearer_auth(token("ann"))
        .json(&json!({ "content": { "text": "all hands" } }))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(sent["seq"], 2);
    assert_eq!(bob.expect("entry").await["content"]["text"], "all hands");

    let page: Value = http
        .get(format!("{base}/conversations/{id}/messages?after_seq=1&limit=10"))
        .bearer_auth(token("cleo"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(page["entries"][0]["content"]["text"], "all hands");

    let stranger = http
        .get(format!("{base}/conversations/{id}/messages"))
        .bearer_auth(token("mallory"))
        .send()
        .await
        .unwrap();
    assert!([403, 404].contains(&stranger.status().as_u16()));
    let stranger: Value = stranger.json().await.unwrap();
    assert!(stranger["code"].is_string() && stranger["message"].is_string(), "{stranger}");

    bob.close().await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_killed_chat_service_costs_nothing_that_was_acknowledged() {
    let mut cluster = Cluster::start("kill-chat").await;
    let addresses = [cluster.gateway_address(0), cluster.gateway_address(1)];
    let load = Load::start(
        "kill-chat-fleet",
        &addresses,
        &[
            "--scenario",
            "pairs",
            "--pairs",
            "30",
            "--rate",
            "400",
            "--duration",
            "12s",
            "--warmup",
            "0s",
            "--drain",
            "40s",
            "--verify-history",
        ],
    );
    under_way(&cluster).await;
    for index in 0..2 {
        cluster.chats[index].kill().await;
        // The other one takes over and goes on acknowledging before the next blow falls.
        under_way(&cluster).await;
        cluster.chats[index] = cluster.start_chat(index).await;
        cluster.ready().await;
    }
    under_way(&cluster).await;
    cluster.names.until_stored(1_100).await;
    let report = load.enough(Duration::from_mins(2)).await;
    assert!(report["acknowledged"].as_u64().unwrap() > 1_000, "{report:#}");
    cluster.stop().await;
}

#[tokio::test]
async fn a_killed_gateway_costs_nothing_that_was_acknowledged() {
    let mut cluster = Cluster::start("kill-gateway").await;
    let addresses = [cluster.gateway_address(0), cluster.gateway_address(1)];
    let load = Load::start(
        "kill-gateway-fleet",
        &addresses,
        &[
            "--scenario",
            "pairs",
            "--pairs",
            "30",
            "--rate",
            "400",
            "--duration",
            "12s",
            "--warmup",
            "0s",
            "--drain",
            "40s",
            "--verify-history",
        ],
    );
    under_way(&cluster).await;
    cluster.gateways[1].kill().await;
    under_way(&cluster).await;
    cluster.gateways[1] = cluster.start_gateway(1).await;
    cluster.ready().await;
    under_way(&cluster).await;
    cluster.names.until_stored(1_100).await;
    let report = load.enough(Duration::from_mins(2)).await;
    assert!(report["acknowledged"].as_u64().unwrap() > 1_000, "{report:#}");
    assert!(report["reconnects"].as_u64().unwrap() > 0, "the kill was felt: {report:#}");
    cluster.stop().await;
}

#[tokio::test]
async fn users_of_a_killed_gateway_are_offline_for_everyone_within_15_seconds() {
    let mut cluster = Cluster::start("offline").await;
    let mut ann = Client::connect(cluster.gateway_address(0), &token("ann")).await;
    let mut bob = Client::connect(cluster.gateway_address(1), &token("bob")).await;
    ann.send_to("bob", "so that we know each other").await;
    bob.expect("entry").await;
    cluster.gateways[1].kill().await;
    let killed = std::time::Instant::now();
    let told = ann
        .expect_where("presence", |frame| frame["user_id"] == "bob" && frame["status"] == "offline")
        .await;
    assert_eq!(told["event"], "user_offline");
    assert!(killed.elapsed() < Duration::from_secs(15), "told after {:?}", killed.elapsed());
    let statuses: Value = reqwest::Client::new()
        .get(format!("http://{}/api/v1/presence?ids=bob", cluster.gateway_address(0)))
        .bearer_auth(token("ann"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(statuses["statuses"][0]["status"], "offline");
    ann.close().await;
    cluster.gateways.pop();
    cluster.stop().await;
}

/// Waits until the log has grown: the system acknowledges at this moment.
async fn under_way(cluster: &Cluster) {
    let before = cluster.names.stored_entries().await;
    eventually("more entries are stored", Duration::from_secs(40), || async {
        let now = cluster.names.stored_entries().await;
        if now > before + 100 { Ok(()) } else { Err((before, now)) }
    })
    .await;
}
