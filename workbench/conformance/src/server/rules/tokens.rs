//! How a connection is opened: tokens, and what they end with.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::ServerRule;
use crate::checked::{Checked, broken, check};
use crate::rule::rule;
use crate::server::scope::Scope;
use crate::server::socket::{ANSWER, Heard, Opening, Socket};
use crate::server::target::unix_secs;

pub(super) const RULES: &[ServerRule] = &[
    rule!(
        "tokens.header",
        "connection",
        header,
        "A token in `Authorization: Bearer` opens a connection."
    ),
    rule!(
        "tokens.subprotocol",
        "connection",
        subprotocol,
        "A token in the subprotocol `bearer.…` opens a connection; `tidings.v1` beside it is chosen."
    ),
    rule!(
        "tokens.first-frame",
        "connection",
        first_frame,
        "A token in a first frame `auth` opens a connection."
    ),
    rule!("tokens.query", "connection", query, "A token in `?token=` opens a connection."),
    rule!(
        "tokens.missing",
        "connection",
        missing,
        "A connection without a token is closed with 4001."
    ),
    rule!(
        "tokens.invalid",
        "close-codes",
        invalid,
        "A connection with a malformed or expired token is closed with 4001."
    ),
    rule!("tokens.end", "connection", end, "A connection ends with its token: 4001."),
    rule!(
        "tokens.extended",
        "connection",
        extended,
        "A later `auth` of the same user extends a connection beyond its first token, without an answer."
    ),
    rule!(
        "tokens.other-user",
        "close-codes",
        other_user,
        "An `auth` with the token of another user: 4001."
    ),
];

/// How long the tokens of these checks last.
const SHORT_SECS: i64 = 4;

async fn header(scope: &Scope) -> Checked {
    let token = scope.token("ann");
    let mut ann = scope.open(&Opening { token: Some(&token), ..Opening::path("/ws") }).await?;
    ann.welcome().await?;
    let user = scope.user("ann");
    check!(ann.welcomed["user_id"] == user, "welcomed as another user: {}", ann.welcomed);
    Ok(())
}

async fn subprotocol(scope: &Scope) -> Checked {
    let offer = format!("tidings.v1, bearer.{}", scope.token("ann"));
    let mut ann = scope.open(&Opening { protocols: Some(&offer), ..Opening::path("/ws") }).await?;
    check!(ann.protocol.as_deref() == Some("tidings.v1"), "chose {:?}", ann.protocol);
    ann.welcome().await
}

async fn first_frame(scope: &Scope) -> Checked {
    let mut ann = scope.open(&Opening::path("/ws")).await?;
    ann.say(&json!({ "type": "auth", "token": scope.token("ann") })).await?;
    ann.welcome().await
}

async fn query(scope: &Scope) -> Checked {
    let path = format!("/ws?token={}", scope.token("ann"));
    scope.open(&Opening::path(&path)).await?.welcome().await
}

async fn missing(scope: &Scope) -> Checked {
    let mut nobody = scope.open(&Opening::path("/ws")).await?;
    let (code, reason) = nobody.expect_close(ANSWER).await?;
    check!(code == 4001, "closed with {code} {reason:?}");
    Ok(())
}

async fn invalid(scope: &Scope) -> Checked {
    let expired = json!({ "iat": unix_secs() - 7200, "exp": unix_secs() - 3600 });
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjk5OTk5OTk5OTl9.";
    for token in ["nonsense", unsigned, &scope.token_with("ann", &expired)] {
        let opening = Opening { token: Some(token), ..Opening::path("/ws") };
        let (code, reason) = scope.open(&opening).await?.expect_close(ANSWER).await?;
        check!(code == 4001, "closed with {code} {reason:?}");
        check!(!reason.is_empty(), "4001 without a reason");
    }
    Ok(())
}

async fn end(scope: &Scope) -> Checked {
    let token = scope.token_with("ann", &json!({ "exp": unix_secs() + SHORT_SECS }));
    let mut ann = scope.open(&Opening { token: Some(&token), ..Opening::path("/ws") }).await?;
    ann.welcome().await?;
    let (code, reason) = ann.expect_close(scope.patience()).await?;
    check!(code == 4001, "closed with {code} {reason:?}");
    Ok(())
}

async fn extended(scope: &Scope) -> Checked {
    let short = |more: i64| scope.token_with("ann", &json!({ "exp": unix_secs() + more }));
    let first = short(SHORT_SECS);
    let mut ann = scope.open(&Opening { token: Some(&first), ..Opening::path("/ws") }).await?;
    ann.welcome().await?;
    // Beside it, one that is not extended says when the first token has ended.
    let mut beside = scope.open(&Opening { token: Some(&first), ..Opening::path("/ws") }).await?;
    beside.welcome().await?;
    ann.say(&json!({ "type": "auth", "token": scope.token("ann") })).await?;
    tokio::select! {
        ended = beside.expect_close(scope.patience()) => drop(ended?),
        closed = goes_on(&mut ann, scope.patience()) => closed?,
    }
    ann.is_served().await
}

/// Listens for as long as the connection is served and not welcomed again.
async fn goes_on(socket: &mut Socket, time: Duration) -> Checked {
    let until = Instant::now() + time;
    loop {
        match socket.hear_within(until.saturating_duration_since(Instant::now())).await? {
            Some(Heard::Closed(code, reason)) => {
                return broken(format!("closed with {code} {reason:?} although it was extended"));
            }
            Some(Heard::Frame(frame)) if frame["type"] == "welcome" => {
                return broken("`auth` on a served connection was answered by another `welcome`");
            }
            Some(_) => {}
            None => return broken("the connection that was not extended did not end in time"),
        }
    }
}

async fn other_user(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    ann.say(&json!({ "type": "auth", "token": scope.token("bob") })).await?;
    let (code, reason) = ann.expect_close(ANSWER).await?;
    check!(code == 4001, "closed with {code} {reason:?}");
    Ok(())
}
