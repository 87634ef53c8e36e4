//! Delivery is followed: what a device does not acknowledge is pushed again, and then it is closed.

use std::path::Path;

use e2e::all_in_one::{serve_with, token};
use e2e::client::Client;
use e2e::process::Process;
use serde_json::{Value, json};

/// Fast enough for a test, slow enough for a busy machine.
const PATIENCE: [(&str, &str); 2] = [
    ("TIDINGS__LIMITS__REDELIVERY_MS", "[400, 800]"),
    ("TIDINGS__LIMITS__DELIVERY_TIMEOUT_MS", "3000"),
];

async fn server(label: &str, folder: &Path) -> Process {
    serve_with(label, folder, "127.0.0.1:0", &PATIENCE).await
}

fn texts(page: &Value) -> Vec<&str> {
    let entries = page["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(|entry| entry["content"]["text"].as_str()).collect()
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_from_the_store_and_then_the_socket_is_closed_with_4008()
 {
    let folder = tempfile::tempdir().expect("a folder");
    let server = server("delivery", folder.path()).await;
    let address = server.address("http");
    let mut ann = Client::connect(address, &token(folder.path(), "ann").await).await;
    let mut bob = Client::connect(address, &token(folder.path(), "bob").await).await;
    bob.stop_acknowledging();
    for text in ["one", "two"] {
        ann.send_to("bob", text).await;
        bob.expect("entry").await;
    }
    for _ in 0..2 {
        assert_eq!(texts(&bob.expect("sync_page").await), ["one", "two"]);
    }
    assert_eq!(bob.expect_close().await.0, 4008);
    // The sender's own socket got `sent` and has nothing to acknowledge.
    ann.say(&json!({ "type": "ping" })).await;
    ann.expect("pong").await;
}

#[tokio::test]
async fn a_device_that_acknowledges_in_part_is_sent_the_rest_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = server("delivery-part", folder.path()).await;
    let address = server.address("http");
    let mut ann = Client::connect(address, &token(folder.path(), "ann").await).await;
    let token_of_bob = token(folder.path(), "bob").await;
    let mut bob = Client::connect(address, &token_of_bob).await;
    let mut other = Client::connect(address, &token_of_bob).await;
    bob.stop_acknowledging();
    other.stop_acknowledging();
    ann.send_to("bob", "one").await;
    let one = bob.expect("entry").await;
    ann.send_to("bob", "two").await;
    bob.expect("entry").await;
    let mut delivered =
        json!({ "type": "delivered", "conversation_id": one["conversation_id"], "seq": 1 });
    bob.say(&delivered).await;
    assert_eq!(texts(&bob.expect("sync_page").await), ["two"]);
    delivered["seq"] = json!(2);
    bob.say(&delivered).await;
    // Bob's other socket got both at the same time and has never said a word.
    assert_eq!(other.expect_close().await.0, 4008);
    bob.say(&json!({ "type": "ping" })).await;
    bob.expect("pong").await;
}

#[tokio::test]
async fn a_device_that_only_listens_says_so_and_is_left_in_peace() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = server("delivery-off", folder.path()).await;
    let address = server.address("http");
    let token_of_bob = token(folder.path(), "bob").await;
    let mut ann = Client::connect(address, &token(folder.path(), "ann").await).await;
    let mut bob = Client::open(address, &format!("/ws?acks=off&token={token_of_bob}")).await;
    let mut other = Client::connect(address, &token_of_bob).await;
    bob.stop_acknowledging();
    other.stop_acknowledging();
    bob.expect("welcome").await;
    ann.send_to("bob", "one").await;
    bob.expect("entry").await;
    // The same entry, pushed at the same time, has closed the other socket.
    assert_eq!(other.expect_close().await.0, 4008);
    bob.say(&json!({ "type": "ping" })).await;
    bob.expect("pong").await;
}
