//! Tactics over HTTP.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;
use wire_client::ws::handshake;

use super::odd_values::ODD;
use super::target::{Attacker, VICTIM};

/// Bodies that are begun at once; an address may have fewer.
const BODIES: usize = 64;
/// How long a body that does not end is held.
const HELD: Duration = Duration::from_secs(30);
/// A text at the limit of most servers, in bytes.
const LONG_TEXT: usize = 60_000;
/// Conversations made before their digest is asked for.
const CONVERSATIONS: usize = 200;

async fn ask(
    attacker: &Attacker,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Option<Value> {
    let url = format!("{}{path}", attacker.base);
    let mut request = attacker.http.request(method, url).bearer_auth(&attacker.token);
    if let Some(body) = body {
        request = request.json(body);
    }
    match request.send().await {
        Ok(answer) => {
            attacker.count(&format!("http {}", answer.status().as_u16()));
            answer.json().await.ok()
        }
        Err(error) => {
            attacker.count(if error.is_timeout() { "no answer" } else { "connection lost" });
            None
        }
    }
}

/// Posts without a token whose last byte never comes.
pub async fn begin_bodies(attacker: &Attacker) {
    let mut held = tokio::task::JoinSet::new();
    for number in 0..BODIES {
        let path = ["/sse/x", "/api/v1/conversations", "/api/v1/dev/token"][number % 3];
        let (address, source) = (attacker.address.clone(), attacker.source);
        held.spawn_local(async move {
            let mut stream = handshake::connect(&address, source).await.ok()?;
            let length = 1_048_575;
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n",
                address.authority
            );
            stream.write_all(head.as_bytes()).await.ok()?;
            // The server may have answered and closed before it has read any of it.
            let _ = stream.write_all(&vec![b' '; length - 1]).await;
            answer_of(&mut stream).await
        });
    }
    while let Some(answer) = held.join_next().await {
        attacker.count(
            &answer
                .ok()
                .flatten()
                .map_or("connection lost".to_owned(), |status| format!("http {status}")),
        );
    }
}

/// The status of an answer, if one comes in time.
async fn answer_of(stream: &mut TcpStream) -> Option<u16> {
    let mut head = [0; 16];
    let read = tokio::time::timeout(HELD, stream.read(&mut head)).await.ok()?.ok()?;
    std::str::from_utf8(&head[..read]).ok()?.split(' ').nth(1)?.parse().ok()
}

/// Every odd value once.
pub async fn ask_odd_values(attacker: &Attacker) {
    for (method, path) in ODD {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        ask(attacker, method, path, None).await;
    }
}

/// A group with the victim in it, and a long message with much beside its text.
pub async fn add_victim_to_groups(attacker: &Attacker) {
    let body = json!({
        "client_id": Uuid::now_v7(), "kind": "group", "title": "x".repeat(90), "members": [VICTIM],
    });
    let made = ask(attacker, Method::POST, "/api/v1/conversations", Some(&body)).await;
    let Some(id) = made.as_ref().and_then(|made| made["id"].as_str()) else { return };
    for junk in [900_000, LONG_TEXT, 10_000] {
        let body = json!({
            "client_id": Uuid::now_v7(), "kind": "text",
            "content": { "text": "x", "entities": [{ "type": "bold", "from": 0, "length": 1, "user": "j".repeat(junk) }] },
        });
        ask(attacker, Method::POST, &format!("/api/v1/conversations/{id}/messages"), Some(&body))
            .await;
    }
}

/// Many groups of one, and the list of them.
pub async fn make_conversations(attacker: &Attacker) {
    for _ in 0..CONVERSATIONS {
        let body =
            json!({ "client_id": Uuid::now_v7(), "kind": "group", "title": "many", "members": [] });
        if ask(attacker, Method::POST, "/api/v1/conversations", Some(&body)).await.is_none() {
            return;
        }
    }
    ask(attacker, Method::GET, "/api/v1/conversations?limit=100", None).await;
}

/// Fills a group of its own and reads the largest pages.
pub async fn ask_for_large_pages(attacker: &Attacker) {
    let body =
        json!({ "client_id": Uuid::now_v7(), "kind": "group", "title": "large", "members": [] });
    let made = ask(attacker, Method::POST, "/api/v1/conversations", Some(&body)).await;
    let Some(id) = made.as_ref().and_then(|made| made["id"].as_str()) else { return };
    let path = format!("/api/v1/conversations/{id}/messages");
    for _ in 0..20 {
        let body = json!({
            "client_id": Uuid::now_v7(), "kind": "text",
            "content": { "text": "x", "junk": "j".repeat(10_000) },
        });
        ask(attacker, Method::POST, &path, Some(&body)).await;
    }
    for _ in 0..50 {
        ask(attacker, Method::GET, &format!("{path}?limit=200"), None).await;
    }
}

/// Ends devices that never were.
pub async fn revoke_unknown_sessions(attacker: &Attacker) {
    let path = format!("/api/v1/sessions?device_id=d{}", Uuid::now_v7().simple());
    ask(attacker, Method::DELETE, &path, None).await;
}

/// Searches names and asks for the status of a thousand users.
pub async fn search(attacker: &Attacker) {
    ask(attacker, Method::GET, "/api/v1/users?prefix=f&limit=200", None).await;
    let ids: Vec<String> = (0..300).map(|number| format!("user.{number}")).collect();
    ask(attacker, Method::GET, &format!("/api/v1/presence?ids={}", ids.join(",")), None).await;
    ask(attacker, Method::GET, "/api/v1/admin/sessions?user_id=x", None).await;
}
