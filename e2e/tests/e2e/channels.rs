//! Large conversations: pushed once to each gateway and handed out there, as right as small ones.

use std::time::Duration;

use e2e::all_in_one::{serve_with, token as own_token};
use e2e::client::{Client, Heard};
use e2e::cluster::Cluster;
use e2e::load::Load;
use e2e::metrics;
use e2e::token::token;
use serde_json::{Value, json};

/// Two gateways, or the same one twice, and tokens of five users.
struct Place<'a> {
    gateways: [&'a str; 2],
    tokens: [String; 5],
}

const ANN: usize = 0;
const BOB: usize = 1;
const CLEO: usize = 2;
const DAN: usize = 3;
const MALLORY: usize = 4;
const USERS: [&str; 5] = ["ann", "bob", "cleo", "dan", "mallory"];

impl Place<'_> {
    async fn connect(&self, user: usize, gateway: usize) -> Client {
        Client::connect(self.gateways[gateway], &self.tokens[user]).await
    }

    /// A request of ann's, who owns the group.
    async fn ask(&self, method: reqwest::Method, path: &str, body: &Value) -> Value {
        let url = format!("http://{}/api/v1/{path}", self.gateways[0]);
        let request = reqwest::Client::new().request(method, url);
        let answer = request.bearer_auth(&self.tokens[ANN]).json(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }
}

/// The seqs of the next entries, which are all that it hears, in their order.
async fn seqs(client: &mut Client, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        match client.hear().await {
            Heard::Frame(frame) if frame["type"] == "entry" => {
                seqs.push(frame["seq"].as_u64().unwrap());
            }
            Heard::Frame(_) => {}
            Heard::Closed(code, reason) => panic!("closed {code} {reason}"),
        }
    }
    seqs
}

async fn say(client: &mut Client, id: &str, text: &str) -> u64 {
    client.send_in(id, text).await;
    let sent = client.expect_where("sent", |sent| sent["ref"] == text).await;
    sent["seq"].as_u64().unwrap()
}

/// Joins, leaves and reconnects in a group of three, which is above the threshold of two.
async fn story(place: &Place<'_>) {
    let mut ann = place.connect(ANN, 0).await;
    let mut bob = place.connect(BOB, 0).await;
    let mut cleo = place.connect(CLEO, 1).await;
    let mut dan = place.connect(DAN, 1).await;
    let mut mallory = place.connect(MALLORY, 0).await;
    let new = json!({ "kind": "group", "title": "Hall", "members": ["bob", "cleo"] });
    let made = place.ask(reqwest::Method::POST, "conversations", &new).await;
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(say(&mut ann, &id, "one").await, 2);
    assert_eq!(seqs(&mut bob, 2).await, [1, 2]);
    assert_eq!(seqs(&mut cleo, 2).await, [1, 2]);

    // A join: from there on, and nothing before.
    let members = format!("conversations/{id}/members");
    place.ask(reqwest::Method::POST, &members, &json!({ "members": ["dan"] })).await;
    assert_eq!(say(&mut bob, &id, "two").await, 4);
    assert_eq!(seqs(&mut dan, 2).await, [3, 4]);
    assert_eq!(seqs(&mut cleo, 2).await, [3, 4]);

    // A device that is away, and comes back at the other gateway: by sync what it missed, then live.
    cleo.close().await;
    assert_eq!(say(&mut ann, &id, "three").await, 5);
    let mut cleo = place.connect(CLEO, 0).await;
    cleo.say(&json!({ "type": "sync", "cursors": { &id: 4 } })).await;
    cleo.expect("synced").await;
    assert_eq!(say(&mut ann, &id, "four").await, 6);
    let live = cleo.expect_where("entry", |entry| entry["seq"] == 6).await;
    assert_eq!(live["content"]["text"], "four");

    // A leave: the one who is removed hears of it, and nothing after.
    place.ask(reqwest::Method::DELETE, &format!("{members}/dan"), &json!({})).await;
    assert_eq!(say(&mut ann, &id, "five").await, 8);
    assert_eq!(seqs(&mut dan, 3).await, [5, 6, 7]);
    assert_eq!(seqs(&mut cleo, 2).await, [7, 8]);
    // What they hear next is addressed to them alone.
    for (client, user) in [(&mut dan, "dan"), (&mut mallory, "mallory")] {
        ann.send_to(user, &format!("to {user}")).await;
        let entry = client.expect("entry").await;
        assert_eq!(entry["content"]["text"], format!("to {user}"), "{entry}");
    }
    // Down to two members: the same log, another way.
    place.ask(reqwest::Method::DELETE, &format!("{members}/cleo"), &json!({})).await;
    assert_eq!(say(&mut ann, &id, "six").await, 10);
    place.ask(reqwest::Method::POST, &members, &json!({ "members": ["dan"] })).await;
    assert_eq!(say(&mut ann, &id, "seven").await, 12);
    assert_eq!(seqs(&mut cleo, 1).await, [9]);
    assert_eq!(seqs(&mut dan, 2).await, [11, 12]);
}

#[tokio::test]
async fn joins_leaves_and_reconnects_in_a_large_conversation_across_gateways() {
    let settings = [("TIDINGS_CHAT__LANES__LARGE_MEMBERS", "2")];
    let cluster = Cluster::start_with("channels", &settings).await;
    let gateways = [cluster.gateway_address(0), cluster.gateway_address(1)];
    story(&Place { gateways, tokens: USERS.map(token) }).await;
    assert!(asks(&cluster).await > 0, "the entries took the way of large conversations");
    cluster.stop().await;
}

#[tokio::test]
async fn joins_leaves_and_reconnects_in_a_large_conversation_of_the_all_in_one_binary() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("TIDINGS__LANES__LARGE_MEMBERS", "2")];
    let server = serve_with("channels-alone", folder.path(), "127.0.0.1:0", &settings).await;
    let mut tokens = Vec::new();
    for user in USERS {
        tokens.push(own_token(folder.path(), user).await);
    }
    let address = server.address("http");
    story(&Place { gateways: [address; 2], tokens: tokens.try_into().unwrap() }).await;
}

#[tokio::test]
async fn loaded_groups_above_the_threshold_lose_double_and_reorder_nothing() {
    let settings = [("TIDINGS_CHAT__LANES__LARGE_MEMBERS", "5")];
    let cluster = Cluster::start_with("channels-load", &settings).await;
    let addresses = [cluster.gateway_address(0), cluster.gateway_address(1)];
    let arguments = ["--scenario", "group", "--groups", "4", "--members", "20", "--rate", "100"];
    let more = ["--duration", "6s", "--warmup", "0s", "--drain", "40s", "--verify-history"];
    let load = Load::start("channels-fleet", &addresses, &[&arguments[..], &more[..]].concat());
    let report = load.valid(Duration::from_mins(2)).await;
    assert!(report["delivered"].as_u64().unwrap() > 4_000, "{report:#}");
    assert!(asks(&cluster).await > 0, "the entries took the way of large conversations");
    cluster.stop().await;
}

/// Questions of the gateways about the members of large conversations.
async fn asks(cluster: &Cluster) -> u64 {
    let mut asks = 0;
    for gateway in &cluster.gateways {
        let counted = metrics::value(gateway, "tidings_gateway_channel_asks_total").await;
        asks += counted.unwrap_or_default() as u64;
    }
    asks
}
