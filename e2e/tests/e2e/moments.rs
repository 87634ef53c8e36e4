//! What no log holds is told to webhooks and on the broker: who comes and goes, types, receives and reads.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use e2e::all_in_one::{serve_with, token as own_token, token_of_operator};
use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::token::{token, token_with};
use reqwest::Method;
use serde_json::{Value, json};

use crate::events::{Receiver, ask};

const SOON: Duration = Duration::from_mins(1);
/// Between two attempts, so that no rate is used up.
const PAUSE: Duration = Duration::from_millis(200);
const TYPES: &str = r#"["ws.*", "chat.message.sent", "chat.delivered", "chat.read", "chat.typing", "user.presence"]"#;

/// An install that tells moments.
struct Install<'a> {
    address: &'a str,
    ann: String,
    bob: String,
    operator: String,
    /// How often everything has happened.
    turns: AtomicUsize,
}

impl Install<'_> {
    async fn webhook(&self, url: &str, types: &Value) -> (u16, Value) {
        let new = json!({ "url": url, "types": types });
        ask(self.address, Method::POST, "admin/webhooks", &self.operator, Some(&new)).await
    }

    /// One of everything: a connection that begins and ends, a message that is received and read, somebody types, and looks
    /// otherwise to others.
    async fn happens(&self, bob: &mut Client) -> String {
        let mut ann = Client::connect(self.address, &self.ann).await;
        let seen = if self.turns.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            "busy"
        } else {
            "away"
        };
        bob.say(&json!({ "type": "status", "status": seen })).await;
        ann.send_to("bob", "hello").await;
        let sent = ann.expect("sent").await;
        let (id, seq) = (sent["conversation_id"].clone(), sent["seq"].clone());
        bob.expect_where("entry", |entry| entry["seq"] == seq).await;
        bob.say(&json!({ "type": "typing", "conversation_id": id, "on": true })).await;
        bob.say(&json!({ "type": "read", "conversation_id": id, "seq": seq })).await;
        ann.expect_where("receipt", |receipt| receipt["read_seq"] == seq).await;
        ann.close().await;
        id.as_str().unwrap().to_owned()
    }

    async fn tells_everything(&self, types: &BTreeSet<&str>) {
        let (status, refused) =
            self.webhook("https://example.org/", &json!(["system.error"])).await;
        let why = refused["message"].as_str().unwrap_or_default();
        assert!(status == 400 && why.contains("events.types"), "{refused}");
        let receiver = Receiver::start().await;
        let all: Value = serde_json::from_str(TYPES).unwrap();
        let (status, made) = self.webhook(&receiver.url, &all).await;
        assert_eq!(status, 201, "{made}");
        let mut bob = Client::connect(self.address, &self.bob).await;
        // What happens before the webhook runs is told nobody; so it happens again until all of it was told.
        let deadline = Instant::now() + SOON;
        let (id, told) = loop {
            let id = self.happens(&mut bob).await;
            let told = receiver.events.lock().unwrap().clone();
            let of: BTreeSet<_> = told.iter().map(|it| it["type"].as_str().unwrap()).collect();
            if of.is_superset(types) {
                break (id, told);
            }
            assert!(Instant::now() < deadline, "told is only {of:?}");
            tokio::time::sleep(PAUSE).await;
        };
        let first = |kind: &str, user: &str| {
            let is_it =
                |it: &&Value| it["type"] == kind && (user.is_empty() || it["data"]["user"] == user);
            let found = told.iter().find(is_it);
            found.unwrap_or_else(|| panic!("{kind} of {user}: {told:?}"))
        };
        assert!(told.iter().all(|it| it["tidingsclass"] == "moment" && it["tenant"] == "default"));
        let came = &first("ws.connect", "ann")["data"];
        assert!(came["device"].is_string() && came["ip"] == "127.0.0.1", "{came}");
        let went = &first("ws.disconnect", "ann")["data"];
        assert!(went["seconds"].is_u64() && went.get("code").is_some(), "{went}");
        let sent = &first("chat.message.sent", "")["data"];
        assert_eq!((&sent["conversation_id"], &sent["users"]), (&json!(id), &json!(2)), "{sent}");
        assert_eq!(sent["connected"], 2, "{sent}");
        let typed = &first("chat.typing", "bob")["data"];
        assert_eq!((&typed["conversation_id"], &typed["on"]), (&json!(id), &json!(true)));
        let read = &first("chat.read", "bob")["data"];
        assert!(read["conversation_id"] == json!(id) && read["seq"].is_u64(), "{read}");
        first("chat.delivered", "bob");
        let seen = &first("user.presence", "bob")["data"];
        assert!(["online", "busy", "away"].iter().any(|it| seen["status"] == *it), "{seen}");
        let ids: BTreeSet<_> = told.iter().map(|it| it["id"].to_string()).collect();
        assert_eq!(ids.len(), told.len(), "each once, however many processes run webhooks");
        bob.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_all_in_one_tells_a_webhook_who_comes_goes_types_and_reads() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("TIDINGS__EVENTS__TYPES", TYPES),
        ("TIDINGS__WEBHOOKS__INSECURE_HOSTS", "[\"127.0.0.1\"]"),
    ];
    let server = serve_with("moments", folder.path(), "127.0.0.1:0", &settings).await;
    let install = Install {
        address: server.address("http"),
        ann: own_token(folder.path(), "ann").await,
        bob: own_token(folder.path(), "bob").await,
        operator: token_of_operator(folder.path()).await,
        turns: AtomicUsize::new(0),
    };
    let types = [
        "ws.connect",
        "ws.disconnect",
        "chat.message.sent",
        "chat.delivered",
        "chat.read",
        "chat.typing",
        "user.presence",
    ];
    install.tells_everything(&types.into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_tells_a_webhook_who_comes_goes_types_and_reads() {
    let settings = [
        ("TIDINGS_CHAT__EVENTS__TYPES", TYPES),
        ("TIDINGS_CHAT__WEBHOOKS__INSECURE_HOSTS", "[\"127.0.0.1\"]"),
        ("TIDINGS_GATEWAY__EVENTS__TYPES", "[\"ws.*\"]"),
        ("TIDINGS_GATEWAY__EVENTS__MESSAGE_EVERY", "1"),
        ("TIDINGS_PRESENCE__EVENTS__TYPES", "[\"user.presence\"]"),
    ];
    let cluster = Cluster::start_with("moments", &settings).await;
    let install = Install {
        address: cluster.gateway_address(0),
        ann: token("ann"),
        bob: token("bob"),
        operator: token_with("root", 600, &json!({ "roles": ["admin"] })),
        turns: AtomicUsize::new(0),
    };
    let types = [
        "ws.connect",
        "ws.disconnect",
        "ws.message",
        "chat.message.sent",
        "chat.delivered",
        "chat.read",
        "chat.typing",
        "user.presence",
    ];
    install.tells_everything(&types.into()).await;
    cluster.stop().await;
}
