//! The log of a conversation as its members see it, and the digest of heads.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::ServerRule;
use crate::checked::{Checked, broken, check};
use crate::rule::rule;
use crate::server::log::{Log, Synced};
use crate::server::scope::{Scope, number, text};
use crate::server::socket::{ANSWER, Socket, To};

pub(super) const RULES: &[ServerRule] = &[
    rule!(
        "log.order",
        "the-log-cursors-and-gaps",
        order,
        "Entries are numbered from 1 without gaps, and come live in that order, each as its sender was told."
    ),
    rule!(
        "log.two-writers",
        "the-log-cursors-and-gaps",
        two_writers,
        "Entries of several writers stand in one order, the same for every member."
    ),
    rule!(
        "log.own-devices",
        "operations-and-client_id",
        own_devices,
        "The author's other devices get the entry too, with its `client_id`; the connection that sent it gets `sent` for it."
    ),
    rule!(
        "log.digest",
        "digests-of-heads",
        digest,
        "`heads` and `heads2` of `pong` are the digests of all heads of the user."
    ),
];

async fn order(scope: &Scope) -> Checked {
    let mut bob = scope.connect("bob").await?;
    let mut ann = scope.connect("ann").await?;
    let most = ann.limit("in_flight")?.min(24);
    let user = scope.user("bob");
    let texts: Vec<String> = (0..most).map(|number| format!("number {number}")).collect();
    let frames: Vec<Value> =
        texts.iter().map(|text| To::User(&user).send(Uuid::now_v7(), text)).collect();
    ann.say_all(&frames).await?;
    let mut answers = Vec::new();
    for text in &texts {
        answers.push(ann.answer(text).await?);
    }
    for (at, (sent, text)) in answers.iter().zip(&texts).enumerate() {
        let entry = bob.expect("entry").await?;
        check!(entry["seq"] == at as u64 + 1, "seq {} came as number {}", entry["seq"], at + 1);
        check!(entry["content"]["text"] == text.as_str(), "at {} stands {entry}", at + 1);
        for field in ["id", "seq", "timestamp", "conversation_id"] {
            check!(entry[field] == sent[field], "`{field}` differs: {sent} and {entry}");
        }
        check!(entry["sender"]["id"] == scope.user("ann"), "its sender is {}", entry["sender"]);
        check!(entry["sender"]["type"] == "user", "its sender is {}", entry["sender"]);
    }
    Ok(())
}

async fn two_writers(scope: &Scope) -> Checked {
    const EACH: usize = 20;
    let mut ann = scope.connect("ann").await?;
    let mut bob = scope.connect("bob").await?;
    let mut cleo = scope.connect("cleo").await?;
    let group = scope.group("ann", &["bob", "cleo"]).await?;
    let write = async |socket: &mut Socket, name: &str| -> Checked {
        for number in 0..EACH {
            let frame = To::Conversation(&group).send(Uuid::now_v7(), &format!("{name} {number}"));
            socket.say(&frame).await?;
        }
        Ok(())
    };
    let (first, second) = tokio::join!(write(&mut ann, "ann"), write(&mut bob, "bob"));
    first.and(second)?;
    // The event `created`, and what both wrote.
    let head = 1 + 2 * EACH as u64;
    let mut held = Vec::new();
    for socket in [&mut ann, &mut bob, &mut cleo] {
        let mut log = Log::default();
        log.until(socket, &group, 1, head).await?;
        held.push(log);
    }
    let [.., reader] = &held[..] else { return Ok(()) };
    for writer in &held {
        check!(writer.ids() == reader.ids(), "two members hold different logs");
    }
    for name in ["ann", "bob"] {
        let user = scope.user(name);
        let said: Vec<_> = (reader.entries.values())
            .filter(|entry| entry["kind"] == "text" && entry["sender"]["id"] == user.as_str())
            .map(|entry| entry["content"]["text"].clone())
            .collect();
        let wanted: Vec<Value> =
            (0..EACH).map(|number| format!("{name} {number}").into()).collect();
        check!(said == wanted, "what {name} wrote stands in another order: {said:?}");
    }
    Ok(())
}

async fn own_devices(scope: &Scope) -> Checked {
    let mut phone = scope.connect_with("ann", "acks=off&device=phone").await?;
    let mut laptop = scope.connect_with("ann", "acks=off&device=laptop").await?;
    let mine = Uuid::now_v7();
    phone.say(&To::User(&scope.user("bob")).send(mine, "of the phone")).await?;
    let sent = phone.answer("of the phone").await?;
    let entry = laptop.expect("entry").await?;
    check!(entry["id"] == sent["id"], "{entry} instead of {sent}");
    check!(entry["client_id"] == mine.to_string(), "no client id in {entry}");
    Ok(())
}

async fn digest(scope: &Scope) -> Checked {
    let mut ann = scope.connect_with("ann", "acks=off&heads=2").await?;
    for other in ["bob", "cleo", "dan"] {
        ann.send(&To::User(&scope.user(other)), other).await?;
    }
    ann.send(&To::User(&scope.user("dan")), "again").await?;
    let held = Synced::ask(&mut ann, None, &json!({})).await?;
    let (mut heads, mut heads2) = (0_u32, 0_u32);
    for page in &held.pages {
        let conversation = held.of(&text(page, "conversation_id")?)?;
        let Some((seq, last)) = conversation.log.entries.last_key_value() else {
            return broken(format!("a tail without entries: {page}"));
        };
        let mut bytes = id(page, "conversation_id")?.as_bytes().to_vec();
        bytes.extend_from_slice(&seq.to_be_bytes());
        heads = heads.wrapping_add(crate::digest::hash(&bytes));
        bytes.extend_from_slice(id(last, "id")?.as_bytes());
        heads2 = heads2.wrapping_add(crate::digest::hash(&bytes));
    }
    check!(number(&held.synced, "conversations")? >= 3, "{} after three", held.synced);
    // A digest may be computed a moment before what was sent.
    let until = Instant::now() + ANSWER;
    let mut last = Value::Null;
    while Instant::now() < until {
        ann.say(&json!({ "type": "ping" })).await?;
        last = ann.expect("pong").await?;
        if last["heads"] == heads && last["heads2"] == heads2 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    broken(format!("`heads` should be {heads} and `heads2` {heads2}: {last}"))
}

fn id(value: &Value, field: &str) -> Checked<Uuid> {
    let id = text(value, field)?;
    id.parse().or_else(|_| broken(format!("`{field}` is no UUID in {value}")))
}
