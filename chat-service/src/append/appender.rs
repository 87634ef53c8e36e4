//! The append step: frames in, rows committed, things to tell out.

use std::sync::Arc;
use std::time::Instant;

use bus::Original;
use proto::error_code::{ErrorCode, Stored};
use proto::id::{ClientId, ConversationKey, UserId};
use proto::partition::{self, Partition};

use super::answers::{Answers, Settled};
use super::log_writer::LogWriter;
use super::narrowed;
use super::parts::AppendParts;
use super::repeats;
use super::sorted::Sorted;
use super::taken::Taken;
use super::undelivered;
use crate::clock::now_ms;
use crate::delivery::{Asker, Outgoing, OutgoingBatch};
use crate::domain::letter::DeadLetter;
use crate::operations::plan::{Conversations, Earlier};
use crate::operations::{Reference, Rejected};
use crate::store::StoreError;

/// The append half of a partition worker.
pub(crate) struct Appender {
    parts: AppendParts,
    answers: Answers,
    log: LogWriter,
}

impl Appender {
    /// One that remembers no conversation yet.
    pub(crate) fn new(parts: AppendParts) -> Self {
        let answers = Answers::new(parts.metrics.clone(), Arc::clone(&parts.config));
        Self { answers, log: LogWriter::new(parts.clone()), parts }
    }

    /// What it works with.
    pub(crate) fn parts(&self) -> &AppendParts {
        &self.parts
    }

    /// Forgets what it remembers of partitions that come back from elsewhere.
    pub(crate) fn forget(&mut self, partitions: &[Partition]) {
        if !partitions.is_empty() {
            let count = self.parts.partitions;
            let is_meant = |key: ConversationKey| {
                partitions.contains(&partition::of_conversation(key.id, count))
            };
            self.log.cache.forget(is_meant);
        }
    }

    /// Appends one batch. Returns when it is committed, or its senders are to be told why not.
    pub(super) async fn step(&mut self, batches: Vec<Taken>) -> OutgoingBatch {
        let now_ms = now_ms();
        let is_redelivered = batches.iter().any(|taken| taken.delivery.redelivered);
        for taken in &batches {
            self.parts.metrics.waited(taken.delivery.batch.oldest_ms, now_ms);
        }
        let expired_ms = match self.parts.config.expire_ms {
            0 => 0,
            patience => now_ms.saturating_sub(patience),
        };
        let mut sorted = Sorted::of(batches, expired_ms, &self.parts.tracer);
        for (body, partition, reason) in std::mem::take(&mut sorted.malformed) {
            let letter = DeadLetter::of_body(body, partition, &reason, now_ms);
            self.parts.dead_letters.put(letter).await;
        }
        let mut batch = OutgoingBatch::default();
        for asker in std::mem::take(&mut sorted.unknown) {
            self.answers.tell(&asker, Settled::Unknown, &mut batch.outgoing);
        }
        sorted.reject(self.parts.quotas.take(&sorted.operations, now_ms));
        let rejected = std::mem::take(&mut sorted.rejected);
        self.reject(rejected, is_redelivered, &mut batch.outgoing).await;
        if !sorted.operations.is_empty() {
            self.append(&sorted, is_redelivered, now_ms, &mut batch).await;
        }
        sorted.spans.clear();
        let cache = &mut self.log.cache;
        sorted.ephemeral.run(&self.parts.ephemeral, cache, now_ms, &mut batch.outgoing).await;
        cache.trim();
        batch
    }

    /// Appends the operations of a batch and adds what is to be told of them.
    async fn append(
        &mut self,
        sorted: &Sorted,
        is_redelivered: bool,
        now_ms: u64,
        batch: &mut OutgoingBatch,
    ) {
        let started = Instant::now();
        self.parts.metrics.batch_frames.observe(sorted.operations.len() as f64);
        let mut settled = self.log.append(&sorted.operations, is_redelivered, now_ms).await;
        self.only_missing(&mut settled).await;
        self.parts.metrics.append_seconds.observe(started.elapsed().as_secs_f64());
        batch.committed_at = Some(Instant::now());
        let mut hiding = Vec::new();
        for (place, settled) in settled.into_iter().enumerate() {
            if let Settled::Stored(entry, _) = &settled
                && narrowed::hides(entry)
            {
                hiding.push(entry.author.id.clone());
            }
            if let Settled::Poisoned(reason) = &settled
                && let Some(letter) = sorted.letter(place, reason, now_ms)
            {
                self.parts.dead_letters.put(letter).await;
            }
            self.answers.tell(&sorted.askers[place], settled, &mut batch.outgoing);
        }
        for user_id in &hiding {
            narrowed::tell(&*self.parts.store, user_id, &mut batch.outgoing).await;
        }
        batch.located_early = self.log.located_early.take();
    }

    /// Answers frames that are no operations.
    async fn reject(
        &mut self,
        rejected: Vec<(Asker, Rejected)>,
        is_redelivered: bool,
        outgoing: &mut Vec<Outgoing>,
    ) {
        let asked = rejected.iter().filter_map(|(_, rejected)| rejected.earlier.as_ref());
        let keys: Vec<_> = asked.map(|asked| (asked.actor.clone(), asked.client_id)).collect();
        let (earlier, conversations) = match self.earlier_of(keys).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "refused frames may have been stored before");
                for (asker, rejected) in rejected {
                    let settled = match rejected.earlier {
                        Some(_) => Settled::Unavailable(Stored::Unknown),
                        None => Settled::Refused(rejected.refusal),
                    };
                    self.answers.tell(&asker, settled, outgoing);
                }
                return;
            }
        };
        let (askers, mut settled): (Vec<_>, Vec<_>) = rejected
            .into_iter()
            .map(|(asker, rejected)| {
                let settled =
                    repeats::settle_rejected(rejected, &earlier, &conversations, is_redelivered);
                (asker, settled)
            })
            .unzip();
        for snapshot in conversations.into_values().flatten() {
            self.log.cache.put(snapshot);
        }
        self.only_missing(&mut settled).await;
        for (asker, settled) in askers.iter().zip(settled) {
            if matches!(&settled, Settled::Refused(refusal) if refusal.code == ErrorCode::Expired) {
                undelivered::expired(&self.parts.moments, asker);
            }
            self.answers.tell(asker, settled, outgoing);
        }
    }

    async fn only_missing(&self, settled: &mut [Settled]) {
        let large = self.parts.config.large_members;
        repeats::only_missing(&*self.parts.store, large, settled).await;
    }

    async fn earlier_of(
        &mut self,
        keys: Vec<(UserId, ClientId)>,
    ) -> Result<(Earlier, Conversations), StoreError> {
        if keys.is_empty() {
            return Ok((Earlier::new(), Conversations::new()));
        }
        let earlier = repeats::found(&*self.parts.store, keys).await?;
        let keys: Vec<_> = earlier.values().map(|stored| stored.conversation).collect();
        let conversations = self.log.conversations(keys.into_iter()).await?;
        Ok((earlier, conversations))
    }

    /// Puts frames among the dead letters that are not to be worked on again, and says so to their senders; what is
    /// stored of them nevertheless is answered as ever.
    pub(super) async fn give_up(&mut self, taken: Taken, reason: &str) -> OutgoingBatch {
        let now_ms = now_ms();
        // After a panic nobody knows what it left behind.
        self.log.cache.clear();
        let Taken { delivery, partition } = taken;
        let mut batch = OutgoingBatch::default();
        if let Original::Malformed { body, .. } = delivery.original {
            let letter = DeadLetter::of_body(body, partition, reason, now_ms);
            self.parts.dead_letters.put(letter).await;
            return batch;
        }
        let sent_ms = delivery.batch.oldest_ms;
        let gateway = delivery.batch.gateway.unwrap_or_default();
        for frame in delivery.batch.frames {
            let is_something = frame.body.is_some() || !frame.client_id.is_empty();
            if let Some(origin) = frame.origin.clone().filter(|_| is_something) {
                let reference = Reference {
                    reference: frame.r#ref.clone(),
                    client_id: frame.client_id.clone(),
                };
                let stored = self.stored(&origin.user_id, &reference.client_id).await;
                let asker = Asker {
                    gateway: Arc::new(gateway.clone()),
                    origin,
                    traceparent: String::new(),
                    reference,
                    sent_ms,
                };
                batch.outgoing.push(self.answers.given_up(&asker, stored));
            }
            let gateway = Some(gateway.clone());
            let letter = DeadLetter::of_frame(gateway, frame, partition, reason, now_ms);
            self.parts.dead_letters.put(letter).await;
        }
        batch
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
}
