//! `tidings explain`: what an operator learns about a message.

use std::time::Duration;

use e2e::all_in_one::{serve, token};
use e2e::client::Client;
use e2e::eventually::eventually;
use e2e::process::command;
use serde_json::json;

#[tokio::test]
async fn a_message_is_explained_from_offline_to_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve("explain", folder.path()).await;
    let address = server.address("http").to_owned();
    let data = folder.path().to_str().expect("a plain name").to_owned();
    let url = format!("http://{address}");
    let explain = async |message: &str, rest: &[&str]| {
        let arguments = [&["explain", message, "--data", &data, "--url", &url], rest].concat();
        let output = command("tidings", &arguments, &[]).output().await.expect("the binary runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).expect("plain text"))
    };

    let mut ann = Client::connect(&address, &token(folder.path(), "ann").await).await;
    let client_id = ann.send_to("bob", "secret words").await.to_string();
    let sent = ann.expect("sent").await;
    let id = sent["conversation_id"].as_str().expect("an id").to_owned();
    let place = format!("{id}:1");
    let (is_ok, text) = explain(&client_id, &[]).await;
    assert!(is_ok && text.contains(&place) && text.contains("offline       bob"), "{text}");
    assert!(!text.contains("secret words"), "no content: {text}");

    let entry_id = sent["id"].as_str().expect("an id");
    assert_eq!(explain(entry_id, &[]).await, (true, text));
    let (is_ok, text) = explain(&uuid::Uuid::now_v7().to_string(), &[]).await;
    assert!(!is_ok && text.contains("nothing is stored under this id"), "{text}");

    let mut bob = Client::connect(&address, &token(folder.path(), "bob").await).await;
    let (_, text) = explain(&place, &["--user", "bob"]).await;
    assert!(text.contains("connected     bob") && text.contains("; at "), "{text}");
    assert!(!text.contains("ann:"), "asked about bob only: {text}");

    bob.say(&json!({ "type": "read", "conversation_id": id, "seq": 1 })).await;
    let moved = async || {
        let text = explain(&place, &[]).await.1;
        if text.contains("read          bob") { Ok(()) } else { Err(text) }
    };
    eventually("the cursor has moved", Duration::from_secs(20), moved).await;

    let (is_ok, text) = explain(&format!("{id}:9"), &[]).await;
    assert!(!is_ok && text.contains("no such entry is stored"), "{text}");
    let no_admin = token(folder.path(), "eve").await;
    let (is_ok, text) = explain(&place, &["--token", &no_admin]).await;
    assert!(!is_ok && text.contains("role `admin`"), "{text}");
}
