//! Two tenants: users of equal names see nothing of each other.

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::ServerRule;
use crate::checked::{Checked, check, skipped};
use crate::rule::rule;
use crate::server::log::Synced;
use crate::server::scope::{Scope, text};
use crate::server::socket::{ANSWER, Heard, Opening, To};

pub(super) const RULES: &[ServerRule] = &[
    rule!(
        "tenants.apart",
        "rest",
        apart,
        "Equal users of two tenants are different users: nothing that one gets reaches the other, live, by sync or over REST."
    ),
    rule!(
        "tenants.client-ids",
        "operations-and-client_id",
        client_ids,
        "The same `client_id` in two tenants is two operations."
    ),
    rule!(
        "tenants.conversations",
        "errors",
        conversations,
        "A conversation of another tenant is one that does not exist: `not_member`, 403, 4003."
    ),
];

fn second(scope: &Scope) -> Checked<Scope> {
    match scope.second_tenant() {
        Some(second) => Ok(second),
        None => skipped("no second tenant; see --second-secret-file"),
    }
}

async fn apart(scope: &Scope) -> Checked {
    let other = second(scope)?;
    let mut bob = scope.connect("bob").await?;
    let mut other_bob = other.connect("bob").await?;
    let mut ann = scope.connect("ann").await?;
    let sent = ann.send(&To::User(&scope.user("bob")), "of the first tenant").await?;
    bob.expect("entry").await?;
    other_bob.say(&json!({ "type": "ping" })).await?;
    loop {
        match other_bob.hear().await? {
            Heard::Frame(frame) if frame["type"] == "pong" => break,
            Heard::Frame(frame) => {
                check!(frame["conversation_id"].is_null(), "of another tenant: {frame}");
                check!(frame["user_id"].is_null(), "of another tenant: {frame}");
            }
            Heard::Closed(code, reason) => {
                check!(false, "closed with {code} {reason:?}: equal names are one device");
            }
            Heard::Ping => {}
        }
    }
    let conversation = text(&sent, "conversation_id")?;
    let synced = Synced::ask(&mut other_bob, None, &json!({})).await?;
    check!(synced.of(&conversation)?.pages == 0, "the sync of another tenant has it");
    let listed = other.get("bob", "/conversations").await?;
    check!(listed["conversations"] == json!([]), "the list of another tenant has {listed}");
    let mut other_ann = other.connect("ann").await?;
    let theirs = other_ann.send(&To::User(&other.user("bob")), "of the second").await?;
    check!(theirs["seq"] == 1, "the logs are one: {theirs}");
    Ok(())
}

async fn client_ids(scope: &Scope) -> Checked {
    let other = second(scope)?;
    let (mut ann, mut other_ann) = (scope.connect("ann").await?, other.connect("ann").await?);
    let id = Uuid::now_v7();
    for (socket, text) in [(&mut ann, "of the first"), (&mut other_ann, "of the second")] {
        socket.say(&To::User(&scope.user("bob")).send(id, text)).await?;
        let sent = socket.answer(text).await?;
        check!(sent["type"] == "sent" && sent["seq"] == 1, "{text}: {sent}");
    }
    Ok(())
}

async fn conversations(scope: &Scope) -> Checked {
    let other = second(scope)?;
    let mut ann = scope.connect("ann").await?;
    let sent = ann.send(&To::User(&scope.user("bob")), "of the first tenant").await?;
    let id = text(&sent, "conversation_id")?;
    let mut other_ann = other.connect("ann").await?;
    other_ann.say(&To::Conversation(&id).send(Uuid::now_v7(), "from outside")).await?;
    let refused = other_ann.answer("from outside").await?;
    check!(refused["code"] == "not_member", "answered by {refused}");
    let path = format!("/conversations/{id}/messages");
    let read = other.ask("ann", Method::GET, &path, None).await?;
    check!(read.status == 403, "GET {path}: {} {}", read.status, read.body);
    let (token, path) = (other.token("ann"), format!("/ws/{id}"));
    let opening = Opening { token: Some(&token), ..Opening::path(&path) };
    let (code, reason) = other.open(&opening).await?.expect_close(ANSWER).await?;
    check!(code == 4003, "closed with {code} {reason:?}");
    Ok(())
}
