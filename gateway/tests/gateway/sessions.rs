//! Sessions listed and ended: sockets close, and their tokens do not come in again.

use std::time::Duration;

use proto::chat::Revocation;
use proto::chat::revocation::What;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::device::Device;
use crate::edge::{Edge, admin_token, named_token, token, until};
use crate::services::Mode;

const REVOKED: &str = "revoked: this session was ended; sign in again";

async fn ask(edge: &Edge, method: Method, path: &str, token: &str) -> (StatusCode, Value) {
    let answer = reqwest::Client::new()
        .request(method, format!("http://{}/api/v1{path}", edge.address))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

async fn open(edge: &Edge, token: &str, device: &str) -> Device {
    let mut device = Device::open(edge, &format!("/ws?token={token}&device={device}"), &[]).await;
    device.welcome().await;
    device
}

/// What a socket with this token hears first when it is not let in.
async fn refusal(edge: &Edge, token: &str, device: &str) -> (u16, String) {
    Device::open(edge, &format!("/ws?token={token}&device={device}"), &[]).await.closed().await
}

fn in_an_hour() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    (since + Duration::from_hours(1)).as_millis() as u64
}

#[tokio::test]
async fn a_user_sees_the_own_sessions_and_ends_one_of_them() {
    let edge = Edge::start().await;
    let (one, two) = (named_token("ann", "t1", &[]), named_token("ann", "t2", &[]));
    let called = "A phone/1.0 ".repeat(30);
    let path = format!("/ws?token={one}&device=phone");
    let mut phone = Device::open(&edge, &path, &[("user-agent", called.as_str())]).await;
    phone.welcome().await;
    let mut laptop = open(&edge, &two, "laptop").await;
    let (_, told) = ask(&edge, Method::GET, "/sessions", &two).await;
    let sessions = told["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let id = format!("gateway-1.{:x}", phone.number);
    let listed = sessions.iter().find(|session| session["connection_id"] == id).unwrap();
    assert_eq!(listed["device_id"], "phone");
    assert_eq!(
        (&listed["ip"], &listed["user_agent"]),
        (&json!("127.0.0.1"), &json!(called[..256]))
    );
    let other = sessions.iter().find(|session| session["device_id"] == "laptop").unwrap();
    assert_eq!(other["user_agent"], "", "it said nothing");

    let path = format!("/sessions/{id}");
    let bob = token("bob");
    assert_eq!(ask(&edge, Method::DELETE, &path, &bob).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&edge, Method::DELETE, &path, &two).await.0, StatusCode::NO_CONTENT);
    assert_eq!(phone.closed().await, (4001, REVOKED.to_owned()));
    laptop.is_served().await;
    // Its token stays out, whatever device it names.
    let refused = (4001, "the token has been revoked".to_owned());
    assert_eq!(refusal(&edge, &one, "another").await, refused);
    assert_eq!(ask(&edge, Method::GET, "/me", &one).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&edge, Method::GET, "/me", &two).await.0, StatusCode::OK);
    edge.stop().await;
}

#[tokio::test]
async fn a_device_that_is_away_is_ended_with_every_token_that_it_used() {
    let edge = Edge::start().await;
    let (phone, extended) = (named_token("ann", "t1", &[]), named_token("ann", "t2", &[]));
    let laptop = named_token("ann", "t3", &[]);
    let mut device = open(&edge, &phone, "phone").await;
    device.say(&json!({ "type": "auth", "token": extended })).await;
    let mut kept = open(&edge, &laptop, "laptop").await;
    let mut bob = open(&edge, &named_token("bob", "t1", &[]), "phone").await;
    until("the second token is noted", || edge.chat.noted().len() == 4).await;
    drop(device);
    // Only what is left of it in the store.
    edge.presence.switch(Mode::Away);
    let path = "/sessions?device_id=phone";
    assert_eq!(ask(&edge, Method::DELETE, path, &laptop).await.0, StatusCode::NO_CONTENT);
    for token in [&phone, &extended] {
        let (status, error) = ask(&edge, Method::GET, "/me", token).await;
        assert_eq!((status, &error["code"]), (StatusCode::UNAUTHORIZED, &"unauthenticated".into()));
        assert_eq!(refusal(&edge, token, "other").await.0, 4001);
        let url = format!("http://{}/sse?token={token}&device=other", edge.address);
        let stream = reqwest::get(url).await.unwrap().text().await.unwrap();
        assert!(stream.contains("revoked"), "{stream}");
    }
    kept.is_served().await;
    bob.is_served().await;
    edge.presence.switch(Mode::Answers);
    edge.stop().await;
}

#[tokio::test]
async fn a_device_that_nobody_knows_is_not_ended_and_one_that_is_connected_is_known() {
    let edge = Edge::start().await;
    let token = named_token("ann", "t1", &[]);
    let path = |device: &str| format!("/sessions?device_id={device}");
    let (status, error) = ask(&edge, Method::DELETE, &path("toaster"), &token).await;
    assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &"not_found".into()));
    assert!(edge.chat.revoked().is_empty(), "nothing was stored");
    // Its token could not be noted.
    edge.chat.switch(Mode::Away);
    let mut phone = open(&edge, &named_token("ann", "t2", &[]), "phone").await;
    edge.chat.switch(Mode::Answers);
    let ended = ask(&edge, Method::DELETE, &path("phone"), &token).await.0;
    assert_eq!(ended, StatusCode::NO_CONTENT);
    assert_eq!(phone.closed().await, (4001, REVOKED.to_owned()));
    edge.stop().await;
}

#[tokio::test]
async fn a_token_of_the_second_of_the_end_of_all_stays_out_and_one_made_after_the_answer_comes_in()
{
    let edge = Edge::start().await;
    let before = named_token("ann", "before", &[]);
    let mut laptop = open(&edge, &before, "laptop").await;
    let mut bob = Device::connect(&edge, "bob").await;
    // Made in the same second, and not used by anybody.
    let unused = named_token("ann", "unused", &[]);
    assert_eq!(ask(&edge, Method::DELETE, "/sessions", &before).await.0, StatusCode::NO_CONTENT);
    let after = named_token("ann", "after", &[]);
    assert_eq!(laptop.closed().await, (4001, REVOKED.to_owned()));
    for token in [&before, &unused] {
        assert_eq!(refusal(&edge, token, "any").await.0, 4001);
        assert_eq!(ask(&edge, Method::GET, "/me", token).await.0, StatusCode::UNAUTHORIZED);
    }
    open(&edge, &after, "laptop").await;
    assert_eq!(ask(&edge, Method::GET, "/me", &after).await.0, StatusCode::OK);
    bob.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn an_admin_ends_sessions_by_token_and_others_may_not() {
    let edge = Edge::start().await;
    let admin = named_token("root", "admin", &["admin"]);
    let mut ann = open(&edge, &named_token("ann", "t1", &[]), "phone").await;
    let path = "/admin/sessions?user_id=ann&jti=t1";
    let mut bob = open(&edge, &named_token("bob", "t1", &[]), "phone").await;
    let (status, error) = ask(&edge, Method::DELETE, path, &token("bob")).await;
    assert_eq!((status, &error["code"]), (StatusCode::FORBIDDEN, &"forbidden".into()));
    let listing = "/admin/sessions?user_id=ann";
    assert_eq!(ask(&edge, Method::GET, listing, &token("bob")).await.0, StatusCode::FORBIDDEN);
    let (_, told) = ask(&edge, Method::GET, listing, &admin).await;
    assert_eq!(told["sessions"].as_array().unwrap().len(), 1);
    let neither = ask(&edge, Method::DELETE, "/admin/sessions", &admin).await.0;
    assert_eq!(neither, StatusCode::BAD_REQUEST);
    assert_eq!(ask(&edge, Method::DELETE, path, &admin).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ann.closed().await, (4001, REVOKED.to_owned()));
    bob.is_served().await;
    open(&edge, &named_token("bob", "t1", &[]), "laptop").await;
    edge.stop().await;
}

#[tokio::test]
async fn what_another_gateway_ended_is_heard_by_push_or_by_asking() {
    let edge = Edge::with(|limits| limits.presence_heartbeat_ms = 100).await;
    let mut phone = open(&edge, &token("ann"), "phone").await;
    let mut tablet = open(&edge, &token("bob"), "tablet").await;
    let all = |user: &str| Revocation {
        user_id: user.to_owned(),
        what: Some(What::All(true)),
        issued_until_secs: u64::MAX,
        until_ms: in_an_hour(),
    };
    edge.chat.revoke(all("ann"));
    assert_eq!(phone.closed().await.0, 4001);
    edge.tell_revoked(&all("bob")).await;
    assert_eq!(tablet.closed().await.0, 4001);
    assert_eq!(refusal(&edge, &token("ann"), "phone").await.0, 4001);
    edge.stop().await;
}

#[tokio::test]
async fn sessions_end_without_presence_and_while_the_store_is_away_nothing_that_was_ended_comes_in()
{
    let edge = Edge::start().await;
    let (old, mut ann) = (named_token("ann", "t1", &[]), Device::connect(&edge, "ann").await);
    edge.presence.switch(Mode::Away);
    assert_eq!(ask(&edge, Method::DELETE, "/sessions", &old).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ann.closed().await.0, 4001);
    edge.presence.switch(Mode::Answers);
    edge.chat.switch(Mode::Away);
    assert_eq!(ask(&edge, Method::GET, "/me", &old).await.0, StatusCode::UNAUTHORIZED);
    let (status, error) = ask(&edge, Method::DELETE, "/sessions", &token("bob")).await;
    assert_eq!((status, &error["code"]), (StatusCode::SERVICE_UNAVAILABLE, &"unavailable".into()));
    edge.stop().await;
}

#[tokio::test]
async fn operators_alone_list_everybody_who_is_connected_page_by_page() {
    let edge = Edge::start().await;
    for user in ["ann", "bob", "cleo"] {
        // This test's presence keeps what was reported, also after the device is gone.
        let _device = Device::connect(&edge, user).await;
    }
    let url = |query: &str| format!("http://{}/api/v1/admin/connections{query}", edge.address);
    let ask = async |token: &str, query: &str| {
        let asked = reqwest::Client::new().get(url(query)).bearer_auth(token);
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, body) = ask(&token("ann"), "").await;
    assert_eq!((status, &body["code"]), (403, &json!("forbidden")));
    let operator = admin_token();
    let (mut users, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = ask(&operator, &format!("?limit=1&after={after}")).await;
        assert_eq!(status, 200, "{page}");
        for connection in page["connections"].as_array().unwrap() {
            users.push(connection["user_id"].as_str().unwrap().to_owned());
            let id = connection["connection_id"].as_str().unwrap();
            assert!(id.starts_with("gateway-1."), "{connection}");
            assert!(!connection["device_id"].as_str().unwrap().is_empty());
        }
        page["next"].as_str().unwrap().clone_into(&mut after);
        if after.is_empty() {
            break;
        }
    }
    assert_eq!(users, ["ann", "bob", "cleo"]);
    for bad in ["?after=!", "?after=aGVsbG8", "?limit=x", "?user_id=ann"] {
        let (status, body) = ask(&operator, bad).await;
        assert_eq!(status, 400, "{bad}: {body}");
    }
    edge.stop().await;
}
