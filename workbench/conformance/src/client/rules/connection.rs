//! How a client begins, shows that it lives, notices that nobody does, and leaves when it is asked to.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::ClientRule;
use crate::checked::{Checked, NotKept, broken, check, skipped};
use crate::client::peer::{Heard, Peer};
use crate::client::stage::{Stage, entry, sent};
use crate::rule::rule;

pub(super) const RULES: &[ClientRule] = &[
    rule!(
        "begin.welcome",
        "connection",
        waits_for_welcome,
        "It says nothing but `auth` before `welcome`, and syncs directly after it."
    ),
    rule!("begin.token", "connection", token, "It keeps its token out of the address."),
    rule!(
        "begin.unknown",
        "frames",
        unknown,
        "It ignores fields, frames and error codes that it does not know, and goes on."
    ),
    rule!("alive.ping", "connection", ping, "It says `ping` once in an interval."),
    rule!(
        "alive.silence",
        "connection",
        silence,
        "It takes a connection as lost when nothing arrives for two intervals, and connects again."
    ),
    rule!(
        "alive.backoff",
        "connection",
        backoff,
        "Where nobody answers it tries again after pauses that grow, the first of at most one second."
    ),
    rule!(
        "redirect.leaves",
        "connection",
        redirect,
        "At `redirect` it sends nothing new, waits for pending answers, closes with 1000 and comes back after `after_ms`."
    ),
    rule!(
        "redirect.elsewhere",
        "connection",
        elsewhere,
        "A `redirect` with a `server` sends the next attempt there, once and without `redirect=on`."
    ),
];

async fn waits_for_welcome(stage: &mut Stage) -> Checked {
    stage.tell(json!({ "do": "connect" })).await?;
    stage.tell_to_send("written before").await?;
    let mut peer = stage.socket().await?;
    peer.authenticated().await?;
    if let Some(heard) = peer.hear_within(Duration::from_secs(1)).await? {
        return broken(format!("before `welcome` came {heard:?}"));
    }
    stage.welcome(&mut peer).await?;
    peer.sync(&[], stage.epoch).await?;
    let was_sent = peer.passed.iter().any(|frame| frame["type"] == "send");
    if !was_sent {
        peer.expect("send").await?;
    }
    Ok(())
}

async fn token(stage: &mut Stage) -> Checked {
    stage.tell(json!({ "do": "connect" })).await?;
    let peer = stage.socket().await?;
    let is_open = peer.query.split('&').any(|parameter| parameter.starts_with("token="));
    check!(!is_open, "the token is in the address");
    Ok(())
}

async fn unknown(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    peer.say(&json!({ "type": "no_such_frame", "x": [1, { "y": true }] })).await?;
    peer.say(&json!({ "type": "error", "code": "no_such_code", "message": "?", "stored": "no" }))
        .await?;
    let mut first = entry(1);
    first["no_such_field"] = json!({ "z": 1 });
    peer.say(&first).await?;
    stage.shows(&[1]).await?;
    stage.tell_to_send("still here").await?;
    let send = peer.expect("send").await?;
    check!(send["content"]["text"] == "still here", "the client said {send}");
    Ok(())
}

async fn ping(stage: &mut Stage) -> Checked {
    stage.heartbeat_ms = 3_000;
    let mut peer = stage.begin().await?;
    let heartbeat = Duration::from_millis(stage.heartbeat_ms);
    for _ in 0..3 {
        // A moment more, for a busy machine.
        let until = Instant::now() + heartbeat + Duration::from_secs(1);
        loop {
            match peer.hear_within(until.saturating_duration_since(Instant::now())).await? {
                Some(Heard::Frame(frame)) if frame["type"] == "ping" => break,
                Some(Heard::Frame(_)) => {}
                Some(Heard::Closed(code)) => {
                    return broken(format!("the client closed with {code}"));
                }
                None => return broken(format!("no `ping` within {} ms", heartbeat.as_millis())),
            }
        }
        peer.say(&json!({ "type": "pong" })).await?;
    }
    Ok(())
}

async fn silence(stage: &mut Stage) -> Checked {
    stage.heartbeat_ms = 3_000;
    let peer = stage.begin().await?;
    // The connection stays open, and nobody answers.
    let again = stage.served(&[]).await;
    drop(peer);
    again.map(drop)
}

async fn backoff(stage: &mut Stage) -> Checked {
    const ATTEMPTS: usize = 6;
    stage.tell(json!({ "do": "connect" })).await?;
    let mut at = Vec::new();
    while at.len() < ATTEMPTS {
        let Some(stream) = stage.arrival(stage.patience * 3).await? else {
            return broken(format!("the client gave up after {} attempts", at.len()));
        };
        at.push(Instant::now());
        drop(stream);
    }
    let pauses: Vec<Duration> = at.windows(2).map(|two| two[1] - two[0]).collect();
    // A machine under load adds some.
    check!(pauses[0] < Duration::from_millis(1_500), "the first pause took {:?}", pauses[0]);
    // They have a random part, so single ones may shrink.
    let (early, late) = (pauses[0] + pauses[1], pauses[ATTEMPTS - 3] + pauses[ATTEMPTS - 2]);
    let all: Duration = pauses.iter().sum();
    check!(late > early || all > Duration::from_secs(5), "the pauses do not grow: {pauses:?}");
    Ok(())
}

async fn redirect(stage: &mut Stage) -> Checked {
    const AFTER: Duration = Duration::from_millis(1_500);
    let mut peer = stage.begin().await?;
    stage.tell_to_send("pending").await?;
    let pending = peer.expect("send").await?;
    peer.say(&json!({ "type": "redirect", "after_ms": 1_500, "reason": "draining" })).await?;
    stage.tell_to_send("new").await?;
    stage.says_no(&mut peer, "send", Duration::from_secs(1)).await?;
    peer.say(&sent(&pending, 1)).await?;
    let code = peer.expect_close().await?;
    check!(code == 1000, "the client closed with {code}");
    let left = Instant::now();
    let mut peer = stage.served(&[]).await?;
    // From the frame on or from the close on: both are after it.
    let away = left.elapsed();
    check!(away + Duration::from_secs(1) >= AFTER, "it came back after {away:?}");
    check!(away < AFTER * 2 + Duration::from_secs(5), "it came back after {away:?}");
    let new = expect_send(&mut peer, "new").await?;
    check!(new["client_id"] != pending["client_id"], "what was answered is sent again: {new}");
    Ok(())
}

async fn expect_send(peer: &mut Peer, text: &str) -> Checked<serde_json::Value> {
    let passed = peer.passed.iter().position(|frame| frame["type"] == "send");
    let send = match passed {
        Some(at) => peer.passed.remove(at),
        None => peer.expect("send").await?,
    };
    check!(send["content"]["text"] == text, "{text:?} is wanted, and the client said {send}");
    Ok(send)
}

async fn elsewhere(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    if !peer.asked_for("redirect=on") {
        return skipped("the client does not ask for `redirect=on`");
    }
    let failed = |error: std::io::Error| NotKept::Broken(format!("cannot listen: {error}"));
    let other = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = format!("ws://{}/ws", other.local_addr().map_err(failed)?);
    peer.say(&json!({ "type": "redirect", "after_ms": 0, "reason": "balance", "server": address }))
        .await?;
    let Ok(arrived) = tokio::time::timeout(stage.patience, other.accept()).await else {
        return broken("the client did not go to the `server`");
    };
    let (stream, _) = arrived.map_err(failed)?;
    let Some(mut there) = Peer::accept(stream, stage.patience).await? else {
        return broken("the client opened no WebSocket at the `server`");
    };
    check!(!there.asked_for("redirect=on"), "`redirect=on` in the attempt at the `server`");
    there.authenticated().await?;
    stage.welcome(&mut there).await?;
    there.sync(&[], stage.epoch).await?;
    // After it, the usual address is valid again.
    there.cut();
    let back = stage.welcomed().await?;
    check!(back.asked_for("redirect=on"), "no `redirect=on` at the usual address");
    Ok(())
}
