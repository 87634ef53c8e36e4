//! Other forms of the same frames: MessagePack and batches.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use super::ServerRule;
use crate::checked::{Checked, check};
use crate::rule::rule;
use crate::server::log::Synced;
use crate::server::scope::Scope;
use crate::server::socket::{Opening, Socket, To};

pub(super) const RULES: &[ServerRule] = &[
    rule!(
        "msgpack.same",
        "messagepack-batches-profiles-compression",
        same,
        "By MessagePack come the same frames as by JSON: entries live and in pages, answers, errors."
    ),
    rule!(
        "msgpack.refused",
        "messagepack-batches-profiles-compression",
        refused,
        "Binary data and numbers that are not finite are refused with `bad_frame`."
    ),
    rule!(
        "batches",
        "messagepack-batches-profiles-compression",
        batches,
        "With `batch` waiting frames come as one `batch`, complete and in order; a single frame comes as itself."
    ),
];

async fn packed(scope: &Scope, name: &str, query: &str) -> Checked<Socket> {
    let token = scope.token(name);
    let path = format!("/ws?{query}");
    let protocols = Some("tidings.v1.msgpack");
    let mut socket = scope.open(&Opening { path: &path, token: Some(&token), protocols }).await?;
    check!(socket.protocol.as_deref() == protocols, "chose {:?}", socket.protocol);
    socket.welcome().await?;
    Ok(socket)
}

async fn same(scope: &Scope) -> Checked {
    let mut text = scope.connect_with("bob", "acks=off&device=text").await?;
    let mut binary = packed(scope, "bob", "acks=off&device=binary").await?;
    let mut ann = packed(scope, "ann", "acks=off").await?;
    let mut frame = To::User(&scope.user("bob")).send(Uuid::now_v7(), "in both forms");
    frame["extra"] =
        json!({ "é": [0, -1, 70_000, 2.5, null, true, "\u{1f600}"], "long": "x".repeat(300) });
    ann.say(&frame).await?;
    let sent = ann.answer("in both forms").await?;
    check!(sent["type"] == "sent" && sent["seq"] == 1, "answered by {sent}");
    let (by_text, by_binary) = (text.expect("entry").await?, binary.expect("entry").await?);
    check!(by_text == by_binary, "by JSON {by_text}, by MessagePack {by_binary}");
    check!(by_text["extra"] == frame["extra"], "sent by MessagePack: {frame}, came {by_text}");
    let of_text = Synced::ask(&mut text, None, &json!({})).await?;
    let of_binary = Synced::ask(&mut binary, None, &json!({})).await?;
    check!(of_text.pages == of_binary.pages, "pages differ: {of_text:?} and {of_binary:?}");
    check!(of_text.synced == of_binary.synced, "`synced` differs");
    let refused = json!({ "type": "no_such_type", "ref": "e" });
    text.say(&refused).await?;
    binary.say(&refused).await?;
    let (by_text, by_binary) = (text.answer("e").await?, binary.answer("e").await?);
    check!(by_text == by_binary, "by JSON {by_text}, by MessagePack {by_binary}");
    Ok(())
}

async fn refused(scope: &Scope) -> Checked {
    let mut ann = packed(scope, "ann", "acks=off").await?;
    // {"type": "ping", "x": …} with three bytes of binary data, and with what is no number.
    let head = [0x82, 0xa4, b't', b'y', b'p', b'e', 0xa4, b'p', b'i', b'n', b'g', 0xa1, b'x'];
    let not_a_number = [&[0xcb][..], &f64::NAN.to_be_bytes()].concat();
    for value in [&[0xc4, 3, 1, 2, 3][..], &not_a_number] {
        ann.say_raw(Message::binary([&head[..], value].concat())).await?;
        let error = ann.expect("error").await?;
        check!(error["code"] == "bad_frame", "answered by {error}");
    }
    ann.is_served().await
}

async fn batches(scope: &Scope) -> Checked {
    const COUNT: usize = 20;
    let mut bob = scope.connect_with("bob", "acks=off&batch=10&batch_ms=100").await?;
    let mut ann = scope.connect("ann").await?;
    let user = scope.user("bob");
    let texts: Vec<String> = (0..COUNT).map(|number| format!("number {number}")).collect();
    let frames: Vec<Value> =
        texts.iter().map(|text| To::User(&user).send(Uuid::now_v7(), text)).collect();
    ann.say_all(&frames).await?;
    for (at, text) in texts.iter().enumerate() {
        let entry = bob.expect("entry").await?;
        check!(entry["seq"] == at as u64 + 1, "seq {} came as number {}", entry["seq"], at + 1);
        check!(entry["content"]["text"] == text.as_str(), "at {} stands {entry}", at + 1);
    }
    check!(bob.batches > 0, "twenty messages at once, and no `batch`");
    bob.is_served().await
}
