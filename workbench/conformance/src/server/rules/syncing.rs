//! What `sync` answers, from every cursor.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ServerRule;
use crate::checked::{Checked, check};
use crate::rule::rule;
use crate::server::log::{Log, Synced};
use crate::server::scope::{Scope, number, text};
use crate::server::socket::{Heard, Socket, To};

pub(super) const RULES: &[ServerRule] = &[
    rule!(
        "sync.every-place",
        "sync",
        every_place,
        "From each cursor, with and without the id there, come exactly the entries behind it, in order."
    ),
    rule!(
        "sync.tail",
        "sync",
        tail,
        "A conversation without a cursor comes as its tail; `skipped_before` says where it begins, and REST has the rest."
    ),
    rule!("sync.epoch", "sync", epoch, "Cursors of another epoch are answered with `reset`."),
    rule!(
        "sync.other-entry",
        "sync",
        other_entry,
        "A cursor with another entry's id is answered with `reset`."
    ),
    rule!(
        "sync.gone",
        "sync",
        gone,
        "A conversation that the user was removed from comes as `gone`, without entries."
    ),
    rule!(
        "sync.rejoined",
        "sync",
        rejoined,
        "After leaving and joining again the old cursor is answered with `reset`, from the joining on."
    ),
    rule!(
        "sync.beside-live",
        "sync",
        beside_live,
        "Entries that are committed during a sync come in its pages or after them: none is missing."
    ),
    rule!(
        "sync.twice",
        "sync",
        twice,
        "A second `sync` is answered after the first; other requests as usual."
    ),
];

/// Ann writes so many texts to Bob; the conversation and the ids by seq.
async fn written(
    scope: &Scope,
    ann: &mut Socket,
    count: usize,
) -> Checked<(String, BTreeMap<u64, Value>)> {
    let bob = scope.user("bob");
    let (mut conversation, mut ids) = (String::new(), BTreeMap::new());
    for at in 0..count {
        let sent = ann.send(&To::User(&bob), &format!("number {at}")).await?;
        conversation = text(&sent, "conversation_id")?;
        ids.insert(number(&sent, "seq")?, sent["id"].clone());
    }
    Ok((conversation, ids))
}

async fn every_place(scope: &Scope) -> Checked {
    const COUNT: usize = 12;
    let mut ann = scope.connect("ann").await?;
    let (conversation, ids) = written(scope, &mut ann, COUNT).await?;
    let mut bob = scope.connect("bob").await?;
    let epoch = Synced::ask(&mut bob, None, &json!({})).await?.epoch()?;
    for seq in 1..=COUNT as u64 {
        for cursor in [json!(seq), json!({ "seq": seq, "id": ids[&seq] })] {
            let cursors = json!({ conversation.as_str(): cursor });
            let synced = Synced::ask(&mut bob, Some(&epoch), &cursors).await?;
            let found = synced.of(&conversation)?;
            let wanted: Vec<u64> = (seq + 1..=COUNT as u64).collect();
            check!(found.seqs() == wanted, "from {cursor} came {:?}", found.seqs());
            check!(!found.is_reset, "from {cursor}, which is valid, came a reset");
            check!(found.pages == 0 || found.head == COUNT as u64, "the head is {}", found.head);
            check!(found.pages > 0 || wanted.is_empty(), "from {cursor} came no page");
            for (seq, entry) in &found.log.entries {
                check!(entry["id"] == ids[seq], "at {seq} stands {entry}");
            }
        }
    }
    Ok(())
}

async fn tail(scope: &Scope) -> Checked {
    const COUNT: usize = 60;
    let mut ann = scope.connect("ann").await?;
    let (conversation, ids) = written(scope, &mut ann, COUNT).await?;
    let mut bob = scope.connect("bob").await?;
    let mut found = Synced::ask(&mut bob, None, &json!({})).await?.of(&conversation)?;
    let first = found.seqs().first().copied().unwrap_or_default();
    check!(
        found.seqs() == (first..=COUNT as u64).collect::<Vec<_>>(),
        "the tail is {:?}",
        found.seqs()
    );
    if first > 1 {
        check!(
            found.skipped_before == Some(first),
            "`skipped_before` is {:?}, and the tail begins at {first}",
            found.skipped_before
        );
    } else {
        check!(found.skipped_before.is_none(), "nothing is left out, and `skipped_before` says so");
    }
    let mut before = first;
    while before > 1 {
        let path = format!("/conversations/{conversation}/messages?before_seq={before}&limit=7");
        let page = scope.get("bob", &path).await?;
        let entries = page["entries"].as_array().cloned().unwrap_or_default();
        check!(!entries.is_empty(), "nothing before {before}: {page}");
        for entry in &entries {
            before = before.min(number(entry, "seq")?);
            found.log.take(entry)?;
        }
    }
    let held: BTreeMap<u64, Value> = found.log.ids().into_iter().collect();
    check!(held == ids, "tail and history together are not the log");
    Ok(())
}

async fn epoch(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let (conversation, ids) = written(scope, &mut ann, 3).await?;
    let mut bob = scope.connect("bob").await?;
    let cursors = json!({ conversation.as_str(): { "seq": 3, "id": ids[&3] } });
    let found = Synced::ask(&mut bob, Some("another-epoch"), &cursors).await?.of(&conversation)?;
    check!(found.is_reset, "no reset after another epoch");
    check!(found.seqs() == [1, 2, 3], "the tail is {:?}", found.seqs());
    Ok(())
}

async fn other_entry(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let (conversation, _) = written(scope, &mut ann, 3).await?;
    let mut bob = scope.connect("bob").await?;
    let epoch = Synced::ask(&mut bob, None, &json!({})).await?.epoch()?;
    let cursors = json!({ conversation.as_str(): { "seq": 3, "id": Uuid::now_v7() } });
    let found = Synced::ask(&mut bob, Some(&epoch), &cursors).await?.of(&conversation)?;
    check!(found.is_reset, "no reset after the id of another entry");
    check!(found.seqs() == [1, 2, 3], "the tail is {:?}", found.seqs());
    Ok(())
}

/// Ann takes a member out of a group, or the member leaves.
async fn removed(scope: &Scope, by: &str, group: &str, member: &str) -> Checked {
    let path = format!("/conversations/{group}/members/{}", scope.user(member));
    let answer = scope.ask(by, Method::DELETE, &path, None).await?;
    check!(answer.status == 200, "DELETE {path}: {} {}", answer.status, answer.body);
    Ok(())
}

async fn gone(scope: &Scope) -> Checked {
    let group = scope.group("ann", &["bob"]).await?;
    let mut bob = scope.connect("bob").await?;
    let epoch = Synced::ask(&mut bob, None, &json!({})).await?.epoch()?;
    removed(scope, "ann", &group, "bob").await?;
    let found =
        Synced::ask(&mut bob, Some(&epoch), &json!({ group.as_str(): 1 })).await?.of(&group)?;
    check!(found.is_gone && found.pages == 1, "no `gone` for a conversation that was left");
    check!(found.log.entries.is_empty(), "`gone` with entries: {:?}", found.seqs());
    Ok(())
}

async fn rejoined(scope: &Scope) -> Checked {
    let group = scope.group("ann", &["bob"]).await?;
    let mut bob = scope.connect("bob").await?;
    let before = Synced::ask(&mut bob, None, &json!({})).await?;
    let (epoch, created) = (before.epoch()?, before.of(&group)?.log.entries[&1]["id"].clone());
    removed(scope, "bob", &group, "bob").await?;
    let mut ann = scope.connect("ann").await?;
    ann.send(&To::Conversation(&group), "while he is away").await?;
    let path = format!("/conversations/{group}/members");
    let body = json!({ "members": [scope.user("bob")], "client_id": Uuid::now_v7() });
    let added = scope.ask("ann", Method::POST, &path, Some(&body)).await?;
    check!(added.status == 200, "POST {path}: {} {}", added.status, added.body);
    let joined = number(&added.body, "seq")?;
    let cursors = json!({ group.as_str(): { "seq": 1, "id": created } });
    let found = Synced::ask(&mut bob, Some(&epoch), &cursors).await?.of(&group)?;
    check!(found.is_reset, "no reset after leaving and joining again");
    check!(
        found.seqs().first() == Some(&joined),
        "joined at {joined}, and reads {:?}",
        found.seqs()
    );
    Ok(())
}

async fn beside_live(scope: &Scope) -> Checked {
    const COUNT: usize = 24;
    let mut ann = scope.connect("ann").await?;
    let (conversation, _) = written(scope, &mut ann, 1).await?;
    let mut bob = scope.connect("bob").await?;
    let user = scope.user("bob");
    let frames: Vec<Value> = (0..COUNT)
        .map(|at| To::User(&user).send(Uuid::now_v7(), &format!("beside {at}")))
        .collect();
    let sync = json!({ "type": "sync", "cursors": {} });
    let (said, asked) = tokio::join!(ann.say_all(&frames), bob.say(&sync));
    said.and(asked)?;
    let mut log = Log::default();
    let head = COUNT as u64 + 1;
    let (mut is_synced, mut is_whole) = (false, false);
    while !(is_synced && is_whole) {
        match bob.hear().await? {
            Heard::Frame(frame) if frame["conversation_id"] == conversation.as_str() => {
                if frame["type"] == "entry" {
                    log.take(&frame)?;
                }
                for entry in frame["entries"].as_array().into_iter().flatten() {
                    log.take(entry)?;
                }
            }
            Heard::Frame(frame) if frame["type"] == "synced" => is_synced = true,
            Heard::Closed(code, reason) => {
                check!(false, "closed with {code} {reason:?}");
            }
            _ => {}
        }
        is_whole = (1..=head).all(|seq| log.entries.contains_key(&seq));
    }
    Ok(())
}

async fn twice(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let (conversation, _) = written(scope, &mut ann, 2).await?;
    let sync = json!({ "type": "sync", "cursors": {} });
    ann.say_all(&[sync.clone(), sync, json!({ "type": "ping" })]).await?;
    let (mut synced, mut pages, mut pongs) = (0, 0, 0);
    while synced < 2 || pongs < 1 {
        match ann.hear().await? {
            Heard::Frame(frame) if frame["type"] == "synced" => {
                synced += 1;
                check!(pages == synced, "{pages} pages before `synced` number {synced}");
            }
            Heard::Frame(frame) if frame["conversation_id"] == conversation.as_str() => {
                pages += usize::from(frame["type"] == "sync_page");
            }
            Heard::Frame(frame) if frame["type"] == "pong" => pongs += 1,
            Heard::Frame(frame) => check!(frame["type"] != "error", "answered by {frame}"),
            Heard::Closed(code, reason) => check!(false, "closed with {code} {reason:?}"),
            Heard::Ping => {}
        }
    }
    Ok(())
}
