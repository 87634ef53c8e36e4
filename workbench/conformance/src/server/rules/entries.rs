//! Kinds of entries, and who sees what of them.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ServerRule;
use crate::checked::{Checked, check};
use crate::rule::rule;
use crate::server::log::Synced;
use crate::server::scope::{Scope, number};
use crate::server::socket::To;

pub(super) const RULES: &[ServerRule] = &[
    rule!(
        "entries.events",
        "entries",
        events,
        "Making a group and changing it are entries of the kind `system`, with an `event`."
    ),
    rule!(
        "entries.pin",
        "entries",
        pin,
        "A `pin` is an entry with the seq of the message as its `target`."
    ),
    rule!(
        "entries.notice",
        "entries",
        notice,
        "From anybody but an operator a `notice` is `forbidden`."
    ),
    rule!(
        "entries.device-type",
        "entries",
        device_type,
        "A message for another type of device is blank, live and in a sync; for its own type it is not."
    ),
    rule!(
        "entries.one-form",
        "entries",
        one_form,
        "An entry is the same live, in a sync page and over REST."
    ),
    rule!("entries.joined", "entries", joined, "A member reads from where they joined."),
];

async fn events(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let group = scope.group("ann", &["bob"]).await?;
    let change = async |method: Method, path: String, body: Option<Value>| -> Checked {
        let answer = scope.ask("ann", method, &path, body.as_ref()).await?;
        check!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
        Ok(())
    };
    let members = format!("/conversations/{group}/members");
    let bob = format!("{members}/{}", scope.user("bob"));
    let id = Uuid::now_v7;
    let title = json!({ "title": "renamed", "client_id": id() });
    change(Method::PATCH, format!("/conversations/{group}"), Some(title)).await?;
    let cleo = json!({ "members": [scope.user("cleo")], "client_id": id() });
    change(Method::POST, members.clone(), Some(cleo)).await?;
    let role = json!({ "role": "admin", "client_id": id() });
    change(Method::PATCH, bob.clone(), Some(role)).await?;
    change(Method::DELETE, bob, None).await?;
    let wanted = ["created", "renamed", "members_added", "role_changed", "member_removed"];
    for (at, event) in wanted.iter().enumerate() {
        let entry = ann.expect_where("entry", |entry| entry["conversation_id"] == group.as_str());
        let entry = entry.await?;
        check!(entry["seq"] == at as u64 + 1, "`{event}` is {entry}");
        check!(entry["kind"] == "system", "`{event}` is {entry}");
        check!(entry["content"]["event"] == *event, "`{event}` is {entry}");
    }
    Ok(())
}

async fn pin(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let mut bob = scope.connect("bob").await?;
    let sent = ann.send(&To::User(&scope.user("bob")), "pinned").await?;
    ann.say(&json!({ "type": "pin", "ref": "p", "client_id": Uuid::now_v7(),
        "conversation_id": sent["conversation_id"], "seq": sent["seq"], "on": true }))
        .await?;
    let answer = ann.answer("p").await?;
    check!(answer["type"] == "sent", "answered by {answer}");
    let entry = bob.expect_where("entry", |entry| entry["kind"] == "pin").await?;
    check!(entry["target"] == sent["seq"], "its target is {}", entry["target"]);
    check!(entry["content"] == json!({ "on": true }), "its content is {}", entry["content"]);
    let id = sent["conversation_id"].as_str().unwrap_or_default();
    let pins = scope.get("bob", &format!("/conversations/{id}/pins")).await?;
    check!(pins["pins"][0]["entry"]["id"] == sent["id"], "what is pinned is {pins}");
    Ok(())
}

async fn notice(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let mut frame = To::User(&scope.user("bob")).send(Uuid::now_v7(), "n");
    frame["kind"] = "notice".into();
    frame["content"] = json!({ "body": "by nobody" });
    ann.say(&frame).await?;
    let refused = ann.answer("n").await?;
    check!(refused["code"] == "forbidden", "answered by {refused}");
    Ok(())
}

async fn device_type(scope: &Scope) -> Checked {
    let mut phone = scope.connect_with("bob", "acks=off&device=phone&device_type=ios").await?;
    let mut page = scope.connect_with("bob", "acks=off&device=page&device_type=web").await?;
    let mut ann = scope.connect("ann").await?;
    let mut frame = To::User(&scope.user("bob")).send(Uuid::now_v7(), "for phones");
    frame["device_type"] = "ios".into();
    ann.say(&frame).await?;
    let sent = ann.answer("for phones").await?;
    check!(sent["type"] == "sent", "answered by {sent}");
    let entry = phone.expect("entry").await?;
    check!(entry["content"]["text"] == "for phones", "for its own type it is {entry}");
    let entry = page.expect("entry").await?;
    check!(entry["id"] == sent["id"] && entry["content"] == json!({}), "for another type: {entry}");
    let synced = Synced::ask(&mut page, None, &json!({})).await?;
    let found = synced.of(sent["conversation_id"].as_str().unwrap_or_default())?;
    let seq = number(&sent, "seq")?;
    let held = found.log.entries.get(&seq).cloned().unwrap_or_default();
    check!(held["content"] == json!({}), "in a sync of another type: {held}");
    Ok(())
}

async fn one_form(scope: &Scope) -> Checked {
    let mut bob = scope.connect("bob").await?;
    let token = scope.token_with("ann", &json!({ "name": "Ann Example" }));
    let opening = crate::server::socket::Opening {
        token: Some(&token),
        ..crate::server::socket::Opening::path("/ws?acks=off")
    };
    let mut ann = scope.open(&opening).await?;
    ann.welcome().await?;
    ann.send(&To::User(&scope.user("bob")), "answered").await?;
    let mut frame = To::User(&scope.user("bob")).send(Uuid::now_v7(), "everything");
    frame["reply_to"] = 1.into();
    frame["mentions"] = json!([scope.user("bob")]);
    frame["is_important"] = true.into();
    frame["extra"] = json!({ "é": [1, 2.5, null, "\u{1f600}"] });
    ann.say(&frame).await?;
    let sent = ann.answer("everything").await?;
    check!(sent["type"] == "sent", "answered by {sent}");
    let live = bob.expect_where("entry", |entry| entry["id"] == sent["id"]).await?;
    for field in ["reply_to", "mentions", "is_important", "extra", "content"] {
        check!(live[field] == frame[field], "`{field}` of {frame} is lost in {live}");
    }
    check!(live["sender"]["name"] == "Ann Example", "the sender is {}", live["sender"]);
    let id = sent["conversation_id"].as_str().unwrap_or_default();
    let seq = number(&sent, "seq")?;
    let synced = Synced::ask(&mut bob, None, &json!({})).await?.of(id)?;
    let without_type = |entry: &Value| {
        let mut entry = entry.clone();
        entry.as_object_mut().map(|fields| fields.remove("type"));
        entry
    };
    let live = without_type(&live);
    let paged = synced.log.entries.get(&seq).cloned().unwrap_or_default();
    check!(paged == live, "live {live}, in a page {paged}");
    let history = scope.get("bob", &format!("/conversations/{id}/messages")).await?;
    let entries = history["entries"].as_array().cloned().unwrap_or_default();
    let read = entries.iter().find(|entry| entry["seq"] == seq).map(without_type);
    check!(read.as_ref() == Some(&live), "live {live}, over REST {read:?}");
    Ok(())
}

async fn joined(scope: &Scope) -> Checked {
    let group = scope.group("ann", &["bob"]).await?;
    let mut ann = scope.connect("ann").await?;
    ann.send(&To::Conversation(&group), "before").await?;
    let path = format!("/conversations/{group}/members");
    let body = json!({ "members": [scope.user("cleo")], "client_id": Uuid::now_v7() });
    let added = scope.ask("ann", Method::POST, &path, Some(&body)).await?;
    check!(added.status == 200, "POST {path}: {} {}", added.status, added.body);
    let from = number(&added.body, "seq")?;
    let mut cleo = scope.connect("cleo").await?;
    let found = Synced::ask(&mut cleo, None, &json!({})).await?.of(&group)?;
    check!(found.seqs() == [from], "joined at {from}, and syncs {:?}", found.seqs());
    let history = scope.get("cleo", &format!("/conversations/{group}/messages")).await?;
    let read: Vec<_> =
        history["entries"].as_array().into_iter().flatten().map(|entry| &entry["seq"]).collect();
    check!(read == [from], "joined at {from}, and reads {history}");
    Ok(())
}
