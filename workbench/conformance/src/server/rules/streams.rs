//! Server-sent events: the same connection without a WebSocket.

use serde_json::json;
use uuid::Uuid;

use super::ServerRule;
use crate::checked::{Checked, broken, check};
use crate::rule::rule;
use crate::server::events::Event;
use crate::server::scope::Scope;
use crate::server::socket::To;

pub(super) const RULES: &[ServerRule] = &[
    rule!(
        "streams.same",
        "server-sent-events",
        same,
        "An event stream brings the same frames as a socket: `welcome`, answers, entries."
    ),
    rule!(
        "streams.posts",
        "server-sent-events",
        posts,
        "A post is one frame or an array of them, taken in order and answered by 202."
    ),
    rule!(
        "streams.of-others",
        "server-sent-events",
        of_others,
        "Only its own user posts to a stream."
    ),
    rule!(
        "streams.close",
        "server-sent-events",
        close,
        "The last event is `close`, with the code and the reason."
    ),
    rule!(
        "streams.refused",
        "server-sent-events",
        refused,
        "A refusal before the stream begins is an HTTP status with the body of an error."
    ),
];

async fn same(scope: &Scope) -> Checked {
    let mut stream = scope.stream("bob", "acks=off&device=stream").await?;
    let mut socket = scope.connect_with("bob", "acks=off&device=socket").await?;
    let mut ann = scope.connect("ann").await?;
    ann.send(&To::User(&scope.user("bob")), "by both").await?;
    let (event, frame) = (stream.expect("entry").await?, socket.expect("entry").await?);
    check!(event == frame, "by the stream {event}, by the socket {frame}");
    Ok(())
}

async fn posts(scope: &Scope) -> Checked {
    let mut ann = scope.stream("ann", "acks=off").await?;
    let bob = scope.user("bob");
    let answer = ann.post(&json!({ "type": "ping" })).await?;
    check!(answer.status == 202, "{} {}", answer.status, answer.body);
    ann.expect("pong").await?;
    let texts = ["first", "second", "third"];
    let frames: Vec<_> =
        texts.iter().map(|text| To::User(&bob).send(Uuid::now_v7(), text)).collect();
    let answer = ann.post(&json!(frames)).await?;
    check!(answer.status == 202, "{} {}", answer.status, answer.body);
    for (at, text) in texts.iter().enumerate() {
        let sent = ann.expect("sent").await?;
        check!(sent["ref"] == *text && sent["seq"] == at as u64 + 1, "{text:?} is {sent}");
    }
    Ok(())
}

async fn of_others(scope: &Scope) -> Checked {
    let ann = scope.stream("ann", "acks=off").await?;
    let answer = ann.post_as(&scope.token("bob"), &json!({ "type": "ping" })).await?;
    check!(answer.status >= 400, "another user's post: {} {}", answer.status, answer.body);
    let answer = ann.post_as("nonsense", &json!({ "type": "ping" })).await?;
    check!(answer.status == 401, "a post without a token: {} {}", answer.status, answer.body);
    Ok(())
}

async fn close(scope: &Scope) -> Checked {
    let mut first = scope.stream("ann", "acks=off&device=phone").await?;
    let _second = scope.connect_with("ann", "acks=off&device=phone").await?;
    loop {
        match first.hear().await? {
            Event::Closed(close) => {
                check!(close["code"] == 4000, "closed with {close}");
                check!(close["reason"].is_string(), "closed with {close}");
                return Ok(());
            }
            Event::Frame(frame) if frame["type"] == "error" => {
                return broken(format!("an error instead of the end: {frame}"));
            }
            Event::Frame(_) => {}
        }
    }
}

async fn refused(scope: &Scope) -> Checked {
    for token in [None, Some("nonsense")] {
        let answer = scope.stream_answer(token).await?;
        check!(
            answer.status == 401 && answer.body["code"] == "unauthenticated",
            "{} {}",
            answer.status,
            answer.body
        );
    }
    Ok(())
}
