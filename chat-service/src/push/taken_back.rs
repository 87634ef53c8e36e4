//! Takes notifications back: what was read on another device, or was deleted, is silently cleared on those that were told.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use platform::shutdown::Shutdown;
use proto::id::{ConversationKey, UserId};
use tokio::sync::mpsc;

use super::jobs::{clear, job};
use super::notices::is_notices;
use super::parts::Parts;
use super::send::{Sending, log};
use crate::domain::entry::{CursorRow, TargetKey};
use crate::planted;
use crate::store::StoreError;
use crate::store::push::{PushDevice, PushSent};

/// Cursors that are looked up at once.
const AT_ONCE: usize = 500;
/// For company, so that a burst of cursors is one question.
const COMPANY: Duration = Duration::from_millis(50);
/// Between two pages of the walk over all that was told, which finds what no message told of.
const BETWEEN_PAGES: Duration = Duration::from_secs(10);
/// Rows of a page of that walk.
const PAGE: u32 = 1_000;

/// Takes back what is read, as workers tell it.
pub(super) async fn run(parts: Parts, mut reads: mpsc::Receiver<CursorRow>, shutdown: Shutdown) {
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            count = reads.recv_many(&mut batch, AT_ONCE) => if count == 0 { return },
            () = shutdown.begun() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(COMPANY) => {}
            () = shutdown.begun() => return,
        }
        while batch.len() < AT_ONCE
            && let Ok(more) = reads.try_recv()
        {
            batch.push(more);
        }
        if let Err(error) = read(&parts, &batch).await {
            tracing::debug!(%error, "what was read is taken back later");
        }
    }
}

async fn read(parts: &Parts, cursors: &[CursorRow]) -> Result<(), StoreError> {
    let mut read: HashMap<(UserId, ConversationKey), u64> = HashMap::new();
    for cursor in cursors {
        let seq = read
            .entry((
                cursor.user_id.clone(),
                ConversationKey::new(cursor.user_id.tenant(), cursor.conversation_id),
            ))
            .or_default();
        *seq = (*seq).max(cursor.read_seq);
    }
    let places: Vec<_> = read.keys().cloned().collect();
    let sent = parts.store.pushed(&places).await?;
    let is_read = |sent: &PushSent| {
        read.get(&(sent.user_id.clone(), sent.key)).is_some_and(|it| *it >= sent.seq)
    };
    take_back(parts, sent.into_iter().filter(is_read).collect()).await
}

/// Messages were deleted: users to whom one was pushed last, or an edit of it, hear that it is gone.
pub(super) async fn deleted(parts: &Parts, key: ConversationKey, seqs: &[u64]) {
    let taken = take_back_deleted(parts, key, seqs).await;
    log(taken, "a notification of a deleted message stays");
}

async fn take_back_deleted(
    parts: &Parts,
    key: ConversationKey,
    seqs: &[u64],
) -> Result<(), StoreError> {
    let asked = |seq: &u64| TargetKey { conversation: key, seq: *seq, with_edits: true };
    let asked: Vec<_> = seqs.iter().map(asked).collect();
    let targets = parts.store.load_targets(&asked).await?;
    let edits = targets.entries.values().flat_map(|target| target.edits.iter().copied());
    let mut sent = Vec::new();
    for seq in seqs.iter().copied().chain(edits) {
        sent.extend(if is_notices(key) {
            parts.store.pushed_for_notice(key, seq).await?
        } else {
            parts.store.pushed_for(key, seq).await?
        });
    }
    take_back(parts, sent).await
}

/// Walks over all that was told, for what was read while nobody told this process.
pub(super) async fn sweep(parts: Parts, shutdown: Shutdown) {
    let mut after = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(BETWEEN_PAGES) => {}
            () = shutdown.begun() => return,
        }
        if !parts.is_owner() {
            continue;
        }
        match parts.store.pushed_and_read(after.as_ref(), PAGE).await {
            Ok((read, next)) => {
                log(take_back(&parts, read).await, "what was read is taken back later");
                after = next;
            }
            Err(error) => tracing::debug!(%error, "what was read is taken back later"),
        }
    }
}

async fn take_back(parts: &Parts, sent: Vec<PushSent>) -> Result<(), StoreError> {
    if planted::PUSH_NOT_TAKEN_BACK || sent.is_empty() {
        return Ok(());
    }
    let users: HashSet<&UserId> = sent.iter().map(|it| &it.user_id).collect();
    let users: Vec<UserId> = users.into_iter().cloned().collect();
    let mut devices: HashMap<UserId, Vec<PushDevice>> = HashMap::new();
    for device in parts.store.push_devices(&users).await? {
        devices.entry(device.user_id.clone()).or_default().push(device);
    }
    let badges: HashMap<UserId, u32> = if parts.push.config.badge {
        parts.store.push_badges(&users).await?.into_iter().collect()
    } else {
        HashMap::new()
    };
    let mut without_devices = Vec::new();
    for it in sent {
        parts.metrics.taken_back();
        let own = devices.get(&it.user_id).map_or(&[][..], Vec::as_slice);
        let own: Vec<_> = own.iter().filter(|device| parts.senders.has(device.provider)).collect();
        if own.is_empty() {
            without_devices.push(it);
            continue;
        }
        let badge =
            parts.push.config.badge.then(|| badges.get(&it.user_id).copied().unwrap_or_default());
        for device in own {
            let note = clear(it.key, it.seq, badge, parts.push.config.ttl_secs);
            let made_at_ms = parts.now().wall_ms;
            let job = job(device, note);
            let sending =
                Sending { device: device.clone(), job, attempt: 0, made_at_ms, ticket: None };
            // A full queue: the row stays, and the walk over all finds it.
            let _ = parts.senders.send(sending);
        }
    }
    parts.store.drop_pushed(&without_devices).await
}
