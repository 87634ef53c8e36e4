//! What frames are, and what is not one.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use super::ServerRule;
use crate::checked::{Checked, check};
use crate::rule::rule;
use crate::server::scope::Scope;
use crate::server::socket::To;

pub(super) const RULES: &[ServerRule] = &[
    rule!("frames.ping", "frames", ping, "`ping` is answered by `pong`."),
    rule!(
        "frames.unknown-type",
        "frames",
        unknown_type,
        "A frame of an unknown type is answered by the error `unknown_type`, and the connection goes on."
    ),
    rule!(
        "frames.unknown-fields",
        "frames",
        unknown_fields,
        "Fields that the server does not know are ignored."
    ),
    rule!(
        "frames.malformed",
        "errors",
        malformed,
        "A malformed frame is answered by the error `bad_frame`, and the connection goes on."
    ),
    rule!("frames.depth", "frames", depth, "Frames are nested at most 32 levels."),
    rule!(
        "frames.ref",
        "frames",
        reference,
        "The answer repeats the `ref`; one above 64 bytes is `invalid`."
    ),
    rule!("frames.client-id", "frames", client_id, "Answers repeat the `client_id`, errors too."),
    rule!(
        "frames.order",
        "frames",
        order,
        "Frames of one client are processed in their order of arrival."
    ),
];

async fn ping(scope: &Scope) -> Checked {
    scope.connect("ann").await?.is_served().await
}

async fn unknown_type(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    ann.say(&json!({ "type": "no_such_type", "ref": "7" })).await?;
    let error = ann.answer("7").await?;
    check!(error["code"] == "unknown_type", "answered by {error}");
    ann.is_served().await
}

async fn unknown_fields(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let bob = scope.user("bob");
    let mut frame = To::User(&bob).send(Uuid::now_v7(), "more fields");
    frame["no_such_field"] = json!({ "a": [1, 2] });
    ann.say(&frame).await?;
    let answer = ann.answer("more fields").await?;
    check!(answer["type"] == "sent", "answered by {answer}");
    Ok(())
}

async fn malformed(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    for text in ["hello", "", "[1,2]", "{}", r#"{"type":7}"#, r#"{"type":"send","client_id":7}"#] {
        ann.say_raw(Message::text(text)).await?;
        let error = ann.expect("error").await?;
        check!(error["code"] == "bad_frame", "{text:?} was answered by {error}");
        check!(error["message"].as_str().is_some_and(|it| !it.is_empty()), "no message: {error}");
        check!(error["stored"] == "no", "{text:?} was answered by {error}");
    }
    ann.is_served().await
}

async fn depth(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let nested = |levels: usize| {
        // The frame itself is one level.
        let inner = format!("{}{}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        Message::text(format!(r#"{{"type":"ping","ref":"d","deep":{inner}}}"#))
    };
    ann.say_raw(nested(32)).await?;
    ann.expect("pong").await?;
    ann.say_raw(nested(33)).await?;
    let error = ann.expect("error").await?;
    check!(error["code"] == "bad_frame", "answered by {error}");
    Ok(())
}

async fn reference(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let bob = scope.user("bob");
    let longest = "é".repeat(32);
    let sent = ann.send(&To::User(&bob), &longest).await?;
    check!(sent["ref"] == longest.as_str(), "answered by {sent}");
    let mut frame = To::User(&bob).send(Uuid::now_v7(), "x");
    frame["ref"] = "x".repeat(65).into();
    ann.say(&frame).await?;
    let error = ann.expect("error").await?;
    check!(error["code"] == "invalid", "answered by {error}");
    Ok(())
}

async fn client_id(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let (mine, bob) = (Uuid::now_v7(), scope.user("bob"));
    ann.say(&To::User(&bob).send(mine, "one")).await?;
    let sent = ann.answer("one").await?;
    check!(sent["client_id"] == mine.to_string(), "answered by {sent}");
    let mine = Uuid::now_v7();
    ann.say(&To::Conversation(&Uuid::now_v7().to_string()).send(mine, "two")).await?;
    let error = ann.answer("two").await?;
    check!(error["type"] == "error", "answered by {error}");
    check!(error["client_id"] == mine.to_string(), "answered by {error}");
    Ok(())
}

async fn order(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let most = ann.limit("in_flight")?.min(24);
    let bob = scope.user("bob");
    let texts: Vec<String> = (0..most).map(|number| format!("number {number}")).collect();
    let frames: Vec<Value> =
        texts.iter().map(|text| To::User(&bob).send(Uuid::now_v7(), text)).collect();
    ann.say_all(&frames).await?;
    for (number, text) in texts.iter().enumerate() {
        let sent = ann.expect("sent").await?;
        check!(sent["ref"] == text.as_str(), "the answer to {text:?} is {sent}");
        check!(sent["seq"] == number as u64 + 1, "{text:?} is stored at {}", sent["seq"]);
    }
    Ok(())
}
