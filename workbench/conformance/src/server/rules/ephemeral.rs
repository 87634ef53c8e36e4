//! What is not stored: typing, presence, status, signals. It may be lost, so it is said again until it is heard.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::ServerRule;
use crate::checked::{Checked, broken, check};
use crate::rule::rule;
use crate::server::scope::{Scope, number, text};
use crate::server::socket::{Heard, Socket, To};

pub(super) const RULES: &[ServerRule] = &[
    rule!(
        "ephemeral.typing",
        "what-is-not-stored",
        typing,
        "`typing` is told to the other members, with `expires_ms`, and not to its own user."
    ),
    rule!(
        "ephemeral.presence",
        "what-is-not-stored",
        presence,
        "Users who share a conversation are told each other's status; `invisible` is shown as `offline`."
    ),
    rule!(
        "ephemeral.status",
        "what-is-not-stored",
        status,
        "A status is kept; `welcome` repeats it."
    ),
    rule!(
        "ephemeral.signal",
        "what-is-not-stored",
        signal,
        "`signal` comes at all devices of the other user, in order, `data` as it was sent."
    ),
];

/// Attempts before something that may be lost counts as never told.
const ATTEMPTS: usize = 10;

/// Says a frame again until the other hears what is meant.
async fn told(
    from: &mut Socket,
    frame: &Value,
    to: &mut Socket,
    kind: &str,
    is_meant: impl Fn(&Value) -> bool + Copy + Send,
) -> Checked<Value> {
    for _ in 0..ATTEMPTS {
        from.say(frame).await?;
        while let Some(heard) = to.hear_within(Duration::from_secs(2)).await? {
            match heard {
                Heard::Frame(frame) if frame["type"] == kind && is_meant(&frame) => {
                    return Ok(frame);
                }
                Heard::Closed(code, reason) => {
                    return broken(format!("closed with {code} {reason:?}"));
                }
                _ => {}
            }
        }
    }
    broken(format!("{frame} was never told by `{kind}`"))
}

async fn typing(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let mut bob = scope.connect("bob").await?;
    let sent = ann.send(&To::User(&scope.user("bob")), "typing").await?;
    let conversation = text(&sent, "conversation_id")?;
    let frame = json!({ "type": "typing", "conversation_id": conversation, "on": true });
    let heard = told(&mut bob, &frame, &mut ann, "typing", |_| true).await?;
    check!(heard["user_id"] == scope.user("bob"), "somebody else types: {heard}");
    check!(heard["on"] == true && number(&heard, "expires_ms")? > 0, "told {heard}");
    bob.say(&json!({ "type": "ping" })).await?;
    loop {
        match bob.hear().await? {
            Heard::Frame(frame) if frame["type"] == "pong" => return Ok(()),
            Heard::Frame(frame) => check!(frame["type"] != "typing", "told to its own user"),
            _ => {}
        }
    }
}

async fn presence(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let user = scope.user("bob");
    ann.send(&To::User(&user), "we know each other").await?;
    let mut bob = scope.connect("bob").await?;
    let status = |status: &str| json!({ "type": "status", "status": status });
    for (set, shown) in [("busy", "busy"), ("online", "online"), ("invisible", "offline")] {
        let is_meant =
            |frame: &Value| frame["user_id"] == user.as_str() && frame["status"] == shown;
        let heard = told(&mut bob, &status(set), &mut ann, "presence", is_meant).await;
        heard?;
    }
    let path = format!("/presence?ids={user}");
    let asked = scope.get("ann", &path).await?;
    check!(asked["statuses"][0]["status"] == "offline", "invisible, and over REST {asked}");
    Ok(())
}

async fn status(scope: &Scope) -> Checked {
    let mut ann = scope.connect_with("ann", "device=first").await?;
    ann.say(&json!({ "type": "status", "status": "away" })).await?;
    // A status has no answer; REST says when it is kept.
    for _ in 0..ATTEMPTS {
        if scope.get("ann", "/me/status").await?["status"] == "away" {
            let later = scope.connect_with("ann", "device=second").await?;
            check!(later.welcomed["status"] == "away", "welcomed with {}", later.welcomed);
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    broken("the status `away` is not kept")
}

async fn signal(scope: &Scope) -> Checked {
    const STEPS: u64 = 8;
    let mut ann = scope.connect("ann").await?;
    let mut phone = scope.connect_with("bob", "acks=off&device=phone").await?;
    let mut laptop = scope.connect_with("bob", "acks=off&device=laptop").await?;
    let user = scope.user("bob");
    let frame = |call: Uuid, kind: &str, data: Value| json!({ "type": "signal", "to": user, "call_id": call, "kind": kind, "data": data });
    // The first one may be lost while presence hears of the devices.
    for device in [&mut phone, &mut laptop] {
        let ring = frame(Uuid::now_v7(), "ring", Value::Null);
        told(&mut ann, &ring, device, "signal", |_| true).await?;
    }
    let call = Uuid::now_v7();
    for step in 0..STEPS {
        let data = json!({ "step": step, "text": "é", "null": null });
        ann.say(&frame(call, "ice", data)).await?;
    }
    for device in [&mut phone, &mut laptop] {
        for step in 0..STEPS {
            let id = call.to_string();
            let heard =
                device.expect_where("signal", |heard| heard["call_id"] == id.as_str()).await?;
            check!(heard["from"] == scope.user("ann"), "from {}", heard["from"]);
            check!(
                heard["data"] == json!({ "step": step, "text": "é", "null": null }),
                "step {step} is {heard}"
            );
        }
    }
    Ok(())
}
