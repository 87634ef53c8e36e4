//! What an operator says to everybody, across gateways.

use e2e::client::{Client, Heard};
use e2e::cluster::Cluster;
use e2e::token::{token, token_with};
use serde_json::json;
use uuid::Uuid;

#[tokio::test]
async fn everyone_connected_hears_a_broadcast_once_although_two_gateways_published_it() {
    let cluster = Cluster::start("broadcast").await;
    let mut clients = Vec::new();
    for (number, user) in ["ann", "bob", "cleo", "cleo"].into_iter().enumerate() {
        let address = cluster.gateway_address(number % 2);
        clients.push(Client::connect(address, &token(user)).await);
    }
    let http = reqwest::Client::new();
    let operator = token_with("operator", 3600, &json!({ "roles": ["admin"] }));
    let id = Uuid::now_v7();
    let say = async |gateway: usize, token: &str, body: serde_json::Value| {
        let url = format!("http://{}/api/v1/admin/broadcast", cluster.gateway_address(gateway));
        http.post(url).bearer_auth(token).json(&body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(say(0, &token("ann"), json!({ "content": {} })).await, 403);
    for gateway in [0, 1] {
        let body = json!({ "id": id, "content": { "text": "back in five minutes" } });
        assert_eq!(say(gateway, &operator, body).await, 202);
    }
    assert_eq!(say(1, &operator, json!({ "content": { "text": "we are back" } })).await, 202);
    for client in &mut clients {
        let notice = client.expect("notice").await;
        assert_eq!(notice["id"], id.to_string());
        match client.hear().await {
            Heard::Frame(next) => assert_eq!(next["content"]["text"], "we are back", "{next}"),
            Heard::Closed(code, reason) => panic!("closed {code} {reason}"),
        }
    }
    cluster.stop().await;
}
