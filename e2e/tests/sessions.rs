//! Sessions ended through one gateway end on every gateway.

use e2e::client::{Client, Heard};
use e2e::cluster::Cluster;
use e2e::token::{token, token_with};
use serde_json::{Value, json};

async fn ask(address: &str, method: reqwest::Method, path: &str, token: &str) -> (u16, Value) {
    let answer = reqwest::Client::new()
        .request(method, format!("http://{address}/api/v1{path}"))
        .bearer_auth(token)
        .send()
        .await
        .expect("the gateway answers");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

/// What a token hears on a gateway: a welcome, or the code of the close.
async fn knock(address: &str, token: &str) -> u16 {
    let mut client = Client::open(address, &format!("/ws?token={token}")).await;
    match client.hear().await {
        Heard::Frame(frame) => {
            assert_eq!(frame["type"], "welcome");
            0
        }
        Heard::Closed(code, _) => code,
    }
}

#[tokio::test]
async fn a_session_that_is_ended_closes_on_its_gateway_and_its_token_comes_in_nowhere() {
    let cluster = Cluster::start("sessions").await;
    let (here, there) = (cluster.gateway_address(0), cluster.gateway_address(1));
    // Tokens of one second and one user would be the same but for their names.
    let (lost, kept) = (token("ann"), token_with("ann", 3600, &json!({ "jti": "kept" })));
    let mut lost_phone = Client::connect_as(there, &lost, "a phone").await;
    let mut laptop = Client::connect(here, &kept).await;

    let (_, listed) = ask(here, reqwest::Method::GET, "/sessions", &kept).await;
    let sessions = listed["sessions"].as_array().expect("a list");
    assert_eq!(sessions.len(), 2, "{listed}");
    let on_the_other = |session: &&Value| session["gateway_id"] == "gateway-1";
    let phone = sessions.iter().find(on_the_other).expect("the phone");
    assert!(phone["ip"].as_str().is_some_and(|ip| ip.starts_with("127.")), "{phone}");
    assert_eq!(phone["user_agent"], "a phone");
    let id = phone["connection_id"].clone();
    let path = format!("/sessions/{}", id.as_str().expect("an id"));
    assert_eq!(ask(here, reqwest::Method::DELETE, &path, &kept).await.0, 204);

    let (code, reason) = lost_phone.expect_close().await;
    assert_eq!(code, 4001);
    assert!(reason.starts_with("revoked"), "{reason}");
    assert_eq!(knock(there, &lost).await, 4001);
    e2e::eventually::eventually("everywhere", std::time::Duration::from_secs(30), || async {
        match knock(here, &lost).await {
            4001 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    assert_eq!(knock(there, &kept).await, 0, "another token of the same user");

    // All of them, the asking one among them.
    assert_eq!(ask(there, reqwest::Method::DELETE, "/sessions", &kept).await.0, 204);
    assert_eq!(laptop.expect_close().await.0, 4001);
    cluster.stop().await;
}
