//! The append step: frames in, rows committed, things to tell out.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bus::{FrameDelivery, Original};
use bytes::Bytes;
use platform::trace::MessageSpan;
use prometheus_client::metrics::gauge::Gauge;
use proto::bus::{DeviceType, frame::Body};
use proto::error_code::{ErrorCode, Stored};
use proto::id::{ClientId, ConversationKey, UserId};
use proto::partition::{self, Partition};

use super::LaneParts;
use super::attempt::Settled;
use super::cache::Cache;
use super::ephemeral::Ephemeral;
use super::message::{self, Asker, Outgoing};
use super::pile::Taken;
use super::suspects::{Care, Suspects};
use crate::directory::Located;
use crate::domain::conversation::Refusal;
use crate::domain::letter::DeadLetter;
use crate::domain::operation::{self, Operation, Rejected};
use crate::metrics::OutcomeKind;
use crate::planted::LateCommit;

/// A batch that is committed or refused, with everything there is to tell.
#[derive(Debug, Default)]
pub struct Appended {
    /// In the order in which each receiver must hear it.
    pub outgoing: Vec<Outgoing>,
    /// When its entries were committed.
    pub committed_at: Option<Instant>,
    /// Where recipients were before the commit: of a planted bug only.
    pub located_early: Option<Located>,
}

/// The append half of a lane.
pub struct Appender {
    pub(super) parts: LaneParts,
    pub(super) cache: Cache,
    /// Of the store, when what the cache holds was loaded.
    pub(super) generation: u64,
    /// False after a batch found the database away: the next ones are not kept waiting for it.
    pub(super) is_store_up: bool,
    /// Of planted bugs only.
    pub(super) late: LateCommit,
    pub(super) located_early: Option<Located>,
}

impl Appender {
    /// A lane that remembers nothing yet.
    pub fn new(parts: LaneParts) -> Self {
        let cache = Cache::new(parts.config.cached_conversations, parts.config.cached_members);
        let generation = parts.store.generation();
        Self {
            parts,
            cache,
            generation,
            is_store_up: true,
            late: LateCommit::default(),
            located_early: None,
        }
    }

    /// Most frames of a batch.
    pub fn batch_frames(&self) -> usize {
        self.parts.config.batch_frames
    }

    /// How many lanes are at work.
    pub(super) fn lanes_busy(&self) -> Gauge {
        self.parts.metrics.lanes_busy.clone()
    }

    /// Forgets what it remembers of partitions that come back from elsewhere.
    pub fn forget(&mut self, partitions: &[Partition]) {
        if !partitions.is_empty() {
            let count = self.parts.bus.partitions();
            let is_meant = |key: ConversationKey| {
                partitions.contains(&partition::of_conversation(key.id, count))
            };
            self.cache.forget(is_meant);
        }
    }

    /// How a pile is to be worked on.
    pub(super) async fn care(&self, batches: &[Taken]) -> Care {
        self.parts.suspects.examine(batches).await
    }

    /// The marks of the process.
    pub(super) fn suspects(&self) -> Arc<Suspects> {
        Arc::clone(&self.parts.suspects)
    }

    /// Appends one batch. Returns when it is committed, or its senders are to be told why not.
    pub async fn step(&mut self, batches: Vec<Taken>) -> Appended {
        let now_ms = unix_ms();
        let is_redelivered = batches.iter().any(|taken| taken.delivery.redelivered);
        for taken in &batches {
            self.parts.metrics.waited(taken.delivery.batch.oldest_ms, now_ms);
        }
        let mut sorted = self.sort(batches);
        for (body, partition, reason) in std::mem::take(&mut sorted.malformed) {
            self.parts.aside.put(DeadLetter::of_body(body, partition, &reason, now_ms)).await;
        }
        let mut appended = Appended::default();
        let before = sorted.rejected.len();
        // From behind, so that the places of the others stay what they are.
        for (place, refusal) in self.parts.quotas.take(&sorted.operations, now_ms).into_iter().rev()
        {
            sorted.reject(place, refusal);
        }
        sorted.rejected[before..].reverse();
        let rejected = std::mem::take(&mut sorted.rejected);
        self.reject(rejected, is_redelivered, &mut appended.outgoing).await;
        if !sorted.operations.is_empty() {
            let started = Instant::now();
            self.parts.metrics.batch_frames.observe(sorted.operations.len() as f64);
            let mut settled = self.append(&sorted.operations, is_redelivered, now_ms).await;
            self.only_missing(&mut settled).await;
            self.parts.metrics.append_seconds.observe(started.elapsed().as_secs_f64());
            appended.committed_at = Some(Instant::now());
            for (place, settled) in settled.into_iter().enumerate() {
                if let Settled::Poisoned(reason) = &settled
                    && let Some(letter) = sorted.letter(place, reason, now_ms)
                {
                    self.parts.aside.put(letter).await;
                }
                self.tell(&sorted.askers[place], settled, &mut appended.outgoing);
            }
            appended.located_early = self.located_early.take();
        }
        sorted.spans.clear();
        sorted.ephemeral.run(&self.parts, &mut self.cache, now_ms, &mut appended.outgoing).await;
        self.cache.trim();
        appended
    }

    /// Puts frames aside that are not to be worked on again, and says so to their senders; what is stored
    /// of them nevertheless is answered as ever.
    pub(super) async fn put_aside(&mut self, taken: Taken, reason: &str) -> Appended {
        let now_ms = unix_ms();
        // After a panic nobody knows what it left behind.
        self.cache.clear();
        let Taken { delivery, partition } = taken;
        let mut appended = Appended::default();
        if let Original::Malformed { body, .. } = delivery.original {
            self.parts.aside.put(DeadLetter::of_body(body, partition, reason, now_ms)).await;
            return appended;
        }
        let sent_ms = delivery.batch.oldest_ms;
        let gateway = delivery.batch.gateway.unwrap_or_default();
        for frame in delivery.batch.frames {
            let (origin, body) = (frame.origin.clone(), frame.body.as_ref());
            if let (Some(origin), Some(reference)) = (origin, body.map(operation::reference)) {
                let stored = self.stored(&origin.user_id, &reference.client_id).await;
                let asker = Asker {
                    gateway: Arc::new(gateway.clone()),
                    origin,
                    device_type: DeviceType::Unspecified,
                    traceparent: String::new(),
                    reference,
                    sent_ms,
                };
                let text = "this request broke something in the server; it was put aside";
                self.parts.metrics.error(ErrorCode::Internal);
                appended.outgoing.push(message::error(
                    &asker,
                    ErrorCode::Internal,
                    text,
                    stored,
                    None,
                ));
            }
            let gateway = Some(gateway.clone());
            let letter = DeadLetter::of_frame(gateway, frame, partition, reason, now_ms);
            self.parts.aside.put(letter).await;
        }
        appended
    }

    /// Whether an operation is in the log: one that broke something after the commit is.
    async fn stored(&self, user_id: &str, client_id: &[u8]) -> Stored {
        let (Ok(user), Ok(client_id)) =
            (UserId::parse_qualified(user_id), ClientId::from_bytes(client_id))
        else {
            return Stored::No;
        };
        match self.parts.store.find_client_ids(&[(user, client_id)]).await {
            Ok(found) if found.iter().all(Option::is_none) => Stored::No,
            _ => Stored::Unknown,
        }
    }

    fn sort(&self, batches: Vec<Taken>) -> Sorted {
        let mut sorted = Sorted::default();
        for (batch_place, taken) in batches.into_iter().enumerate() {
            let Taken { delivery: FrameDelivery { batch, original, .. }, partition } = taken;
            let sent_ms = batch.oldest_ms;
            let gateway = Arc::new(batch.gateway.unwrap_or_default());
            for (frame_place, frame) in batch.frames.into_iter().enumerate() {
                let (Some(origin), Some(body)) = (frame.origin, frame.body) else { continue };
                let span = self.parts.tracer.child("chat.append", &frame.traceparent);
                let asker = Asker {
                    gateway: Arc::clone(&gateway),
                    device_type: wanted_device(&body),
                    traceparent: span.traceparent(),
                    reference: operation::reference(&body),
                    origin,
                    sent_ms,
                };
                let body = match sorted.ephemeral.take(&asker, body) {
                    Ok(()) => continue,
                    Err(body) => body,
                };
                match operation::parse(&asker.origin, body) {
                    Some(Ok(operation)) => {
                        sorted.operations.push(operation);
                        sorted.askers.push(asker);
                        sorted.spans.push(span);
                        sorted.places.push((batch_place, frame_place));
                    }
                    Some(Err(rejected)) => sorted.rejected.push((asker, rejected)),
                    None => {}
                }
            }
            if let Original::Malformed { body, reason } = &original {
                sorted.malformed.push((body.clone(), partition, reason.clone()));
            }
            sorted.originals.push((partition, original));
        }
        sorted
    }

    pub(super) fn tell(&self, asker: &Asker, settled: Settled, outgoing: &mut Vec<Outgoing>) {
        let metrics = &self.parts.metrics;
        let large = self.parts.config.large_members;
        match settled {
            Settled::Stored(entry, audience) => {
                outgoing.push(message::sent(asker, message::Place::of(&entry)));
                outgoing.extend(message::entry(asker, entry, audience, large));
            }
            Settled::Repeated { stored, audience, .. } => {
                outgoing.push(message::sent(asker, message::Place::stored(&stored)));
                let entry = stored.entry.filter(|_| !audience.members.is_empty());
                outgoing
                    .extend(entry.and_then(|entry| message::entry(asker, *entry, audience, large)));
            }
            Settled::Unchanged(conversation_id, seq) => {
                let place = message::Place { conversation_id, id: None, seq, at_ms: unix_ms() };
                outgoing.push(message::sent(asker, place));
            }
            Settled::Refused(refusal) => {
                metrics.operation(OutcomeKind::Refused);
                metrics.error(refusal.code);
                outgoing.push(message::refused(asker, &refusal));
            }
            Settled::Unavailable(stored) => {
                metrics.operation(OutcomeKind::Unavailable);
                metrics.error(ErrorCode::Unavailable);
                let text = "the message store is away; send again with the same client id";
                let retry = Some(self.parts.config.retry_after_ms);
                outgoing.push(message::error(asker, ErrorCode::Unavailable, text, stored, retry));
            }
            Settled::Poisoned(_) => {
                metrics.operation(OutcomeKind::Poisoned);
                metrics.error(ErrorCode::Internal);
                let text = "this request broke something in the server; it was put aside";
                outgoing.push(message::error(asker, ErrorCode::Internal, text, Stored::No, None));
            }
        }
    }
}

/// A batch by what is done with its frames.
#[derive(Default)]
struct Sorted {
    operations: Vec<Operation>,
    /// Of each operation.
    askers: Vec<Asker>,
    /// Of each operation; they end when the append is done.
    spans: Vec<MessageSpan>,
    /// Of each operation: its batch, and its frame in there.
    places: Vec<(usize, usize)>,
    /// What each batch was made from.
    originals: Vec<(Partition, Original)>,
    /// Bodies that are no batches, with what is wrong with them.
    malformed: Vec<(Bytes, Partition, String)>,
    /// What is no operation.
    rejected: Vec<(Asker, Rejected)>,
    ephemeral: Ephemeral,
}

impl Sorted {
    /// Takes an operation out that is not to be worked on.
    fn reject(&mut self, place: usize, refusal: Refusal) {
        let operation = self.operations.remove(place);
        let asker = self.askers.remove(place);
        drop(self.spans.remove(place));
        self.places.remove(place);
        self.rejected.push((asker, Rejected::of(operation, refusal)));
    }

    /// An operation as the frame that it was.
    fn letter(&self, operation: usize, reason: &str, now_ms: u64) -> Option<DeadLetter> {
        let (batch, frame) = *self.places.get(operation)?;
        let (partition, original) = self.originals.get(batch)?;
        let mut batch = original.batch();
        let frame = (frame < batch.frames.len()).then(|| batch.frames.swap_remove(frame))?;
        Some(DeadLetter::of_frame(batch.gateway, frame, *partition, reason, now_ms))
    }
}

fn wanted_device(body: &Body) -> DeviceType {
    match body {
        Body::Send(send) => send.device_type(),
        _ => DeviceType::Unspecified,
    }
}

/// Now, in Unix milliseconds.
pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
