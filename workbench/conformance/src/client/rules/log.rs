//! What a client holds, shows, acknowledges and asks for.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::ClientRule;
use crate::checked::{Checked, broken, check, skipped};
use crate::client::peer::{Heard, Peer};
use crate::client::stage::{CONVERSATION, Stage, entry, id, page, sent};
use crate::rule::rule;

pub(super) const RULES: &[ClientRule] = &[
    rule!(
        "log.live",
        "the-log-cursors-and-gaps",
        live,
        "Live entries are shown once and in order."
    ),
    rule!(
        "log.repeat",
        "the-log-cursors-and-gaps",
        repeat,
        "A repeat of an entry is not shown again."
    ),
    rule!(
        "log.gap",
        "the-log-cursors-and-gaps",
        gap,
        "What comes behind a gap is neither shown nor acknowledged; it syncs from its cursor, and then all comes in order."
    ),
    rule!(
        "log.other-entry",
        "the-log-cursors-and-gaps",
        other_entry,
        "Another id at a place that it holds makes it sync with `seq` and `id`."
    ),
    rule!(
        "log.own",
        "operations-and-client_id",
        own,
        "`sent` stands for the own entry: the cursor moves over it."
    ),
    rule!(
        "log.unknown-kind",
        "the-log-cursors-and-gaps",
        unknown_kind,
        "The cursor moves over entries of unknown kinds and blank ones."
    ),
    rule!(
        "log.epoch",
        "the-log-cursors-and-gaps",
        epoch,
        "It sends the epoch with its cursors, and takes the next one from `synced`."
    ),
    rule!(
        "sync.cursors",
        "sync",
        cursors,
        "After a reconnect it syncs with the cursors of what it holds."
    ),
    rule!(
        "sync.pages",
        "sync",
        pages,
        "Pages with `more` are taken in order, live entries beside them too."
    ),
    rule!(
        "sync.reset",
        "sync",
        reset,
        "At `reset` it discards what it holds and goes on from the page."
    ),
    rule!("sync.gone", "sync", gone, "At `gone` it discards the conversation."),
    rule!(
        "sync.error",
        "sync",
        error,
        "After an error with `retry_after_ms` it syncs again, not sooner."
    ),
    rule!(
        "sync.digest",
        "digests-of-heads",
        digest,
        "Where the digest of `pong` is another one than its own it syncs; where it is the same it does not."
    ),
    rule!(
        "acknowledging.delivered",
        "acknowledgements-and-redelivery",
        delivered,
        "It acknowledges what it has taken, up to its cursor, before it would be sent again."
    ),
    rule!(
        "acknowledging.redelivery",
        "acknowledgements-and-redelivery",
        redelivery,
        "What is sent again without being asked for is not shown again, and is acknowledged."
    ),
];

/// Nothing more comes of it within this time.
const QUIET: Duration = Duration::from_millis(1_500);

/// The cursor of the conversation in a `sync`.
fn cursor(sync: &Value) -> Option<u64> {
    let cursor = &sync["cursors"][CONVERSATION];
    cursor.as_u64().or_else(|| cursor["seq"].as_u64())
}

async fn live(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    for seq in 1..=5 {
        peer.say(&entry(seq)).await?;
    }
    stage.shows(&[1, 2, 3, 4, 5]).await
}

async fn repeat(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    for seq in [1, 2, 1, 2, 2, 3] {
        peer.say(&entry(seq)).await?;
    }
    stage.shows(&[1, 2, 3]).await?;
    stage.shows_nothing(QUIET).await
}

async fn gap(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    peer.say(&entry(1)).await?;
    stage.shows(&[1]).await?;
    peer.say(&entry(4)).await?;
    let sync = peer.expect("sync").await?;
    check!(cursor(&sync) == Some(1), "it holds 1, and syncs with {sync}");
    for frame in &peer.passed {
        let is_too_far = frame["type"] == "delivered" && frame["seq"].as_u64() > Some(1);
        check!(!is_too_far, "acknowledged behind the gap: {frame}");
    }
    stage.shows_nothing(QUIET).await?;
    peer.say(&page(2..=4, 4)).await?;
    peer.say(&json!({ "type": "synced", "epoch": stage.epoch, "conversations": 1 })).await?;
    stage.shows(&[2, 3, 4]).await?;
    stage.shows_nothing(QUIET).await
}

async fn other_entry(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    peer.say(&entry(1)).await?;
    peer.say(&entry(2)).await?;
    stage.shows(&[1, 2]).await?;
    let mut other = entry(2);
    other["id"] = id(99).into();
    peer.say(&other).await?;
    let sync = peer.expect("sync").await?;
    let cursor = &sync["cursors"][CONVERSATION];
    check!(*cursor == json!({ "seq": 2, "id": id(2) }), "it syncs with {sync}");
    Ok(())
}

async fn own(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    peer.say(&entry(1)).await?;
    stage.shows(&[1]).await?;
    stage.tell_to_send("mine").await?;
    let send = peer.expect("send").await?;
    peer.say(&sent(&send, 2)).await?;
    peer.say(&entry(3)).await?;
    // Whether its app is given the own entry, too, is its own affair.
    shown_up_to(stage, 3).await?;
    peer.cut();
    let mut peer = stage.welcomed().await?;
    let sync = peer.sync(&[], stage.epoch).await?;
    check!(cursor(&sync) == Some(3), "it holds 3, its own entry included, and syncs with {sync}");
    Ok(())
}

async fn unknown_kind(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    let mut unknown = entry(1);
    unknown["kind"] = "no_such_kind".into();
    unknown["content"] = json!({ "what": ["ever"] });
    peer.say(&unknown).await?;
    let mut blank = entry(2);
    blank["content"] = json!({});
    peer.say(&blank).await?;
    peer.say(&entry(3)).await?;
    // Whether it tells its app of the first two is its own affair.
    shown_up_to(stage, 3).await?;
    peer.cut();
    let mut peer = stage.welcomed().await?;
    let sync = peer.sync(&[], stage.epoch).await?;
    check!(cursor(&sync) == Some(3), "its cursor should be 3: {sync}");
    Ok(())
}

/// The app is given entries in order, the last of them this one.
async fn shown_up_to(stage: &mut Stage, last: u64) -> Checked {
    let mut before = 0;
    while before < last {
        let entry = stage.shown().await?;
        let seq = entry["seq"].as_u64().unwrap_or_default();
        check!(seq > before && seq <= last, "shown is {entry} after {before}");
        before = seq;
    }
    Ok(())
}

async fn epoch(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    peer.say(&entry(1)).await?;
    stage.shows(&[1]).await?;
    peer.cut();
    let before = stage.epoch;
    stage.epoch = "second";
    let mut peer = stage.welcomed().await?;
    let mut tail = page(7..=8, 8);
    tail["reset"] = true.into();
    tail["skipped_before"] = 7.into();
    let sync = peer.sync(&[tail], stage.epoch).await?;
    let is_known = sync["epoch"] == before || sync["cursors"] == json!({});
    check!(is_known, "cursors of {before:?} come with {sync}");
    stage.shows(&[7, 8]).await?;
    // In order, so that `synced` is not lost with the connection.
    peer.close(1012, "as the script says").await;
    let mut peer = stage.welcomed().await?;
    let sync = peer.sync(&[], stage.epoch).await?;
    check!(sync["epoch"] == "second", "after another epoch it syncs with {sync}");
    check!(cursor(&sync) == Some(8), "after another epoch it syncs with {sync}");
    Ok(())
}

async fn cursors(stage: &mut Stage) -> Checked {
    stage.tell(json!({ "do": "connect" })).await?;
    let mut peer = stage.welcomed().await?;
    let sync = peer.sync(&[page(1..=3, 3)], stage.epoch).await?;
    check!(cursor(&sync).is_none(), "it holds nothing, and syncs with {sync}");
    stage.shows(&[1, 2, 3]).await?;
    peer.say(&entry(4)).await?;
    stage.shows(&[4]).await?;
    peer.cut();
    let mut peer = stage.welcomed().await?;
    let sync = peer.sync(&[page(5..=6, 6)], stage.epoch).await?;
    check!(cursor(&sync) == Some(4), "it holds 4, and syncs with {sync}");
    stage.shows(&[5, 6]).await
}

async fn pages(stage: &mut Stage) -> Checked {
    stage.tell(json!({ "do": "connect" })).await?;
    let mut peer = stage.welcomed().await?;
    peer.expect("sync").await?;
    let mut first = page(11..=13, 17);
    first["more"] = true.into();
    first["skipped_before"] = 11.into();
    peer.say(&first).await?;
    peer.say(&page(14..=17, 17)).await?;
    peer.say(&entry(18)).await?;
    peer.say(&json!({ "type": "synced", "epoch": stage.epoch, "conversations": 1 })).await?;
    stage.shows(&[11, 12, 13, 14, 15, 16, 17, 18]).await
}

async fn reset(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    for seq in 1..=5 {
        peer.say(&entry(seq)).await?;
    }
    stage.shows(&[1, 2, 3, 4, 5]).await?;
    peer.cut();
    let mut peer = stage.welcomed().await?;
    // A log that was put back: it has fewer entries, and other ones.
    let mut again = page(1..=3, 3);
    again["reset"] = true.into();
    for entry in again["entries"].as_array_mut().into_iter().flatten() {
        entry["id"] = id(100 + entry["seq"].as_u64().unwrap_or_default()).into();
    }
    peer.sync(&[again], stage.epoch).await?;
    stage.shows(&[1, 2, 3]).await?;
    let mut next = entry(4);
    next["id"] = id(104).into();
    peer.say(&next).await?;
    stage.shows(&[4]).await
}

async fn gone(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    peer.say(&entry(1)).await?;
    stage.shows(&[1]).await?;
    peer.cut();
    let mut peer = stage.welcomed().await?;
    let gone = json!({ "type": "sync_page", "conversation_id": CONVERSATION, "entries": [],
        "head": 0, "more": false, "reset": false, "gone": true });
    peer.sync(&[gone], stage.epoch).await?;
    peer.close(1012, "as the script says").await;
    let mut peer = stage.welcomed().await?;
    let sync = peer.sync(&[], stage.epoch).await?;
    check!(cursor(&sync).is_none(), "the conversation is gone, and it syncs with {sync}");
    Ok(())
}

async fn error(stage: &mut Stage) -> Checked {
    stage.tell(json!({ "do": "connect" })).await?;
    let mut peer = stage.welcomed().await?;
    let sync = peer.expect("sync").await?;
    let mut refused = json!({ "type": "error", "code": "unavailable", "message": "as the script says",
        "stored": "no", "retry_after_ms": 1_500 });
    if sync["ref"].is_string() {
        refused["ref"] = sync["ref"].clone();
    }
    let began = Instant::now();
    peer.say(&refused).await?;
    peer.sync(&[page(1..=1, 1)], stage.epoch).await?;
    check!(began.elapsed() >= Duration::from_millis(1_400), "again after {:?}", began.elapsed());
    stage.shows(&[1]).await
}

async fn digest(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    peer.say(&entry(1)).await?;
    stage.shows(&[1]).await?;
    let (heads, heads2) = digests(1);
    peer.say(&json!({ "type": "pong", "heads": heads, "heads2": heads2 })).await?;
    stage.says_no(&mut peer, "sync", Duration::from_secs(3)).await?;
    let (heads, heads2) = digests(2);
    // It may wait for a moment of silence, or for the next `pong`.
    let until = Instant::now() + stage.patience;
    peer.say(&json!({ "type": "pong", "heads": heads, "heads2": heads2 })).await?;
    loop {
        match peer.hear_within(until.saturating_duration_since(Instant::now())).await? {
            Some(Heard::Frame(frame)) if frame["type"] == "sync" => {
                check!(cursor(&frame) == Some(1), "it holds 1, and syncs with {frame}");
                return Ok(());
            }
            Some(Heard::Frame(frame)) if frame["type"] == "ping" => {
                peer.say(&json!({ "type": "pong", "heads": heads, "heads2": heads2 })).await?;
            }
            Some(Heard::Frame(_)) => {}
            Some(Heard::Closed(code)) => return broken(format!("the client closed with {code}")),
            None => return broken("no `sync` although the digest is another one"),
        }
    }
}

/// `heads` and `heads2` of the conversation with this head.
fn digests(head: u64) -> (u32, u32) {
    let bytes = |uuid: &str| -> Vec<u8> {
        // The ids of the scripts are UUIDs.
        uuid.parse::<uuid::Uuid>().map(|id| id.as_bytes().to_vec()).unwrap_or_default()
    };
    let mut at = bytes(CONVERSATION);
    at.extend_from_slice(&head.to_be_bytes());
    let heads = crate::digest::hash(&at);
    at.extend_from_slice(&bytes(&id(head)));
    (heads, crate::digest::hash(&at))
}

/// Skips to the `delivered` of this seq.
async fn acknowledges(peer: &mut Peer, epoch: &str, seq: u64, within: Duration) -> Checked {
    let until = Instant::now() + within;
    loop {
        match peer.hear_within(until.saturating_duration_since(Instant::now())).await? {
            Some(Heard::Frame(frame))
                if frame["type"] == "delivered" || frame["type"] == "read" =>
            {
                let told = frame["seq"].as_u64().unwrap_or_default();
                check!(frame["conversation_id"] == CONVERSATION, "acknowledged is {frame}");
                check!(told <= seq, "it holds {seq}, and acknowledges {told}");
                if told == seq {
                    return Ok(());
                }
            }
            Some(Heard::Frame(frame)) => peer.answer_by_itself(&frame, epoch).await?,
            Some(Heard::Closed(code)) => return broken(format!("the client closed with {code}")),
            None => return broken(format!("{seq} is not acknowledged in {} s", within.as_secs())),
        }
    }
}

async fn delivered(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    if peer.asked_for("acks=off") {
        return skipped("the client connects with `acks=off`");
    }
    for seq in 1..=3 {
        peer.say(&entry(seq)).await?;
    }
    acknowledges(&mut peer, stage.epoch, 3, Duration::from_secs(3)).await
}

async fn redelivery(stage: &mut Stage) -> Checked {
    let mut peer = stage.begin().await?;
    peer.say(&entry(1)).await?;
    peer.say(&entry(2)).await?;
    stage.shows(&[1, 2]).await?;
    let listens_only = peer.asked_for("acks=off");
    if !listens_only {
        acknowledges(&mut peer, stage.epoch, 2, Duration::from_secs(3)).await?;
    }
    // As if the acknowledgement had been lost, and with one entry that was lost itself.
    peer.say(&page(2..=3, 3)).await?;
    stage.shows(&[3]).await?;
    if !listens_only {
        acknowledges(&mut peer, stage.epoch, 3, Duration::from_secs(3)).await?;
    }
    stage.shows_nothing(QUIET).await
}
