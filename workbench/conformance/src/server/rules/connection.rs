//! What a served connection is: its begin, its devices, heartbeats, and the bytes that end it.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::ServerRule;
use crate::checked::{Checked, broken, check, skipped};
use crate::rule::rule;
use crate::server::scope::{Scope, number, text};
use crate::server::socket::{ANSWER, Heard, Opening, To};

pub(super) const RULES: &[ServerRule] = &[
    rule!(
        "connection.welcome",
        "connection",
        welcome,
        "`welcome` is the first frame, with user, connection, heartbeat, epoch and limits."
    ),
    rule!(
        "connection.subprotocol",
        "connection",
        subprotocol,
        "A client that offers only unknown subprotocols is closed with 4003."
    ),
    rule!(
        "connection.replaced",
        "close-codes",
        replaced,
        "A second connection of the same device replaces the first: 4000."
    ),
    rule!(
        "connection.devices",
        "connection",
        devices,
        "Several devices of a user are connected at once, and each gets what is sent to the user."
    ),
    rule!(
        "connection.of-a-conversation",
        "connection",
        of_a_conversation,
        "`/ws/{conversation_id}` begins with the tail of its log; others than members are closed with 4003."
    ),
    rule!(
        "connection.ping",
        "connection",
        ping,
        "The server sends a WebSocket ping every `heartbeat_ms`."
    ),
    rule!(
        "connection.silent",
        "connection",
        silent,
        "A connection from which nothing arrives for three heartbeats is closed with 1001."
    ),
    rule!(
        "connection.not-websocket",
        "close-codes",
        not_websocket,
        "Bytes that are not the protocol: 1002."
    ),
    rule!(
        "connection.not-utf8",
        "close-codes",
        not_utf8,
        "A text message that is not UTF-8: 1007."
    ),
    rule!(
        "connection.too-large",
        "close-codes",
        too_large,
        "A frame above `limits.frame_bytes`: 1009."
    ),
];

async fn welcome(scope: &Scope) -> Checked {
    let ann = scope.connect("ann").await?;
    let said = &ann.welcomed;
    check!(said["user_id"] == scope.user("ann"), "welcomed as another user: {said}");
    check!(!text(said, "connection_id")?.is_empty(), "no connection id: {said}");
    check!(!text(said, "epoch")?.is_empty(), "no epoch: {said}");
    check!(number(said, "heartbeat_ms")? > 0, "no heartbeat: {said}");
    for limit in ["frame_bytes", "in_flight", "content_bytes", "text_chars"] {
        check!(ann.limit(limit)? > 0, "limits.{limit} is 0: {said}");
    }
    Ok(())
}

async fn subprotocol(scope: &Scope) -> Checked {
    let token = scope.token("ann");
    let opening = Opening { path: "/ws", token: Some(&token), protocols: Some("tidings.v99") };
    let (code, reason) = scope.open(&opening).await?.expect_close(ANSWER).await?;
    check!(code == 4003 && reason.starts_with("subprotocol"), "closed with {code} {reason:?}");
    Ok(())
}

async fn replaced(scope: &Scope) -> Checked {
    let mut first = scope.connect_with("ann", "device=phone").await?;
    let mut second = scope.connect_with("ann", "device=phone").await?;
    let (code, reason) = first.expect_close(ANSWER).await?;
    check!(code == 4000, "closed with {code} {reason:?}");
    second.is_served().await
}

async fn devices(scope: &Scope) -> Checked {
    let mut devices = Vec::new();
    for device in ["phone", "tablet", "laptop"] {
        devices.push(scope.connect_with("bob", &format!("acks=off&device={device}")).await?);
    }
    let mut ann = scope.connect("ann").await?;
    let sent = ann.send(&To::User(&scope.user("bob")), "to all of them").await?;
    for device in &mut devices {
        let entry = device.expect("entry").await?;
        check!(entry["id"] == sent["id"], "{entry} instead of {sent}");
    }
    Ok(())
}

async fn of_a_conversation(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let sent = ann.send(&To::User(&scope.user("bob")), "the tail").await?;
    let path = format!("/ws/{}", text(&sent, "conversation_id")?);
    let token = scope.token("bob");
    let mut bob = scope.open(&Opening { token: Some(&token), ..Opening::path(&path) }).await?;
    bob.welcome().await?;
    let page = bob.expect("sync_page").await?;
    check!(page["entries"][0]["id"] == sent["id"], "begins with {page}");
    let token = scope.token("cleo");
    let opening = Opening { token: Some(&token), ..Opening::path(&path) };
    let (code, reason) = scope.open(&opening).await?.expect_close(ANSWER).await?;
    check!(code == 4003, "not a member, and closed with {code} {reason:?}");
    Ok(())
}

async fn ping(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let interval = Duration::from_millis(number(&ann.welcomed, "heartbeat_ms")?);
    // A moment more, for a busy machine.
    let longest = interval.mul_f64(1.2) + Duration::from_secs(1);
    if longest > scope.patience() {
        return skipped(format!("the heartbeat is {} s; see --patience", interval.as_secs()));
    }
    let until = Instant::now() + longest;
    loop {
        match ann.hear_within(until.saturating_duration_since(Instant::now())).await? {
            Some(Heard::Ping) => return Ok(()),
            Some(Heard::Closed(code, reason)) => {
                return broken(format!("closed with {code} {reason:?} before a ping"));
            }
            Some(Heard::Frame(_)) => {}
            None => return broken(format!("no ping within {} ms", longest.as_millis())),
        }
    }
}

async fn silent(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let interval = Duration::from_millis(number(&ann.welcomed, "heartbeat_ms")?);
    let silence = interval * 5;
    if silence > scope.patience() {
        return skipped(format!("the heartbeat is {} s; see --patience", interval.as_secs()));
    }
    // Nothing is read, so no pong is written; only time ends this connection.
    tokio::time::sleep(silence).await;
    let (code, reason) = ann.expect_close(ANSWER).await?;
    check!(code == 1001, "closed with {code} {reason:?}");
    Ok(())
}

async fn not_websocket(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let reserved = Frame::message(vec![1, 2, 3], OpCode::Data(Data::Reserved(5)), true);
    ann.say_raw(Message::Frame(reserved)).await?;
    let (code, reason) = ann.expect_close(ANSWER).await?;
    check!(code == 1002, "closed with {code} {reason:?}");
    Ok(())
}

async fn not_utf8(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let garbage = Frame::message(vec![0xff, 0xfe, 0xfd], OpCode::Data(Data::Text), true);
    ann.say_raw(Message::Frame(garbage)).await?;
    let (code, reason) = ann.expect_close(ANSWER).await?;
    check!(code == 1007, "closed with {code} {reason:?}");
    Ok(())
}

async fn too_large(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let most = ann.limit("frame_bytes")?;
    let ping = json!({ "type": "ping", "padding": "" }).to_string();
    let padded =
        |bytes: usize| ping.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - ping.len())));
    ann.say_raw(Message::text(padded(most))).await?;
    ann.expect("pong").await?;
    // It may be closed before it has taken all of it.
    let _ = ann.say_raw(Message::text(padded(most + 1))).await;
    let (code, reason) = ann.expect_close(ANSWER).await?;
    check!(code == 1009 || code == 1006, "closed with {code} {reason:?}");
    Ok(())
}
