//! Sessions listed and ended: sockets close, and their tokens do not come in again.

use std::time::Duration;

use proto::presence::revocation::What;
use proto::presence::{Revocation, RevokedUser};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::device::Device;
use crate::edge::{Edge, named_token, token, until};
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
    let revocation = edge.presence.revoked().remove(0);
    edge.tell_revoked(&revocation).await;
    assert_eq!(phone.closed().await, (4001, REVOKED.to_owned()));
    laptop.is_served().await;
    // Its token stays out, here and, once presence has heard of it, everywhere.
    let refused = (4001, "the token has been revoked".to_owned());
    assert_eq!(refusal(&edge, &one, "another").await, refused);
    assert_eq!(ask(&edge, Method::GET, "/me", &one).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&edge, Method::GET, "/me", &two).await.0, StatusCode::OK);
    until("presence has the token", || {
        let is_token = |it: &Revocation| it.what == Some(What::TokenId("t1".to_owned()));
        edge.presence.revoked().iter().any(is_token)
    })
    .await;
    edge.stop().await;
}

#[tokio::test]
async fn all_sessions_of_a_user_or_of_a_device_end_and_only_new_tokens_come_in() {
    let edge = Edge::start().await;
    let mut phone = open(&edge, &token("ann"), "phone").await;
    let mut laptop = open(&edge, &token("ann"), "laptop").await;
    let mut bob = Device::connect(&edge, "bob").await;
    let path = "/sessions?device_id=phone";
    assert_eq!(ask(&edge, Method::DELETE, path, &token("ann")).await.0, StatusCode::NO_CONTENT);
    // An earlier token than the one of the laptop, which is of the same second.
    let mut of_phone = edge.presence.revoked().remove(0);
    let Some(What::User(user)) = &mut of_phone.what else { panic!("{of_phone:?}") };
    assert_eq!((user.user_id.as_str(), user.device_id.as_str()), ("ann", "phone"));
    edge.presence.forget_revoked();
    edge.tell_revoked(&of_phone).await;
    assert_eq!(phone.closed().await, (4001, REVOKED.to_owned()));
    bob.is_served().await;

    let what = What::User(RevokedUser {
        user_id: "ann".to_owned(),
        device_id: String::new(),
        issued_until_secs: u64::MAX,
    });
    edge.tell_revoked(&Revocation { until_ms: in_an_hour(), what: Some(what) }).await;
    assert_eq!(laptop.closed().await.0, 4001);
    assert_eq!(refusal(&edge, &token("ann"), "new").await.0, 4001);
    bob.is_served().await;
    edge.stop().await;
}

#[tokio::test]
async fn an_admin_ends_sessions_by_token_and_others_may_not() {
    let edge = Edge::start().await;
    let admin = named_token("root", "admin", &["admin"]);
    let mut ann = open(&edge, &named_token("ann", "t1", &[]), "phone").await;
    let path = "/admin/sessions?jti=t1";
    let (status, error) = ask(&edge, Method::DELETE, path, &token("bob")).await;
    assert_eq!((status, &error["code"]), (StatusCode::FORBIDDEN, &"forbidden".into()));
    let listing = "/admin/sessions?user_id=ann";
    assert_eq!(ask(&edge, Method::GET, listing, &token("bob")).await.0, StatusCode::FORBIDDEN);
    let (_, told) = ask(&edge, Method::GET, listing, &admin).await;
    assert_eq!(told["sessions"].as_array().unwrap().len(), 1);
    let neither = ask(&edge, Method::DELETE, "/admin/sessions", &admin).await.0;
    assert_eq!(neither, StatusCode::BAD_REQUEST);
    assert_eq!(ask(&edge, Method::DELETE, path, &admin).await.0, StatusCode::NO_CONTENT);
    // This gateway is not told: it hears of it with its next heartbeat.
    assert_eq!(ann.closed().await, (4001, REVOKED.to_owned()));
    edge.stop().await;
}

#[tokio::test]
async fn what_presence_forgets_it_is_told_again_and_stays_revoked() {
    let edge = Edge::with(|limits| limits.presence_heartbeat_ms = 100).await;
    let ann = named_token("ann", "t1", &[]);
    let mut phone = open(&edge, &ann, "phone").await;
    let admin = named_token("root", "admin", &["admin"]);
    let ended = ask(&edge, Method::DELETE, "/admin/sessions?jti=t1", &admin).await.0;
    assert_eq!(ended, StatusCode::NO_CONTENT);
    // By heartbeat.
    assert_eq!(phone.closed().await.0, 4001);
    edge.presence.forget_revoked();
    until("presence has it again", || {
        let what = Some(What::TokenId("t1".to_owned()));
        edge.presence.revoked().iter().any(|revoked| revoked.what == what)
    })
    .await;
    assert_eq!(refusal(&edge, &ann, "phone").await.0, 4001);
    edge.stop().await;
}

#[tokio::test]
async fn while_presence_is_away_nothing_can_be_revoked_and_what_was_stays_out() {
    let edge = Edge::start().await;
    let mut ann = open(&edge, &named_token("ann", "t1", &[]), "phone").await;
    let what = Some(What::TokenId("gone".to_owned()));
    edge.tell_revoked(&Revocation { until_ms: in_an_hour(), what }).await;
    edge.presence.switch(Mode::Away);
    let (status, error) = ask(&edge, Method::DELETE, "/sessions", &token("ann")).await;
    assert_eq!((status, &error["code"]), (StatusCode::SERVICE_UNAVAILABLE, &"unavailable".into()));
    ann.is_served().await;
    let gone = named_token("ann", "gone", &[]);
    until_refused(&edge, &gone).await;
    edge.stop().await;
}

/// The push is handled apart from requests.
async fn until_refused(edge: &Edge, token: &str) {
    for _ in 0..1_000 {
        if ask(edge, Method::GET, "/me", token).await.0 == StatusCode::UNAUTHORIZED {
            return;
        }
    }
    panic!("it still comes in");
}
