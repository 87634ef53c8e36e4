//! Acknowledgements, redelivery and what members are told of each other's progress.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::ServerRule;
use crate::checked::{Checked, broken, check};
use crate::rule::rule;
use crate::server::scope::{Scope, number, text};
use crate::server::socket::{Heard, To};

pub(super) const RULES: &[ServerRule] = &[
    rule!(
        "acknowledging.redelivery",
        "acknowledgements-and-redelivery",
        redelivery,
        "What is pushed and not acknowledged is sent again as `sync_page` without `synced`, then the connection is closed with 4008."
    ),
    rule!(
        "acknowledging.delivered",
        "acknowledgements-and-redelivery",
        delivered,
        "What is acknowledged is not sent again, and the connection stays."
    ),
    rule!(
        "acknowledging.off",
        "acknowledgements-and-redelivery",
        off,
        "With `acks=off` nothing is sent again and nothing is expected."
    ),
    rule!(
        "acknowledging.receipts",
        "acknowledgements-and-redelivery",
        receipts,
        "Members are told by `receipt` how far others have received and read; `read` implies `delivered`, and neither goes back."
    ),
];

async fn redelivery(scope: &Scope) -> Checked {
    let mut bob = scope.connect_with("bob", "").await?;
    let mut ann = scope.connect("ann").await?;
    let sent = ann.send(&To::User(&scope.user("bob")), "never acknowledged").await?;
    bob.expect("entry").await?;
    let until = Instant::now() + scope.patience();
    let mut again = 0;
    loop {
        match bob.hear_within(until.saturating_duration_since(Instant::now())).await? {
            Some(Heard::Frame(frame)) if frame["type"] == "sync_page" => {
                check!(frame["entries"][0]["id"] == sent["id"], "another entry came: {frame}");
                again += 1;
            }
            Some(Heard::Frame(frame)) => {
                check!(frame["type"] != "synced", "a redelivery ends without `synced`");
                check!(
                    frame["type"] != "entry",
                    "it came again as an `entry`, not in a `sync_page`"
                );
            }
            Some(Heard::Ping) => {}
            Some(Heard::Closed(code, reason)) => {
                check!(code == 4008, "closed with {code} {reason:?}");
                check!(again > 0, "closed without having sent it again");
                return Ok(());
            }
            None => {
                return broken(format!("sent {again} times again and not closed; see --patience"));
            }
        }
    }
}

/// Longer than the first redelivery takes by default, or as long as another connection takes to get its own.
async fn nothing_comes_again(scope: &Scope, query: &str, acknowledges: bool) -> Checked {
    let mut bob = scope.connect_with("bob", query).await?;
    bob.acknowledges = acknowledges;
    // A second device that acknowledges nothing says when a redelivery is due.
    let mut beside = scope.connect_with("bob", "device=beside").await?;
    let mut ann = scope.connect("ann").await?;
    ann.send(&To::User(&scope.user("bob")), "acknowledged").await?;
    bob.expect("entry").await?;
    beside.expect("sync_page").await?;
    let until = Instant::now() + Duration::from_secs(1);
    loop {
        match bob.hear_within(until.saturating_duration_since(Instant::now())).await? {
            Some(Heard::Frame(frame)) => {
                check!(frame["type"] != "sync_page", "it came again: {frame}");
            }
            Some(Heard::Closed(code, reason)) => {
                return broken(format!("closed with {code} {reason:?}"));
            }
            Some(Heard::Ping) => {}
            None => return bob.is_served().await,
        }
    }
}

async fn delivered(scope: &Scope) -> Checked {
    nothing_comes_again(scope, "device=own", true).await
}

async fn off(scope: &Scope) -> Checked {
    nothing_comes_again(scope, "device=own&acks=off", false).await
}

async fn receipts(scope: &Scope) -> Checked {
    let mut bob = scope.connect("bob").await?;
    let mut ann = scope.connect("ann").await?;
    let user = scope.user("bob");
    let mut conversation = String::new();
    for number in 1..=3 {
        let sent = ann.send(&To::User(&user), &format!("number {number}")).await?;
        conversation = text(&sent, "conversation_id")?;
    }
    let cursor =
        |kind: &str, seq: u64| json!({ "type": kind, "conversation_id": conversation, "seq": seq });
    let steps = [("delivered", 1, (1, 0)), ("read", 2, (2, 2)), ("delivered", 3, (3, 2))];
    for (kind, seq, (delivered, read)) in steps {
        bob.say(&cursor(kind, seq)).await?;
        let receipt = ann.expect("receipt").await?;
        check!(receipt["user_id"] == user.as_str(), "a receipt of another user: {receipt}");
        let told = (number(&receipt, "delivered_seq")?, number(&receipt, "read_seq")?);
        check!(told == (delivered, read), "after `{kind}` {seq}: {receipt}");
    }
    // What goes back is not told and changes nothing.
    bob.say(&cursor("read", 1)).await?;
    bob.say(&cursor("read", 3)).await?;
    let receipt = ann.expect("receipt").await?;
    let told = (number(&receipt, "delivered_seq")?, number(&receipt, "read_seq")?);
    check!(told == (3, 3), "after `read` 1 and `read` 3: {receipt}");
    Ok(())
}
