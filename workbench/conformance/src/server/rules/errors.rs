//! Refusals, their codes over both interfaces, and limits.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ServerRule;
use crate::checked::{Checked, check};
use crate::rule::rule;
use crate::server::scope::{Scope, text};
use crate::server::socket::To;

pub(super) const RULES: &[ServerRule] = &[
    rule!(
        "errors.not-member",
        "errors",
        not_member,
        "Who is no member of a conversation is refused with `not_member`, whether it exists or not; over REST with 403."
    ),
    rule!(
        "errors.invalid",
        "errors",
        invalid,
        "A value that is not allowed is `invalid`, and the message says which."
    ),
    rule!(
        "errors.statuses",
        "errors",
        statuses,
        "Over REST the body has the code, and the status is that of the code."
    ),
    rule!("limits.text", "limits", text_chars, "A text has at most `text_chars` characters."),
    rule!("limits.content", "limits", content, "A content has at most `content_bytes` bytes."),
    rule!(
        "limits.in-flight",
        "limits",
        in_flight,
        "Requests beyond `in_flight` wait and are answered in order; none is lost."
    ),
];

async fn not_member(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let sent = ann.send(&To::User(&scope.user("bob")), "ours").await?;
    let ours = text(&sent, "conversation_id")?;
    let mut cleo = scope.connect("cleo").await?;
    for id in [ours, Uuid::now_v7().to_string()] {
        cleo.say(&To::Conversation(&id).send(Uuid::now_v7(), "not mine")).await?;
        let refused = cleo.answer("not mine").await?;
        check!(refused["code"] == "not_member", "answered by {refused}");
        check!(refused["stored"] == "no", "answered by {refused}");
        let path = format!("/conversations/{id}/messages");
        let read = scope.ask("cleo", Method::GET, &path, None).await?;
        check!(
            read.status == 403 && read.body["code"] == "not_member",
            "GET: {} {}",
            read.status,
            read.body
        );
    }
    Ok(())
}

async fn invalid(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let bob = scope.user("bob");
    let with = |field: &str, value: Value| {
        let mut frame = To::User(&bob).send(Uuid::now_v7(), "i");
        frame[field] = value;
        frame
    };
    let mut nowhere = with("x", Value::Bool(true));
    nowhere.as_object_mut().map(|fields| fields.remove("to"));
    for frame in [
        nowhere,
        with("conversation_id", Uuid::now_v7().to_string().into()),
        with("content", json!({ "txt": 1 })),
        with("kind", "no_such_kind".into()),
    ] {
        ann.say(&frame).await?;
        let refused = ann.answer("i").await?;
        check!(refused["code"] == "invalid", "{frame} was answered by {refused}");
        check!(
            refused["message"].as_str().is_some_and(|it| !it.is_empty()),
            "no message: {refused}"
        );
    }
    Ok(())
}

async fn statuses(scope: &Scope) -> Checked {
    let ask = async |token: Option<&str>, method, path: &str, body: Option<&Value>| {
        scope.ask_with(token, method, path, body, &[]).await
    };
    let token = scope.token("ann");
    let (ann, bob) = (Some(token.as_str()), scope.user("bob"));
    let text = json!({ "to": bob, "content": { "text": "x" }, "no_such_field": 1 });
    let long = json!({ "to": bob, "content": { "text": "x".repeat(70_000) } });
    let away = format!("/sessions/{}", Uuid::now_v7());
    for (answer, status, code) in [
        (ask(None, Method::GET, "/conversations", None).await?, 401, "unauthenticated"),
        (ask(Some("nonsense"), Method::GET, "/me", None).await?, 401, "unauthenticated"),
        (ask(ann, Method::POST, "/messages", Some(&text)).await?, 400, "invalid"),
        (ask(ann, Method::POST, "/messages", Some(&json!([]))).await?, 400, "invalid"),
        (ask(ann, Method::POST, "/messages", Some(&long)).await?, 413, "too_large"),
        (ask(ann, Method::DELETE, &away, None).await?, 404, "not_found"),
        (ask(ann, Method::GET, "/admin/stats", None).await?, 403, "forbidden"),
    ] {
        check!(
            answer.status == status && answer.body["code"] == code,
            "{status} {code} is wanted, and {} {} came",
            answer.status,
            answer.body
        );
    }
    Ok(())
}

async fn text_chars(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let most = ann.limit("text_chars")?;
    let bob = scope.user("bob");
    for (chars, code) in [(most, None), (most + 1, Some("too_large"))] {
        let mut frame = To::User(&bob).send(Uuid::now_v7(), "t");
        frame["content"]["text"] = "é".repeat(chars).into();
        ann.say(&frame).await?;
        let answer = ann.answer("t").await?;
        check!(answer["code"].as_str() == code, "{chars} characters: {answer}");
    }
    Ok(())
}

async fn content(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let most = ann.limit("content_bytes")?;
    let bob = scope.user("bob");
    let mut frame = To::User(&bob).send(Uuid::now_v7(), "c");
    frame["content"]["text"] = "x".repeat(most).into();
    ann.say(&frame).await?;
    let answer = ann.answer("c").await?;
    check!(answer["code"] == "too_large", "answered by {answer}");
    Ok(())
}

async fn in_flight(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let most = ann.limit("in_flight")?;
    // Within what a user may send in a minute.
    let count = (most * 2).min(90);
    let bob = scope.user("bob");
    let texts: Vec<String> = (0..count).map(|number| format!("number {number}")).collect();
    let frames: Vec<Value> =
        texts.iter().map(|text| To::User(&bob).send(Uuid::now_v7(), text)).collect();
    ann.say_all(&frames).await?;
    for (number, text) in texts.iter().enumerate() {
        let sent = ann.answer(text).await?;
        check!(sent["type"] == "sent", "number {number} was answered by {sent}");
        check!(sent["seq"] == number as u64 + 1, "number {number} is stored at {}", sent["seq"]);
    }
    Ok(())
}
