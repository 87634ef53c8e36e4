//! Sessions ended through one gateway end on every gateway, and stay ended.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::all_in_one::serve_with;
use e2e::client::{Client, Heard};
use e2e::cluster::Cluster;
use e2e::eventually::eventually;
use e2e::token::{SECRET, token, token_with};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
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
    eventually("everywhere", Duration::from_secs(30), || async {
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

/// Ends the session of this token, asked with another one of the same user.
async fn end_session(address: &str, kept: &str, lost: &str) {
    let mut phone = Client::connect_as(address, lost, "a phone").await;
    let (_, listed) = ask(address, reqwest::Method::GET, "/sessions", kept).await;
    let sessions = listed["sessions"].as_array().expect("a list");
    let id = sessions.iter().find(|session| session["user_agent"] == "a phone").expect("the phone");
    let path = format!("/sessions/{}", id["connection_id"].as_str().expect("an id"));
    assert_eq!(ask(address, reqwest::Method::DELETE, &path, kept).await.0, 204);
    assert_eq!(phone.expect_close().await.0, 4001);
}

#[tokio::test]
async fn an_ended_session_stays_out_after_the_all_in_one_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("TIDINGS__AUTH__HS256_SECRET", SECRET)];
    let start =
        async |listen: &str| serve_with("sessions-alone", folder.path(), listen, &settings).await;
    let mut server = start("127.0.0.1:0").await;
    let address = server.address("http").to_owned();
    let (lost, kept) = (token("ann"), token_with("ann", 3600, &json!({ "jti": "kept" })));
    end_session(&address, &kept, &lost).await;
    // At once after the answer: what was answered has been written.
    server.kill().await;
    let _server = start(&address).await;
    assert_eq!(knock(&address, &lost).await, 4001);
    assert_eq!(knock(&address, &kept).await, 0, "another token of the same user");
}

#[tokio::test]
async fn an_ended_session_stays_out_after_chat_services_and_gateways_were_killed() {
    let mut cluster = Cluster::start("sessions-killed").await;
    let (lost, kept) = (token("ann"), token_with("ann", 3600, &json!({ "jti": "kept" })));
    end_session(cluster.gateway_address(0), &kept, &lost).await;
    for process in cluster.gateways.iter_mut().chain(&mut cluster.chats) {
        process.kill().await;
    }
    for index in 0..2 {
        cluster.chats[index] = cluster.start_chat(index).await;
    }
    for index in 0..2 {
        cluster.gateways[index] = cluster.start_gateway(index).await;
    }
    cluster.ready().await;
    for index in 0..2 {
        let address = cluster.gateway_address(index);
        assert_eq!(knock(address, &lost).await, 4001, "gateway {index}");
        assert_eq!(knock(address, &kept).await, 0, "another token of the same user");
    }
    cluster.stop().await;
}

/// The order of the curve P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The other signature (r, n - s) of the same token, which anybody can make of the first and is as good.
fn twin(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let mut signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    assert_eq!(signature.len(), 64);
    let mut borrow = 0;
    for index in (0..32).rev() {
        let digit = i16::from(ORDER[index]) - i16::from(signature[32 + index]) - borrow;
        borrow = i16::from(digit < 0);
        signature[32 + index] = digit.rem_euclid(256) as u8;
    }
    assert_eq!(borrow, 0, "s is less than n");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn the_twin_of_a_token_that_was_ended_is_refused() {
    let keys = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/platform/tests/keys"));
    let private = std::fs::read(keys.join("p256_private.pem")).unwrap();
    let key = EncodingKey::from_ec_pem(&private).unwrap();
    let sign = |claims: Value| encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let lost = sign(json!({ "sub": "ann", "exp": now + 3600 }));
    let kept = sign(json!({ "sub": "ann", "exp": now + 3601 }));

    let folder = tempfile::tempdir().unwrap();
    let public = keys.join("p256_public.pem");
    let settings = [("TIDINGS__AUTH__PUBLIC_KEY_FILE", public.to_str().unwrap())];
    let server = serve_with("sessions-twin", folder.path(), "127.0.0.1:0", &settings).await;
    let address = server.address("http");
    let other = twin(&lost);
    assert_ne!(other, lost);
    assert_eq!(knock(address, &other).await, 0, "a good signature while nothing was ended");
    end_session(address, &kept, &lost).await;
    assert_eq!(knock(address, &lost).await, 4001);
    assert_eq!(knock(address, &other).await, 4001, "the twin");
    assert_eq!(knock(address, &twin(&kept)).await, 0, "another token of the same user");
}
