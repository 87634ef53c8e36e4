//! Tries pushes again that a provider did not take, and forgets what is over: retries beyond the bound, old given-up pushes,
//! devices that nobody registered for long.

use std::collections::HashMap;
use std::time::Duration;

use platform::shutdown::Shutdown;
use proto::id::{ConversationId, ConversationKey};
use push::{Note, NoteKind, Provider};
use tokio::time::Instant;

use super::jobs::job;
use super::notices::is_notices;
use super::parts::Parts;
use super::present::present;
use super::send::{LONGEST_PAUSE_MS, Sending, keep, log};
use crate::clock::DOUBTFUL_MS;
use crate::store::StoreError;
use crate::store::push::{Of, PushRetry};

const EVERY: Duration = Duration::from_secs(1);
/// Pushes that are tried again at once.
const AT_ONCE: u32 = 100;
/// How often what is over is looked for.
const FORGET: Duration = Duration::from_secs(10);
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Until stopping has begun.
pub(super) async fn run(parts: Parts, shutdown: Shutdown) {
    let mut forgotten: Option<Instant> = None;
    loop {
        let is_more = parts.is_owner()
            && due(&parts, &shutdown).await.unwrap_or_else(|error| {
                tracing::debug!(%error, "pushes are tried again later");
                false
            });
        if parts.is_owner() && forgotten.is_none_or(|at| at.elapsed() >= FORGET) {
            forgotten = Some(Instant::now());
            log(forget(&parts).await, "what is over of offline push stays for now");
        }
        let pause = if is_more { Duration::ZERO } else { EVERY };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.begun() => return,
        }
    }
}

async fn due(parts: &Parts, shutdown: &Shutdown) -> Result<bool, StoreError> {
    let now = parts.now().wall_ms;
    let latest = now + LONGEST_PAUSE_MS + DOUBTFUL_MS;
    let retries = parts.store.due_push_retries(now, latest, AT_ONCE).await?;
    let is_more = retries.len() == AT_ONCE as usize;
    let mut by_provider: HashMap<Provider, Vec<Sending>> = HashMap::new();
    for retry in retries {
        match still_wanted(parts, &retry).await? {
            Some(sending) => by_provider.entry(retry.provider).or_default().push(sending),
            None => parts.store.drop_push_retry(retry.user_id.tenant(), retry.id).await?,
        }
    }
    for batch in by_provider.values_mut() {
        *batch = present(parts, batch).await?;
    }
    // Side by side: one that does not answer holds up its own alone.
    let sending = by_provider.into_iter().filter_map(|(provider, batch)| {
        let provider = parts.push.prepared.providers.get(provider)?.clone();
        (!batch.is_empty()).then_some(async move {
            let jobs = batch.iter().map(|sending| sending.job.clone()).collect();
            let outcomes = provider.send(jobs).await;
            let known: Vec<_> = batch.into_iter().zip(outcomes).collect();
            keep(parts, &known).await;
        })
    });
    let all = futures_util::future::join_all(sending);
    // What is cut off is tried again: its row is there.
    tokio::select! {
        _ = all => {}
        () = shutdown.begun() => {}
    }
    Ok(is_more)
}

/// The push, with the present token of its device; none when the device is gone or the message reached its user.
async fn still_wanted(parts: &Parts, retry: &PushRetry) -> Result<Option<Sending>, StoreError> {
    let Ok(note) = serde_json::from_str::<Note>(&retry.note) else { return Ok(None) };
    let users = [retry.user_id.clone()];
    let devices = parts.store.push_devices(&users).await?;
    let device = devices
        .into_iter()
        .find(|device| device.device_id == retry.device_id && device.provider == retry.provider);
    let Some(device) = device.filter(|device| parts.senders.has(device.provider)) else {
        return Ok(None);
    };
    if note.kind == NoteKind::Message {
        let id = ConversationId(note.conversation_id);
        let key = ConversationKey::new(retry.user_id.tenant(), id);
        let is_lacking = if is_notices(key) {
            parts.store.notices_read(&retry.user_id).await? < note.seq
        } else {
            let names = [retry.user_id.name()];
            let lacks = parts.store.push_candidates_of(key, note.seq, Of::Named(&names), 1).await?;
            !lacks.is_empty()
        };
        if !is_lacking {
            return Ok(None);
        }
    }
    let mut job = job(&device, note);
    job.id = retry.id;
    let (attempt, made_at_ms) = (retry.attempt, retry.made_at_ms);
    Ok(Some(Sending { device, job, attempt, made_at_ms, ticket: None }))
}

async fn forget(parts: &Parts) -> Result<(), StoreError> {
    let config = &parts.push.config;
    let gone = parts.store.trim_push_retries(config.retries).await?;
    if gone > 0 {
        tracing::warn!(
            gone,
            "more pushes are to be tried again than push.retries allows: the oldest went"
        );
    }
    parts.store.trim_dead_pushes(config.dead).await?;
    let since = parts.now().wall_ms.saturating_sub(u64::from(config.device_days) * DAY_MS);
    parts.store.forget_push_devices(since).await?;
    Ok(())
}
