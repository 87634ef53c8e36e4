//! Clients on weak networks, and those that no WebSocket reaches: other forms of the same frames.

use std::time::Duration;

use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::events::{Events, post};
use e2e::load::Load;
use e2e::process::command;
use e2e::token::{SECRET, token};
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test]
async fn a_client_without_websockets_chats_by_events_and_posts() {
    let cluster = Cluster::start("events").await;
    let (here, there) = (cluster.gateway_address(0), cluster.gateway_address(1));
    let (mut ann, id) = Events::open(here, &token("ann")).await;
    let mut bob = Client::connect(there, &token("bob")).await;

    let send = json!({"type": "send", "ref": "1", "client_id": Uuid::now_v7(), "to": "bob",
        "content": {"text": "hello"}});
    assert_eq!(post(here, &id, &token("ann"), &json!([{"type": "sync"}, send])).await, 202);
    ann.expect("synced").await;
    let sent = ann.expect("sent").await;
    assert_eq!((&sent["ref"], &sent["seq"]), (&json!("1"), &json!(1)));
    assert_eq!(bob.expect("entry").await["content"]["text"], "hello");

    bob.send_to("ann", "hello yourself").await;
    let entry = ann.expect("entry").await;
    assert_eq!(entry["content"]["text"], "hello yourself");
    let delivered =
        json!({"type": "delivered", "conversation_id": entry["conversation_id"], "seq": 2});
    assert_eq!(post(here, &id, &token("ann"), &delivered).await, 202);
    let is_anns = |receipt: &Value| receipt["user_id"] == "ann" && receipt["delivered_seq"] == 2;
    bob.expect_where("receipt", is_anns).await;

    // The other gateway has no such stream and says where to look; nobody else posts here.
    assert_eq!(post(there, &id, &token("ann"), &delivered).await, 421);
    assert_eq!(post(here, &id, &token("bob"), &delivered).await, 404);
    cluster.stop().await;
}

#[tokio::test]
#[ignore = "slow: make test-slow"]
async fn every_message_arrives_in_whatever_form_and_the_binary_one_takes_fewer_bytes() {
    let cluster = Cluster::start("forms").await;
    let gateways = [cluster.gateway_address(0), cluster.gateway_address(1)];
    let common = ["--scenario", "group", "--members", "20", "--senders", "one", "--rate", "100"];
    let common = [&common[..], &["--duration", "3s", "--warmup", "1s", "--quiet"]].concat();
    let mut bytes = Vec::new();
    for (label, more) in [
        ("forms-json", &[][..]),
        ("forms-msgpack", &["--encoding", "msgpack"]),
        ("forms-batch", &["--batch", "100", "--batch-ms", "50"]),
        ("forms-both", &["--batch", "100", "--batch-ms", "50", "--encoding", "msgpack"]),
    ] {
        let load = Load::start(label, &gateways, &[&common[..], more].concat());
        let report = load.valid(Duration::from_mins(2)).await;
        let per_delivery = report["received_bytes_per_delivery"].as_f64();
        bytes.push(per_delivery.expect("something was delivered"));
    }
    let [json, msgpack, batches, both] = bytes[..] else { unreachable!("four runs") };
    assert!(msgpack < json && both < batches, "{bytes:?}");
    cluster.stop().await;
}

#[tokio::test]
async fn whatever_carries_a_message_brings_it_to_each_member_once_and_what_saves_bytes_does() {
    let settings = [("TIDINGS_GATEWAY__LIMITS__COMPRESSION", "true")];
    let cluster = Cluster::start_with("wires", &settings).await;
    let mut bytes = Vec::new();
    for (wire, more) in [
        ("json", &["--window", "4"][..]),
        ("msgpack", &["--window", "4"]),
        ("deflate", &["--window", "4"]),
        ("batches", &["--window", "4", "--batch", "4"]),
        ("sse", &["--window", "4"]),
    ] {
        let common = ["fanout", "--target", "tidings", "--secret", SECRET, "--members", "20"];
        let times = ["--hold", "0s", "--warmup", "500ms", "--duration", "1s", "--wire", wire];
        let server = ["--server", cluster.gateway_address(0)];
        let arguments = [&common[..], &times, &server, more].concat();
        let output = command("fleet", &arguments, &[]).output().await.expect("the fleet runs");
        assert!(output.status.success(), "{wire}: {}", String::from_utf8_lossy(&output.stderr));
        let line = String::from_utf8(output.stdout).expect("text");
        let figure = |name: &str| -> f64 {
            let mut figures = line.split_ascii_whitespace().filter_map(|word| word.split_once('='));
            let found = figures.find(|(figure, _)| *figure == name).expect("a figure").1;
            found.parse().expect("a number")
        };
        assert!(figure("deliveries") >= 20.0 && figure("out_of_turn") == 0.0, "{line}");
        bytes.push(figure("bytes_per_delivery"));
    }
    let [json, msgpack, deflate, ..] = bytes[..] else { unreachable!("five runs") };
    assert!(msgpack < json && deflate < json, "{bytes:?}");
    cluster.stop().await;
}

#[tokio::test]
async fn a_client_is_told_what_fits_the_network_that_it_is_measured_to_have() {
    let cluster = Cluster::start("network").await;
    let path = format!("/ws?token={}&network=auto", token("ann"));
    let mut ann = Client::open(cluster.gateway_address(0), &path).await;
    ann.expect("welcome").await;
    let told = ann.expect("network_optimization").await;
    assert_eq!((&told["quality"], &told["heartbeat_ms"]), (&json!("good"), &json!(15_000)));
    assert_eq!((&told["batch"], &told["retries"]), (&json!(10), &json!(2)));
    cluster.stop().await;
}
