//! Operations: stored once, answered the same each time.

use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use super::ServerRule;
use crate::checked::{Checked, check};
use crate::rule::rule;
use crate::server::scope::{Scope, number, text};
use crate::server::socket::To;

pub(super) const RULES: &[ServerRule] = &[
    rule!(
        "operations.repeated",
        "operations-and-client_id",
        repeated,
        "A repeat with the same `client_id` is stored once and gets the same answer: on the same connection, on another one and over REST."
    ),
    rule!(
        "operations.spelling",
        "operations-and-client_id",
        spelling,
        "Spaces, the order of keys, escapes, the spelling of numbers, `to` or the conversation make no other operation."
    ),
    rule!(
        "operations.conflict",
        "operations-and-client_id",
        conflict,
        "Another operation under a used `client_id` is refused with `conflict`; the first stays."
    ),
    rule!(
        "operations.refused-by-now",
        "operations-and-client_id",
        refused_by_now,
        "A repeat gets the first answer even if the operation would be refused by now."
    ),
    rule!(
        "operations.unchanged",
        "operations-and-client_id",
        unchanged,
        "What is so already is answered `unchanged`, without an `id`, and nothing is stored."
    ),
    rule!(
        "operations.direct",
        "operations-and-client_id",
        direct,
        "`send` with `to` makes the direct conversation, the same from both sides."
    ),
];

/// The fields of an answer that a repeat has to have, too.
fn answer(of: &Value) -> [&Value; 4] {
    ["id", "seq", "timestamp", "conversation_id"].map(|field| &of[field])
}

async fn repeated(scope: &Scope) -> Checked {
    let mut ann = scope.connect_with("ann", "acks=off&device=phone").await?;
    let frame = To::User(&scope.user("bob")).send(Uuid::now_v7(), "once");
    ann.say(&frame).await?;
    let first = ann.answer("once").await?;
    check!(first["type"] == "sent", "answered by {first}");
    ann.say(&frame).await?;
    let again = ann.answer("once").await?;
    check!(answer(&again) == answer(&first), "first {first}, then {again}");
    let mut laptop = scope.connect_with("ann", "acks=off&device=laptop").await?;
    laptop.say(&frame).await?;
    let elsewhere = laptop.answer("once").await?;
    check!(answer(&elsewhere) == answer(&first), "first {first}, then {elsewhere}");
    let conversation = text(&first, "conversation_id")?;
    let path = format!("/conversations/{conversation}/messages");
    let body = json!({ "client_id": frame["client_id"], "content": frame["content"] });
    let rest = scope.ask("ann", Method::POST, &path, Some(&body)).await?;
    check!(rest.status == 201, "over REST: {} {}", rest.status, rest.body);
    check!(answer(&rest.body) == answer(&first), "first {first}, over REST {}", rest.body);
    let history = scope.get("ann", &path).await?;
    let count = history["entries"].as_array().map_or(0, Vec::len);
    check!(count == 1, "{count} entries after one operation: {history}");
    Ok(())
}

async fn spelling(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let (id, bob) = (Uuid::now_v7(), scope.user("bob"));
    let say = async |ann: &mut crate::server::socket::Socket, text: String| -> Checked<Value> {
        ann.say_raw(Message::text(text)).await?;
        ann.answer("s").await
    };
    let frame = format!(
        r#"{{"type":"send","ref":"s","client_id":"{id}","to":"{bob}","content":{{"text":"hello"}},"extra":{{"a":1.5,"b":[true]}}}}"#
    );
    let first = say(&mut ann, frame).await?;
    check!(first["type"] == "sent", "answered by {first}");
    let conversation = text(&first, "conversation_id")?;
    let spellings = [
        format!(
            r#"{{ "extra" : {{ "b" : [ true ], "a" : 15e-1 }}, "content" : {{ "text" : "\u0068ello" }}, "to" : "{bob}", "client_id" : "{id}", "ref" : "s", "type" : "send" }}"#
        ),
        format!(
            r#"{{"type":"send","ref":"s","client_id":"{id}","conversation_id":"{conversation}","content":{{"text":"hello"}},"extra":{{"a":1.5,"b":[true]}}}}"#
        ),
    ];
    for spelled in spellings {
        let again = say(&mut ann, spelled.clone()).await?;
        check!(answer(&again) == answer(&first), "{spelled} was answered by {again}");
    }
    Ok(())
}

async fn conflict(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let (id, bob) = (Uuid::now_v7(), scope.user("bob"));
    ann.say(&To::User(&bob).send(id, "first")).await?;
    let first = ann.answer("first").await?;
    ann.say(&To::User(&bob).send(id, "second")).await?;
    let refused = ann.answer("second").await?;
    check!(refused["code"] == "conflict", "answered by {refused}");
    check!(refused["client_id"] == id.to_string(), "answered by {refused}");
    let body = json!({ "client_id": id, "to": bob, "content": { "text": "third" } });
    let rest = scope.ask("ann", Method::POST, "/messages", Some(&body)).await?;
    check!(
        rest.status == 409 && rest.body["code"] == "conflict",
        "over REST: {} {}",
        rest.status,
        rest.body
    );
    ann.say(&To::User(&bob).send(id, "first")).await?;
    let again = ann.answer("first").await?;
    check!(answer(&again) == answer(&first), "first {first}, then {again}");
    Ok(())
}

async fn refused_by_now(scope: &Scope) -> Checked {
    let group = scope.group("ann", &["bob"]).await?;
    let mut bob = scope.connect("bob").await?;
    let frame = To::Conversation(&group).send(Uuid::now_v7(), "while a member");
    bob.say(&frame).await?;
    let first = bob.answer("while a member").await?;
    check!(first["type"] == "sent", "answered by {first}");
    let path = format!("/conversations/{group}/members/{}", scope.user("bob"));
    let removed = scope.ask("ann", Method::DELETE, &path, None).await?;
    check!(removed.status == 200, "DELETE {path}: {} {}", removed.status, removed.body);
    bob.say(&frame).await?;
    let again = bob.answer("while a member").await?;
    check!(answer(&again) == answer(&first), "first {first}, then {again}");
    bob.say(&To::Conversation(&group).send(Uuid::now_v7(), "afterwards")).await?;
    let refused = bob.answer("afterwards").await?;
    check!(refused["code"] == "not_member", "answered by {refused}");
    check!(refused["stored"] == "no", "answered by {refused}");
    Ok(())
}

async fn unchanged(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let sent = ann.send(&To::User(&scope.user("bob")), "pinned").await?;
    let pin = |reference: &str| {
        json!({ "type": "pin", "ref": reference, "client_id": Uuid::now_v7(),
            "conversation_id": sent["conversation_id"], "seq": sent["seq"], "on": true })
    };
    ann.say(&pin("first")).await?;
    let first = ann.answer("first").await?;
    check!(first["type"] == "sent" && first["id"].is_string(), "answered by {first}");
    ann.say(&pin("second")).await?;
    let second = ann.answer("second").await?;
    check!(second["unchanged"] == true && second.get("id").is_none(), "answered by {second}");
    check!(number(&second, "seq")? == number(&first, "seq")?, "the head is {}", second["seq"]);
    Ok(())
}

async fn direct(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let mut bob = scope.connect("bob").await?;
    let there = ann.send(&To::User(&scope.user("bob")), "there").await?;
    let back = bob.send(&To::User(&scope.user("ann")), "back").await?;
    check!(there["conversation_id"] == back["conversation_id"], "{there} and {back}");
    check!(back["seq"] == 2, "{there} and {back}");
    Ok(())
}
