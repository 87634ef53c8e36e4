//! Keys of what is encrypted: each device is given its own alone, over every way it hears of a message, in small and in large
//! conversations, on the cluster and the all-in-one, of two tenants.

use e2e::client::Client;
use e2e::tenants::{Install, Side, token_of};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// Members above which a conversation is large.
const LARGE: usize = 256;

fn encrypted(text: &str) -> Value {
    let keys = json!({ "bob/phone": "cGhvbmU=", "bob/web": "d2Vi", "cleo/phone": "Y2xlbw==", "ann/other": "YW5u" });
    json!({ "algorithm": "olm", "ciphertext": text, "sender_device": "json", "keys": keys, "epoch": 3 })
}

/// A device, by its name in keys, and the key that it is given.
const DEVICES: [(&str, &str, Option<&str>); 4] = [
    ("bob", "phone", Some("cGhvbmU=")),
    ("bob", "web", Some("d2Vi")),
    ("bob", "tv", None),
    ("cleo", "phone", Some("Y2xlbw==")),
];

fn own(user: &str, device: &str, key: Option<&str>) -> Value {
    key.map_or(json!({}), |key| json!({ format!("{user}/{device}"): key }))
}

/// A content with these keys.
fn told(content: &Value, keys: &Value) -> Value {
    let mut content = content.clone();
    content["keys"] = keys.clone();
    content
}

async fn say(ann: &mut Client, kind: &str, fields: &Value) -> u64 {
    let mut frame = json!({ "type": kind, "ref": "r", "client_id": Uuid::now_v7() });
    frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    ann.say(&frame).await;
    let answer = ann.answer_to("r").await;
    answer["seq"].as_u64().unwrap_or_else(|| panic!("{answer}"))
}

async fn keys_are_apart(install: &Install, tenant: &'static str, members: usize) {
    let side = Side::of(tenant, install);
    let ann_token = token_of(side.tenant, "ann", &json!({}));
    let mut ann = Client::connect(install.address(0), &format!("{ann_token}&device=json")).await;
    let others: Vec<_> = (0..members).map(|n| format!("member-{n}")).collect();
    let all: Vec<_> =
        ["bob", "cleo"].into_iter().chain(others.iter().map(String::as_str)).collect();
    let new = json!({ "kind": "group", "title": "Crew", "members": all });
    let (status, made) = side.ask(&ann_token, Method::POST, "/conversations", &new).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap();
    let mut devices = Vec::new();
    for (n, (user, device, key)) in DEVICES.into_iter().enumerate() {
        let token = token_of(side.tenant, user, &json!({}));
        let client = Client::connect(install.address(n), &format!("{token}&device={device}")).await;
        devices.push((client, user, device, own(user, device, key)));
    }
    let content = encrypted("Y2lwaGVy");
    let seq = say(
        &mut ann,
        "send",
        &json!({ "conversation_id": id, "kind": "encrypted", "content": content }),
    )
    .await;
    let edited = encrypted("ZWRpdGVk");
    let edit =
        say(&mut ann, "edit", &json!({ "conversation_id": id, "seq": seq, "content": edited }))
            .await;
    for (client, user, device, keys) in &mut devices {
        let named = format!("{user}/{device} of {members}");
        let heard = client
            .expect_where("entry", |it| it["seq"] == seq && it["conversation_id"] == id)
            .await;
        assert_eq!(heard["content"], told(&content, keys), "{named}: live");
        let heard = client
            .expect_where("entry", |it| it["seq"] == edit && it["conversation_id"] == id)
            .await;
        assert_eq!(heard["content"]["content"], told(&edited, keys), "{named}: an edit, live");
        client.say(&json!({ "type": "sync", "cursors": { id: 1 }, "states": true })).await;
        let page = client
            .expect_where("sync_page", |it| it["conversation_id"] == id && it["states"].is_object())
            .await;
        let entries = page["entries"].as_array().unwrap();
        let of = |seq: u64| entries.iter().find(|entry| entry["seq"] == seq).unwrap();
        assert_eq!(of(seq)["content"], told(&content, keys), "{named}: sync");
        assert_eq!(of(edit)["content"]["content"], told(&edited, keys), "{named}: an edit by sync");
        let state = &page["states"][seq.to_string()];
        assert_eq!(state["content"], told(&edited, keys), "{named}: a state by sync");
        let seqs = (id, seq);
        over_rest(&side, (*user, *device), seqs, (&content, &edited), keys).await;
    }
    of_events(&side, &mut ann, id, &content).await;
}

/// Over REST: of the device that the token names, or of all that the user has.
async fn over_rest(
    side: &Side<'_>,
    (user, device): (&str, &str),
    (id, seq): (&str, u64),
    (content, edited): (&Value, &Value),
    keys: &Value,
) {
    let named = format!("{user}/{device}");
    let of_user = if user == "bob" {
        json!({ "bob/phone": "cGhvbmU=", "bob/web": "d2Vi" })
    } else {
        json!({ "cleo/phone": "Y2xlbw==" })
    };
    for (claims, keys) in [(json!({ "device": device }), keys), (json!({}), &of_user)] {
        let token = token_of(side.tenant, user, &claims);
        let get = async |path: &str| {
            let path = format!("/conversations/{id}{path}");
            let (status, body) = side.ask(&token, Method::GET, &path, &Value::Null).await;
            assert_eq!(status, 200, "{path}: {body}");
            body
        };
        let page = get("/messages?after_seq=1").await;
        assert_eq!(page["entries"][0]["content"], told(content, keys), "{named}: the log");
        assert_eq!(
            page["entries"][1]["content"]["content"],
            told(edited, keys),
            "{named}: the log"
        );
        let page = get("/messages?view=messages").await;
        let state = &page["states"][seq.to_string()];
        assert_eq!(state["content"], told(edited, keys), "{named}: messages");
        let one = get(&format!("/messages/{seq}")).await;
        assert_eq!(one["entry"]["content"], told(content, keys), "{named}: one");
        assert_eq!(one["state"]["content"], told(edited, keys), "{named}: its state");
        let history = get(&format!("/messages/{seq}/history")).await;
        assert_eq!(history["entries"][0]["content"], told(content, keys), "{named}: history");
        let changed = get("/messages/changes?from_seq=1&to_seq=9").await;
        let state = &changed["states"][seq.to_string()];
        assert_eq!(state["content"], told(edited, keys), "{named}: changes");
        let shown = get("").await;
        assert!(!shown.to_string().contains("cGhvbmU="), "{named}: {shown}");
    }
}

/// What it sent, its device need not be told; events are for no device.
async fn of_events(side: &Side<'_>, ann: &mut Client, id: &str, content: &Value) {
    let operator = side.operator();
    let events = async |after: &str| {
        let path = format!("/events?after={after}&types=chat.message.received");
        let (status, body) = side.ask(&operator, Method::GET, &path, &Value::Null).await;
        assert_eq!(status, 200, "{body}");
        body
    };
    let after = events("").await["next"].as_str().unwrap().to_owned();
    say(ann, "send", &json!({ "conversation_id": id, "kind": "encrypted", "content": content }))
        .await;
    let mut told_of = events(&format!("{after}&wait_ms=20000")).await;
    let event = told_of["events"].as_array_mut().unwrap().pop().unwrap();
    assert_eq!(event["data"]["entry"]["content"], told(content, &json!({})), "{event}");
}

#[tokio::test]
async fn each_device_is_given_its_own_key_in_a_cluster() {
    let install = Install::cluster("keys", &[]).await;
    for (tenant, members) in [("default", 0), ("acme", 0), ("default", LARGE)] {
        keys_are_apart(&install, tenant, members).await;
    }
    install.stop().await;
}

#[tokio::test]
async fn each_device_is_given_its_own_key_in_the_all_in_one() {
    let install = Install::all_in_one("keys", &[]).await;
    for (tenant, members) in [("default", 0), ("acme", 0), ("acme", LARGE)] {
        keys_are_apart(&install, tenant, members).await;
    }
    install.stop().await;
}
