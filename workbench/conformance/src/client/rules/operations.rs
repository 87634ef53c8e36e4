//! What a client does with what it has to say, until it is answered for good.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::ClientRule;
use crate::checked::{Checked, check, skipped};
use crate::client::peer::Peer;
use crate::client::stage::{Stage, refused, sent};
use crate::rule::rule;

pub(super) const RULES: &[ClientRule] = &[
    rule!(
        "operations.sent",
        "operations-and-client_id",
        answered,
        "What is answered by `sent` is not sent again."
    ),
    rule!(
        "operations.lost-answer",
        "operations-and-client_id",
        lost_answer,
        "After a connection that ended without the answer it sends the same operation with the same `client_id`."
    ),
    rule!(
        "operations.unavailable",
        "errors",
        unavailable,
        "After `unavailable` it sends the same again after `retry_after_ms`, not sooner."
    ),
    rule!(
        "operations.rate-limited",
        "errors",
        rate_limited,
        "After `rate_limited` it sends the same again after `retry_after_ms`, not sooner."
    ),
    rule!(
        "operations.unknown",
        "operations-and-client_id",
        unknown,
        "After `stored: \"unknown\"` it sends the same again."
    ),
    rule!(
        "operations.refused",
        "errors",
        for_good,
        "What is refused for good (`invalid`) is not sent again, and what was written after it goes out."
    ),
    rule!(
        "operations.conflict",
        "errors",
        conflict,
        "After `conflict` it does not send the same under another `client_id`."
    ),
    rule!(
        "operations.order",
        "operations-and-client_id",
        order,
        "After a lost connection it begins with the oldest unanswered operation of a conversation."
    ),
    rule!(
        "operations.order-refused",
        "operations-and-client_id",
        order_refused,
        "While the oldest operation of a conversation is to be sent again, no later one overtakes it."
    ),
    rule!(
        "operations.ids",
        "operations-and-client_id",
        ids,
        "Each operation has a `client_id` of its own, equal texts too."
    ),
];

/// Nothing more comes of it within this time.
const QUIET: Duration = Duration::from_secs(4);

/// The next `send`, also one that came while something else was waited for.
async fn next_send(peer: &mut Peer) -> Checked<Value> {
    match peer.passed.iter().position(|frame| frame["type"] == "send") {
        Some(at) => Ok(peer.passed.remove(at)),
        None => peer.expect("send").await,
    }
}

/// What makes two operations the same.
fn said(send: &Value) -> (&Value, &Value) {
    (&send["client_id"], &send["content"])
}

async fn answered(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    stage.tell_to_send("once").await?;
    let send = next_send(&mut peer).await?;
    peer.say(&sent(&send, 1)).await?;
    stage.says_no(&mut peer, "send", QUIET).await?;
    peer.cut();
    let mut peer = stage.served(&[]).await?;
    check!(
        peer.passed.iter().all(|frame| frame["type"] != "send"),
        "sent again: {:?}",
        peer.passed
    );
    stage.says_no(&mut peer, "send", QUIET).await
}

async fn lost_answer(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    stage.tell_to_send("its answer is lost").await?;
    let first = next_send(&mut peer).await?;
    peer.cut();
    let mut peer = stage.served(&[]).await?;
    let again = next_send(&mut peer).await?;
    check!(said(&again) == said(&first), "first {first}, then {again}");
    peer.say(&sent(&again, 1)).await?;
    stage.says_no(&mut peer, "send", QUIET).await
}

/// Answers a send by this refusal; the next one has to be the same, and not sooner than asked for.
async fn again_after(
    stage: &mut Stage,
    code: &str,
    stored: &str,
    after_ms: Option<u64>,
) -> Checked {
    let mut peer = stage.begin().await?;
    stage.tell_to_send("again").await?;
    let first = next_send(&mut peer).await?;
    peer.say(&refused(&first, code, stored, after_ms)).await?;
    let began = Instant::now();
    let again = next_send(&mut peer).await?;
    check!(said(&again) == said(&first), "first {first}, then {again}");
    // Timers of some systems are early by a few milliseconds.
    let soonest = Duration::from_millis(after_ms.unwrap_or_default() * 9 / 10);
    check!(began.elapsed() >= soonest, "again after {:?}", began.elapsed());
    peer.say(&sent(&again, 1)).await?;
    stage.says_no(&mut peer, "send", QUIET).await
}

async fn unavailable(stage: &mut Stage) -> Checked {
    again_after(stage, "unavailable", "no", Some(1_500)).await
}

async fn rate_limited(stage: &mut Stage) -> Checked {
    again_after(stage, "rate_limited", "no", Some(1_500)).await
}

async fn unknown(stage: &mut Stage) -> Checked {
    again_after(stage, "unavailable", "unknown", None).await
}

async fn for_good(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    stage.tell_to_send("refused").await?;
    let first = next_send(&mut peer).await?;
    stage.tell_to_send("after it").await?;
    peer.say(&refused(&first, "invalid", "no", None)).await?;
    let next = next_send(&mut peer).await?;
    check!(next["content"]["text"] == "after it", "the client said {next}");
    peer.say(&sent(&next, 1)).await?;
    stage.says_no(&mut peer, "send", QUIET).await
}

async fn conflict(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    stage.tell_to_send("conflicting").await?;
    let first = next_send(&mut peer).await?;
    peer.say(&refused(&first, "conflict", "no", None)).await?;
    stage.says_no(&mut peer, "send", QUIET).await
}

async fn order(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    let texts = ["first", "second", "third"];
    for text in texts {
        stage.tell_to_send(text).await?;
    }
    let first = next_send(&mut peer).await?;
    check!(first["content"]["text"] == "first", "the client began with {first}");
    peer.cut();
    let mut peer = stage.served(&[]).await?;
    for (at, text) in texts.iter().enumerate() {
        let send = next_send(&mut peer).await?;
        check!(send["content"]["text"] == *text, "number {} is {send}", at + 1);
        check!(at > 0 || said(&send) == said(&first), "first {first}, then {send}");
        peer.say(&sent(&send, at as u64 + 1)).await?;
    }
    stage.says_no(&mut peer, "send", QUIET).await
}

async fn order_refused(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    for text in ["first", "second"] {
        stage.tell_to_send(text).await?;
    }
    let first = next_send(&mut peer).await?;
    if let Some(early) = peer.hear_within(Duration::from_millis(500)).await? {
        return skipped(format!("the client does not wait for the first answer: {early:?}"));
    }
    peer.say(&refused(&first, "unavailable", "no", Some(1_000))).await?;
    for (at, text) in ["first", "second"].iter().enumerate() {
        let send = next_send(&mut peer).await?;
        check!(send["content"]["text"] == *text, "number {} is {send}", at + 1);
        peer.say(&sent(&send, at as u64 + 1)).await?;
    }
    Ok(())
}

async fn ids(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    let mut seen = Vec::new();
    for at in 1..=3 {
        stage.tell_to_send("the same text").await?;
        let send = next_send(&mut peer).await?;
        check!(!seen.contains(&send["client_id"]), "a `client_id` is used twice: {send}");
        seen.push(send["client_id"].clone());
        peer.say(&sent(&send, at)).await?;
    }
    Ok(())
}
