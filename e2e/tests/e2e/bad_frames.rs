//! Whatever a client sends, it gets a clear answer, and nobody else is harmed.

use e2e::all_in_one::{serve, token};
use e2e::client::Client;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// Frames that get an `error` with this code; the connection stays.
fn refused() -> Vec<(&'static str, Message, &'static str)> {
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let client_id = uuid::Uuid::now_v7();
    vec![
        ("not JSON", Message::text("hello"), "bad_frame"),
        ("empty", Message::text(""), "bad_frame"),
        ("not an object", Message::text("[1, 2]"), "bad_frame"),
        ("no type", Message::text("{}"), "bad_frame"),
        ("deep", Message::text(deep.clone()), "bad_frame"),
        ("deep inside a send", Message::text(format!(r#"{{"type":"send","content":{deep}}}"#)), "bad_frame"),
        ("a megabyte of [", Message::text("[".repeat(900_000)), "bad_frame"),
        ("binary garbage", Message::binary(vec![0xff_u8, 0x00, 0xfe, 0x80]), "bad_frame"),
        ("unknown type", Message::text(r#"{"type":"launch"}"#), "unknown_type"),
        ("wrong type of a field", Message::text(r#"{"type":"send","client_id":7,"to":"bob","content":{}}"#), "bad_frame"),
        ("number out of range", Message::text(r#"{"type":"read","conversation_id":"x","seq":1e999}"#), "bad_frame"),
        ("duplicate keys", Message::text(r#"{"type":"typing","on":true,"on":false}"#), "bad_frame"),
        (
            "neither conversation nor user",
            Message::text(json!({ "type": "send", "client_id": client_id, "content": { "text": "x" } }).to_string()),
            "invalid",
        ),
        (
            "text of the wrong shape",
            Message::text(json!({ "type": "send", "client_id": client_id, "to": "bob", "content": { "txt": 1 } }).to_string()),
            "invalid",
        ),
        (
            "unknown kind",
            Message::text(json!({ "type": "send", "client_id": client_id, "to": "bob", "kind": "hologram", "content": {} }).to_string()),
            "invalid",
        ),
        (
            "not a member",
            Message::text(
                json!({ "type": "send", "client_id": client_id, "conversation_id": uuid::Uuid::now_v7(), "content": { "text": "x" } })
                    .to_string(),
            ),
            "not_member",
        ),
        (
            "a user id that could break a key",
            Message::text(json!({ "type": "send", "client_id": client_id, "to": "a b\n", "content": { "text": "x" } }).to_string()),
            "bad_frame",
        ),
    ]
}

#[tokio::test]
async fn each_bad_frame_gets_its_error_and_the_connection_stays() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve("bad-frames", folder.path()).await;
    let address = server.address("http");
    let mut bystander = Client::connect(address, &token(folder.path(), "bob").await).await;
    let mut ann = Client::connect(address, &token(folder.path(), "ann").await).await;
    for (what, message, code) in refused() {
        ann.say_raw(message).await;
        let error = ann.expect("error").await;
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("error"), &json!(code)),
            "{what}: {error}"
        );
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {error}");
        assert_eq!(error["stored"], "no", "{what}: {error}");
    }
    ann.send_to("bob", "still here").await;
    ann.expect("sent").await;
    let entry: Value = bystander.expect("entry").await;
    assert_eq!(entry["content"]["text"], "still here");
}

#[tokio::test]
async fn a_frame_of_two_mebibytes_closes_its_own_connection_with_1009_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve("too-big", folder.path()).await;
    let address = server.address("http");
    let mut bystander = Client::connect(address, &token(folder.path(), "bob").await).await;
    let mut ann = Client::connect(address, &token(folder.path(), "ann").await).await;
    ann.say_raw(Message::text("x".repeat(2 << 20))).await;
    assert_eq!(ann.expect_close().await.0, 1009);
    bystander.say(&json!({ "type": "ping" })).await;
    bystander.expect("pong").await;
}

#[tokio::test]
async fn a_bad_token_is_refused_with_4001_and_a_reason_over_every_way_to_hand_it_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve("bad-token", folder.path()).await;
    let address = server.address("http");
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjk5OTk5OTk5OTl9.";
    for path in ["/ws?token=nonsense".to_owned(), format!("/ws?token={none}")] {
        let (code, reason) = Client::open(address, &path).await.expect_close().await;
        assert_eq!(code, 4001, "{path}");
        assert!(!reason.is_empty(), "{path}");
    }
    let mut first_frame = Client::open(address, "/ws").await;
    first_frame.say(&json!({ "type": "auth", "token": none })).await;
    let (code, reason) = first_frame.expect_close().await;
    assert_eq!(code, 4001);
    assert!(!reason.is_empty());
    let rest = reqwest::Client::new()
        .get(format!("http://{address}/api/v1/conversations"))
        .bearer_auth(none)
        .send()
        .await
        .unwrap();
    assert_eq!(rest.status(), 401);
}
