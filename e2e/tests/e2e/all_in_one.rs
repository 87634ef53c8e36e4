//! The all-in-one binary as a new user meets it.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use e2e::all_in_one::{serve, serve_on, token};
use e2e::client::Client;
use e2e::load::Load;
use e2e::process::command;
use serde_json::{Value, json};

const STOP: Duration = Duration::from_secs(20);

#[tokio::test]
async fn two_users_chat_and_their_messages_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve("all-in-one", folder.path()).await;
    let address = server.address("http").to_owned();
    let (ann_token, bob_token) =
        (token(folder.path(), "ann").await, token(folder.path(), "bob").await);
    let mut ann = Client::connect(&address, &ann_token).await;
    let mut bob = Client::connect(&address, &bob_token).await;

    let client_id = ann.send_to("bob", "hello").await;
    let sent = ann.expect("sent").await;
    assert_eq!(sent["client_id"], client_id.to_string());
    assert_eq!(sent["ref"], "hello");
    assert_eq!(sent["seq"], 1);
    let entry = bob.expect("entry").await;
    assert_eq!(entry["content"]["text"], "hello");
    assert_eq!(entry["sender"]["id"], "ann");
    assert_eq!(entry["id"], sent["id"]);

    bob.send_to("ann", "hello yourself").await;
    assert_eq!(ann.expect("entry").await["seq"], 2);

    assert!(server.terminate(STOP).await.success());
    assert_eq!(ann.expect_close().await.0, 1012, "restarting, not broken");

    let server = serve_on("all-in-one", folder.path(), &address).await;
    let mut bob = Client::connect(server.address("http"), &bob_token).await;
    bob.say(&json!({ "type": "sync" })).await;
    let page = bob.expect("sync_page").await;
    let texts: Vec<_> = page["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["content"]["text"].clone())
        .collect();
    assert_eq!(texts, ["hello", "hello yourself"]);
    bob.expect("synced").await;
}

#[tokio::test]
async fn a_thousand_messages_written_at_once_are_stored_in_their_order_and_each_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve("thousand", folder.path()).await;
    let address = server.address("http");
    let mut ann = Client::connect(address, &token(folder.path(), "ann").await).await;
    for number in 0..1_000 {
        ann.send_to("bob", &number.to_string()).await;
    }
    for number in 0..1_000 {
        let sent = ann.expect("sent").await;
        assert_eq!((&sent["ref"], &sent["seq"]), (&json!(number.to_string()), &json!(number + 1)));
    }
}

#[tokio::test]
async fn a_pong_tells_both_members_alike_that_their_conversation_went_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve("heads", folder.path()).await;
    let address = server.address("http");
    let mut ann = Client::connect(address, &token(folder.path(), "ann").await).await;
    let mut bob = Client::connect(address, &token(folder.path(), "bob").await).await;
    let mut told = vec![heads(&mut ann).await];
    assert_eq!(told[0], 0, "no conversation yet");
    for text in ["one", "two"] {
        ann.send_to("bob", text).await;
        ann.expect("sent").await;
        let heads_of_ann = heads(&mut ann).await;
        assert_eq!(heads(&mut bob).await, heads_of_ann);
        assert!(!told.contains(&heads_of_ann), "an entry changes the digest");
        told.push(heads_of_ann);
    }
}

async fn heads(client: &mut Client) -> u64 {
    client.say(&json!({ "type": "ping" })).await;
    client.expect("pong").await["heads"].as_u64().expect("heads are told")
}

#[tokio::test]
async fn a_message_reaches_all_devices_of_the_recipient_and_the_senders_others() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve("all-devices", folder.path()).await;
    let address = server.address("http");
    let (ann, bob) = (token(folder.path(), "ann").await, token(folder.path(), "bob").await);
    let device = |token: &str, device: &str| format!("/ws?token={token}&device={device}");
    let mut phone = Client::open(address, &device(&ann, "phone")).await;
    let mut laptop = Client::open(address, &device(&ann, "laptop")).await;
    let mut bob_1 = Client::open(address, &device(&bob, "one")).await;
    let mut bob_2 = Client::open(address, &device(&bob, "two")).await;
    for client in [&mut phone, &mut laptop, &mut bob_1, &mut bob_2] {
        client.expect("welcome").await;
    }
    phone.send_to("bob", "to all of you").await;
    phone.expect("sent").await;
    for client in [&mut laptop, &mut bob_1, &mut bob_2] {
        assert_eq!(client.expect("entry").await["content"]["text"], "to all of you");
    }
}

#[tokio::test]
async fn a_repeated_client_id_is_stored_once_and_other_content_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve("repeated", folder.path()).await;
    let mut ann = Client::connect(server.address("http"), &token(folder.path(), "ann").await).await;
    let client_id = uuid::Uuid::now_v7();
    let send = |text: &str| json!({ "type": "send", "client_id": client_id, "to": "bob", "content": { "text": text } });
    ann.say(&send("once")).await;
    let first = ann.expect("sent").await;
    ann.say(&send("once")).await;
    assert_eq!(ann.expect("sent").await, first, "the same answer");
    ann.say(&send("something else")).await;
    let error = ann.expect("error").await;
    assert_eq!(error["code"], "conflict");
    assert_eq!(error["client_id"], client_id.to_string());
}

#[tokio::test]
async fn the_signing_secret_is_made_at_the_first_start_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let _server = serve("secret", folder.path()).await;
    let secrets: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().contains("secret"))
        .collect();
    assert_eq!(secrets.len(), 1, "one secret file");
    assert_eq!(secrets[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let printed = token(folder.path(), "ann").await;
    assert_eq!(printed.split('.').count(), 3, "a token and nothing else: {printed}");
}

#[tokio::test]
async fn the_chat_page_and_its_description_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve("page", folder.path()).await;
    let base = format!("http://{}", server.address("http"));
    let page = reqwest::get(&base).await.unwrap();
    assert!(page.status().is_success());
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(page.headers().contains_key("content-security-policy"));
    let openapi: Value =
        reqwest::get(format!("{base}/api/v1/openapi.json")).await.unwrap().json().await.unwrap();
    assert!(openapi["paths"]["/api/v1/conversations/{id}/messages"]["post"].is_object());
}

#[tokio::test]
async fn mistakes_at_start_are_one_clear_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let config = folder.path().join("tidings.toml");
    std::fs::write(&config, "[limits]\nframe_bites = 3\n").unwrap();
    let data = data.to_str().unwrap();
    let cases: [(&str, Vec<&str>, &str); 3] = [
        ("port taken", vec!["serve", "--listen", &taken, "--data", data], &taken),
        (
            "unknown key",
            vec![
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--data",
                data,
                "--config",
                config.to_str().unwrap(),
            ],
            "frame_bites",
        ),
        (
            "unreadable file",
            vec![
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--data",
                data,
                "--config",
                "/nowhere/tidings.toml",
            ],
            "/nowhere/tidings.toml",
        ),
    ];
    for (what, arguments, named) in cases {
        let run = command("tidings", &arguments, &[]).output();
        let output = tokio::time::timeout(STOP, run).await.expect("ends at once").unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{what}: {text}");
        assert!(text.contains(named), "{what}: does not name {named}: {text}");
        let lines = text.lines().filter(|line| line.contains(named)).count();
        assert_eq!(lines, 1, "{what}: one line: {text}");
    }
}

#[tokio::test]
async fn a_loaded_server_loses_doubles_and_reorders_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve("all-in-one-load", folder.path()).await;
    let secret = std::fs::read_dir(folder.path())
        .unwrap()
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().contains("secret"))
        .unwrap()
        .path();
    let load = Load::start_with_secret_file(
        "all-in-one-load-fleet",
        &[server.address("http")],
        &secret,
        &[
            "--scenario",
            "pairs",
            "--pairs",
            "20",
            "--window",
            "8",
            "--duration",
            "5s",
            "--warmup",
            "0s",
            "--verify-history",
        ],
    );
    let report = load.valid(Duration::from_secs(90)).await;
    assert!(report["acknowledged"].as_u64().unwrap() > 500, "{report:#}");
}

#[tokio::test]
async fn large_messages_are_synced_in_pages_of_a_bounded_size() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve("large-pages", folder.path()).await;
    let (ann_token, bob_token) =
        (token(folder.path(), "ann").await, token(folder.path(), "bob").await);
    let mut ann = Client::connect(server.address("http"), &ann_token).await;
    // As long as a text may be, in characters of four bytes.
    let text = |number: u64| format!("{number} {}", "\u{1f4ee}".repeat(7_900));
    for number in 1..=40 {
        let (client_id, content) = (uuid::Uuid::new_v4(), json!({ "text": text(number) }));
        ann.say(&json!({
            "type": "send", "client_id": client_id, "to": "bob", "kind": "text", "content": content,
        }))
        .await;
        assert_eq!(ann.expect("sent").await["seq"], number);
    }
    let mut bob = Client::connect(server.address("http"), &bob_token).await;
    bob.say(&json!({ "type": "sync" })).await;
    let (mut numbers, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let page = bob.expect("sync_page").await;
        sizes.push(page["entries"].to_string().len());
        for entry in page["entries"].as_array().unwrap() {
            numbers.push(entry["seq"].as_u64().unwrap());
            assert_eq!(entry["content"]["text"], text(numbers.len() as u64));
        }
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(numbers, (1..=40).collect::<Vec<u64>>());
    assert!(sizes.len() > 1, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= (1 << 20) + 1_000), "{sizes:?}");
    bob.expect("synced").await;
}
