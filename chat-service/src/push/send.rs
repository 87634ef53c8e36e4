//! Hands pushes to their providers and keeps what became of them. One task and one bounded queue for each provider: one
//! that is slow or away holds up neither the others nor the follower.

use std::sync::Arc;

use proto::id::{ConversationId, ConversationKey, TenantId, UserId};
use push::{NoteKind, Outcome, Provider, PushJob, PushProvider};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use platform::shutdown::{Shutdown, Tasks};

use super::parts::Parts;
use super::present::when_known;
use super::underway::Ticket;
use crate::clock::now_ms;
use crate::domain::entry::TargetKey;
use crate::events::EventType;
use crate::store::push::{DeadPush, PushDevice, PushRetry, PushSent};

/// Pauses before each further attempt: five in about an hour.
const PAUSES_MS: [u64; 5] = [5_000, 60_000, 300_000, 900_000, 2_100_000];
/// Longest pause: a provider that wants a longer one is asked again after it.
pub(super) const LONGEST_PAUSE_MS: u64 = 3_600_000;

/// A push on its way to a device.
#[derive(Clone)]
pub(super) struct Sending {
    pub(super) device: PushDevice,
    pub(super) job: PushJob,
    /// How often it was tried before.
    pub(super) attempt: u32,
    /// When it was decided, in Unix milliseconds.
    pub(super) made_at_ms: u64,
    /// Held until it is known what became of it.
    #[expect(dead_code, reason = "it is dropped with the push")]
    pub(super) ticket: Option<Arc<Ticket>>,
}

impl Sending {
    fn key(&self) -> ConversationKey {
        let id = ConversationId(self.job.note.conversation_id);
        ConversationKey::new(self.tenant(), id)
    }

    fn tenant(&self) -> TenantId {
        self.device.user_id.tenant()
    }

    pub(super) fn user_id(&self) -> &UserId {
        &self.device.user_id
    }

    /// The message that it tells of.
    pub(super) fn message(&self) -> TargetKey {
        let note = &self.job.note;
        let seq = note.target.unwrap_or(note.seq);
        TargetKey { conversation: self.key(), seq, with_edits: false }
    }

    pub(super) fn is_clear(&self) -> bool {
        self.job.note.kind == NoteKind::Clear
    }

    fn sent(&self) -> PushSent {
        PushSent {
            user_id: self.user_id().clone(),
            key: self.key(),
            seq: self.job.note.seq,
            at_ms: now_ms(),
        }
    }
}

/// The queues of all providers.
#[derive(Clone, Default)]
pub(super) struct Senders(Vec<(Provider, mpsc::Sender<Sending>)>);

/// The queues, and their ends: one for each provider.
pub(super) type Ends = Vec<(Arc<dyn PushProvider>, mpsc::Receiver<Sending>)>;

impl Senders {
    pub(super) fn new(providers: &push::Providers, queue: usize) -> (Self, Ends) {
        let (mut senders, mut ends) = (Vec::new(), Vec::new());
        for provider in providers.iter() {
            let (sender, receiver) = mpsc::channel(queue.max(1));
            senders.push((provider.provider(), sender));
            ends.push((Arc::clone(provider), receiver));
        }
        (Self(senders), ends)
    }

    /// Hands it over; what does not fit, or has no provider any more, comes back.
    pub(super) fn send(&self, sending: Sending) -> Result<(), Box<Sending>> {
        let provider = sending.device.provider;
        let found = self.0.iter().find(|(of, _)| *of == provider);
        let Some((_, sender)) = found else { return Err(Box::new(sending)) };
        sender.try_send(sending).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(it) | mpsc::error::TrySendError::Closed(it) => {
                Box::new(it)
            }
        })
    }

    /// Whether pushes of a provider can be sent at all.
    pub(super) fn has(&self, provider: Provider) -> bool {
        self.0.iter().any(|(of, _)| *of == provider)
    }
}

/// Starts a task for each provider.
pub(super) fn start(parts: &Parts, ends: Ends, tasks: &Tasks, shutdown: &Shutdown) {
    for (provider, queue) in ends {
        let run = Run { parts: parts.clone(), provider };
        tasks.spawn("push provider", run.run(queue, shutdown.clone()));
    }
}

struct Run {
    parts: Parts,
    provider: Arc<dyn PushProvider>,
}

impl Run {
    /// Until stopping has begun: what still waits then is decided again by the next process.
    async fn run(self, mut queue: mpsc::Receiver<Sending>, shutdown: Shutdown) {
        let most = self.parts.push.config.in_flight.max(1);
        loop {
            let mut batch = Vec::new();
            let count = tokio::select! {
                count = queue.recv_many(&mut batch, most) => count,
                () = shutdown.begun() => return,
            };
            if count == 0 {
                return;
            }
            let Some(batch) = when_known(&self.parts, batch, &shutdown).await else { return };
            if batch.is_empty() {
                continue;
            }
            let jobs = batch.iter().map(|sending| sending.job.clone()).collect();
            let outcomes = tokio::select! {
                outcomes = self.provider.send(jobs) => outcomes,
                () = shutdown.begun() => return,
            };
            let known: Vec<_> = batch.into_iter().zip(outcomes).collect();
            keep(&self.parts, &known).await;
        }
    }
}

/// Keeps what became of pushes. A store that is away loses no push: at worst one is sent twice.
pub(super) async fn keep(parts: &Parts, known: &[(Sending, Outcome)]) {
    let (mut told, mut cleared) = (Vec::new(), Vec::new());
    for (sending, outcome) in known {
        parts.metrics.push(sending.device.provider, outcome.name());
        if sending.is_clear() {
            cleared.push(sending.sent());
        }
        match outcome {
            Outcome::Sent(id) => {
                if !sending.is_clear() {
                    told.push(sending.sent());
                }
                tracing::debug!(device = ?sending.device, seq = sending.job.note.seq, id, "pushed");
                done(parts, sending).await;
            }
            Outcome::Gone { since_ms } => {
                let since_ms = since_ms.unwrap_or(u64::MAX);
                let gone = parts.store.drop_dead_token(&sending.device, since_ms).await;
                log(gone.map(|_| ()), "a device that is gone is kept for now");
                done(parts, sending).await;
            }
            Outcome::Retry(after, reason) => {
                if !sending.is_clear() {
                    told.push(sending.sent());
                }
                let after_ms = after.map_or(0, |after| after.as_millis() as u64);
                again(parts, sending, after_ms, reason).await;
            }
            Outcome::Refused(reason) => {
                tracing::warn!(device = ?sending.device, reason, "a push was refused");
                dead(parts, sending, reason).await;
            }
        }
    }
    log(parts.store.keep_pushed(&told).await, "what was pushed is not kept");
    log(parts.store.drop_pushed(&cleared).await, "what was taken back is not kept");
}

/// Keeps a push for another attempt, or gives it up.
pub(super) async fn again(parts: &Parts, sending: &Sending, after_ms: u64, reason: &str) {
    let Some(pause_ms) = PAUSES_MS.get(sending.attempt as usize) else {
        return dead(parts, sending, reason).await;
    };
    let retry = PushRetry {
        id: sending.job.id,
        user_id: sending.user_id().clone(),
        device_id: sending.device.device_id.clone(),
        provider: sending.device.provider,
        note: serde_json::to_string(&sending.job.note).unwrap_or_default(),
        attempt: sending.attempt + 1,
        reason: reason.to_owned(),
        made_at_ms: sending.made_at_ms,
        next_at_ms: now_ms() + after_ms.clamp(*pause_ms, LONGEST_PAUSE_MS),
    };
    log(parts.store.keep_push_retry(&retry).await, "a push is not tried again");
}

async fn dead(parts: &Parts, sending: &Sending, reason: &str) {
    parts.metrics.push(sending.device.provider, "dead");
    if !sending.is_clear() {
        let r#type = EventType::DeliveryFailed.as_str();
        parts.moments.tell(r#type, sending.tenant(), || failed(sending, reason));
    }
    let dead = DeadPush {
        id: sending.job.id,
        user_id: sending.user_id().clone(),
        device_id: sending.device.device_id.clone(),
        provider: sending.device.provider,
        key: sending.key(),
        seq: sending.job.note.seq,
        attempts: sending.attempt + 1,
        reason: reason.to_owned(),
        at_ms: now_ms(),
    };
    log(parts.store.keep_dead_push(&dead).await, "a push that was given up is not kept");
    done(parts, sending).await;
}

/// What other systems are told of a push that was given up.
fn failed(sending: &Sending, reason: &str) -> Value {
    let Sending { device, job, attempt, .. } = sending;
    json!({
        "way": "push",
        "state": "given_up",
        "conversation_id": job.note.conversation_id,
        "seq": job.note.seq,
        "user": device.user_id.name_str(),
        "device": device.device_id.as_str(),
        "provider": device.provider.name(),
        "attempts": attempt + 1,
        "reason": reason,
    })
}

/// It is not tried again.
pub(super) async fn done(parts: &Parts, sending: &Sending) {
    if sending.attempt > 0 {
        let dropped = parts.store.drop_push_retry(sending.tenant(), sending.job.id).await;
        log(dropped, "a push may be sent twice");
    }
}

pub(super) fn log(done: Result<(), crate::store::StoreError>, what: &'static str) {
    if let Err(error) = done {
        tracing::warn!(%error, "{what}");
    }
}
