//! The list of conversations as a client shows it: names, presence, and what is unread on every device.

use std::time::Duration;

use e2e::all_in_one::{serve_with, token as token_of};
use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::eventually::eventually;
use e2e::token::token;
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn listed(address: &str, token: &str, query: &str) -> (StatusCode, Value) {
    let url = format!("http://{address}/api/v1/conversations{query}");
    let answer = reqwest::Client::new()
        .get(url)
        .bearer_auth(token)
        .send()
        .await
        .expect("an answer as it is described");
    (answer.status(), answer.json().await.expect("an answer as it is described"))
}

fn status_of<'a>(conversation: &'a Value, user: &str) -> &'a Value {
    let members = conversation["members"].as_array().expect("an answer as it is described");
    &members.iter().find(|member| member["user_id"] == user).expect("an answer as it is described")
        ["presence"]["status"]
}

async fn group(address: &str, token: &str, members: &[&str]) -> String {
    let made: Value = reqwest::Client::new()
        .post(format!("http://{address}/api/v1/conversations"))
        .bearer_auth(token)
        .json(&json!({ "kind": "group", "title": "Crew", "members": members }))
        .send()
        .await
        .expect("an answer as it is described")
        .json()
        .await
        .expect("an answer as it is described");
    made["id"].as_str().expect("an answer as it is described").to_owned()
}

#[tokio::test]
async fn a_list_shows_presence_where_it_was_asked_for_and_presence_answers() {
    let mut cluster = Cluster::start("list").await;
    let address = cluster.gateway_address(0).to_owned();
    let _bob = Client::connect(cluster.gateway_address(1), &token("bob")).await;
    group(&address, &token("ann"), &["bob", "cleo"]).await;

    eventually("bob is online and cleo is not", Duration::from_secs(10), async || {
        let (status, list) = listed(&address, &token("ann"), "?include=presence").await;
        assert_eq!(status, 200);
        let crew = &list["conversations"][0];
        let seen = (status_of(crew, "bob").clone(), status_of(crew, "cleo").clone());
        if seen == (json!("online"), json!("offline")) { Ok(()) } else { Err(seen) }
    })
    .await;
    let (_, plain) = listed(&address, &token("ann"), "").await;
    assert!(plain["conversations"][0]["members"][0].get("presence").is_none());
    let (status, refused) = listed(&address, &token("ann"), "?include=weather").await;
    assert_eq!((status.as_u16(), &refused["code"]), (400, &json!("bad_frame")));

    cluster.presence.kill().await;
    let (status, list) = listed(&address, &token("ann"), "?include=presence").await;
    assert_eq!(status, 200, "a list does not need presence");
    let crew = &list["conversations"][0];
    assert_eq!(crew["title"], "Crew");
    assert!(crew["members"][0].get("presence").is_none());
    cluster.presence = cluster.start_presence().await;
    cluster.stop().await;
}

#[tokio::test]
async fn what_is_read_on_one_device_is_told_to_the_other_however_large_the_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("TIDINGS__LANES__RECEIPT_MEMBERS", "2")];
    let server = serve_with("own-receipts", folder.path(), "127.0.0.1:0", &settings).await;
    let address = server.address("http").to_owned();
    let (ann, bob) = (token_of(folder.path(), "ann").await, token_of(folder.path(), "bob").await);
    let open = async |token: &str, device: &str| {
        let mut client =
            Client::open(&address, &format!("/ws?token={token}&device={device}")).await;
        client.expect("welcome").await;
        client
    };
    let mut phone = open(&ann, "phone").await;
    let mut laptop = open(&ann, "laptop").await;
    let mut bobs = open(&bob, "desk").await;
    let id = group(&address, &ann, &["bob", "cleo"]).await;
    bobs.send_in(&id, "hello").await;
    let is_hello = |entry: &Value| entry["content"]["text"] == "hello";
    laptop.expect_where("entry", is_hello).await;
    phone.expect_where("entry", is_hello).await;

    phone.say(&json!({ "type": "read", "conversation_id": id, "seq": 2 })).await;
    let receipt = laptop.expect_where("receipt", |receipt| receipt["read_seq"] == 2).await;
    assert_eq!(receipt["user_id"], "ann");
    let (_, list) = listed(&address, &ann, "").await;
    assert_eq!(list["conversations"][0]["unread"], 0);
    assert_eq!(list["conversations"][0]["receipts"], false);
    // Bob is told nothing of it: what he hears next is an answer to himself.
    bobs.send_in(&id, "again").await;
    let heard = bobs.expect_any(&["receipt", "sent"]).await;
    assert_eq!((&heard["type"], &heard["ref"]), (&json!("sent"), &json!("hello")));
    let heard = bobs.expect_any(&["receipt", "sent"]).await;
    assert_eq!((&heard["type"], &heard["ref"]), (&json!("sent"), &json!("again")));
}
