//! The append step: frames in, rows committed, things to tell out.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bus::FrameDelivery;
use platform::trace::MessageSpan;
use proto::bus::{DeviceType, frame::Body};
use proto::error_code::{ErrorCode, Stored};
use proto::id::EntryId;
use proto::partition::{self, Partition};

use super::cache::Cache;
use super::ephemeral::Ephemeral;
use super::message::{self, Asker, Outgoing};
use super::{LaneParts, retry_backoff};
use crate::directory::Located;
use crate::domain::conversation::Refusal;
use crate::domain::entry::{EntryRow, Snapshot};
use crate::domain::operation::{self, Operation};
use crate::domain::plan::{Audience, Conversations, Earlier, Outcome, Plan, plan};
use crate::metrics::OutcomeKind;
use crate::planted::{self, LateCommit};
use crate::store::{AppendBatch, AppendError, StoreError};

/// A batch that is committed or refused, with everything there is to tell.
#[derive(Debug, Default)]
pub struct Appended {
    /// In the order in which each receiver must hear it.
    pub outgoing: Vec<Outgoing>,
    /// Where recipients were before the commit: of a planted bug only.
    pub located_early: Option<Located>,
}

/// The append half of a lane.
pub struct Appender {
    parts: LaneParts,
    cache: Cache,
    /// False after a batch found the database away: the next ones are not kept waiting for it.
    is_store_up: bool,
    /// Of planted bugs only.
    late: LateCommit,
    located_early: Option<Located>,
}

/// What became of one operation.
enum Settled {
    Stored(EntryRow, Audience),
    Repeated(EntryRow, Audience),
    Refused(Refusal),
    Unavailable(Stored),
    Panicked,
}

/// Attempts after which a contended conversation is given some air.
const QUICK_ATTEMPTS: u32 = 3;

impl Appender {
    /// A lane that remembers nothing yet.
    pub fn new(parts: LaneParts) -> Self {
        let cache = Cache::new(parts.config.cached_conversations, parts.config.cached_members);
        Self { parts, cache, is_store_up: true, late: LateCommit::default(), located_early: None }
    }

    /// Most frames of a batch.
    pub fn batch_frames(&self) -> usize {
        self.parts.config.batch_frames
    }

    /// Forgets what it remembers of partitions that come back from elsewhere.
    pub fn forget(&mut self, partitions: &[Partition]) {
        if !partitions.is_empty() {
            let count = self.parts.bus.partitions();
            self.cache.forget(|id| partitions.contains(&partition::of_conversation(id, count)));
        }
    }

    /// Appends one batch. Returns when it is committed, or its senders are to be told why not.
    pub async fn step(&mut self, batches: Vec<FrameDelivery>) -> Appended {
        let now_ms = unix_ms();
        let is_redelivered = batches.iter().any(|batch| batch.redelivered);
        let mut sorted = self.sort(batches);
        let outgoing = std::mem::take(&mut sorted.refused);
        let mut appended = Appended { outgoing, ..Appended::default() };
        if !sorted.operations.is_empty() {
            let started = Instant::now();
            self.parts.metrics.batch_frames.observe(sorted.operations.len() as f64);
            let settled = self.append(&sorted.operations, is_redelivered, now_ms).await;
            self.parts.metrics.append_seconds.observe(started.elapsed().as_secs_f64());
            for (asker, settled) in sorted.askers.iter().zip(settled) {
                self.tell(asker, settled, &mut appended.outgoing);
            }
            appended.located_early = self.located_early.take();
        }
        sorted.spans.clear();
        sorted.ephemeral.run(&self.parts, &mut self.cache, now_ms, &mut appended.outgoing).await;
        self.cache.trim();
        appended
    }

    fn sort(&self, batches: Vec<FrameDelivery>) -> Sorted {
        let mut sorted = Sorted::default();
        for delivery in batches {
            let gateway = Arc::new(delivery.batch.gateway.unwrap_or_default());
            for frame in delivery.batch.frames {
                let (Some(origin), Some(body)) = (frame.origin, frame.body) else { continue };
                let span = self.parts.tracer.child("chat.append", &frame.traceparent);
                let asker = Asker {
                    gateway: Arc::clone(&gateway),
                    device_type: wanted_device(&body),
                    traceparent: span.traceparent(),
                    reference: operation::reference(&body),
                    origin,
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
                    }
                    Some(Err(refusal)) => {
                        self.parts.metrics.operation(OutcomeKind::Refused);
                        sorted.refused.push(message::refused(&asker, &refusal));
                    }
                    None => {}
                }
            }
        }
        sorted
    }

    fn tell(&self, asker: &Asker, settled: Settled, outgoing: &mut Vec<Outgoing>) {
        let metrics = &self.parts.metrics;
        match settled {
            Settled::Stored(entry, audience) | Settled::Repeated(entry, audience) => {
                outgoing.push(message::sent(asker, &entry));
                outgoing.extend(message::entry(asker, entry, audience));
            }
            Settled::Refused(refusal) => {
                metrics.operation(OutcomeKind::Refused);
                outgoing.push(message::refused(asker, &refusal));
            }
            Settled::Unavailable(stored) => {
                metrics.operation(OutcomeKind::Unavailable);
                let text = "the message store is away; send again with the same client id";
                let retry = Some(self.parts.config.retry_after_ms);
                outgoing.push(message::error(asker, ErrorCode::Unavailable, text, stored, retry));
            }
            Settled::Panicked => {
                metrics.operation(OutcomeKind::Panicked);
                let text = "this request broke something in the server; it is logged";
                outgoing.push(message::error(asker, ErrorCode::Internal, text, Stored::No, None));
            }
        }
    }

    /// Settles every operation of a batch, in order.
    async fn append(
        &mut self,
        operations: &[Operation],
        look_up: bool,
        now_ms: u64,
    ) -> Vec<Settled> {
        match self.append_whole(operations, look_up, now_ms).await {
            Ok(settled) => settled,
            // One of them is poison. Alone it is told so; in a batch it is found by halving.
            Err(Poisoned) if operations.len() == 1 => {
                let operation = &operations[0];
                tracing::error!(
                    conversation.id = %operation.conversation_id,
                    user.id = %operation.actor,
                    "an operation cannot be planned or stored"
                );
                vec![Settled::Panicked]
            }
            Err(Poisoned) => {
                let (one, other) = operations.split_at(operations.len() / 2);
                let mut settled = Box::pin(self.append(one, look_up, now_ms)).await;
                settled.extend(Box::pin(self.append(other, look_up, now_ms)).await);
                settled
            }
        }
    }

    async fn append_whole(
        &mut self,
        operations: &[Operation],
        mut look_up: bool,
        now_ms: u64,
    ) -> Result<Vec<Settled>, Poisoned> {
        let patience = if self.is_store_up { self.parts.config.append_deadline_ms } else { 0 };
        let deadline = Instant::now() + Duration::from_millis(patience);
        let (mut backoff, mut attempts, mut stored) = (retry_backoff(), 0, Stored::No);
        loop {
            attempts += 1;
            match self.attempt(operations, look_up, now_ms).await {
                Ok(settled) => {
                    self.is_store_up = true;
                    return Ok(settled);
                }
                Err(Attempt::Poisoned) => return Err(Poisoned),
                Err(Attempt::Conflict) => {
                    self.parts.metrics.conflicts.inc();
                    if attempts > QUICK_ATTEMPTS {
                        tokio::time::sleep(backoff.next_delay()).await;
                    }
                }
                Err(Attempt::Away { reason, is_unknown }) => {
                    if is_unknown {
                        stored = Stored::Unknown;
                    }
                    if Instant::now() >= deadline {
                        self.is_store_up = false;
                        tracing::warn!(
                            reason,
                            operations = operations.len(),
                            "senders are told to come again"
                        );
                        return Ok(operations
                            .iter()
                            .map(|_| Settled::Unavailable(stored))
                            .collect());
                    }
                    tokio::time::sleep(backoff.next_delay()).await;
                }
            }
            // Whatever went wrong, part of the batch may be stored by now, by us or by somebody else.
            look_up = true;
        }
    }

    async fn attempt(
        &mut self,
        operations: &[Operation],
        look_up: bool,
        now_ms: u64,
    ) -> Result<Vec<Settled>, Attempt> {
        let mut conversations = self.conversations(operations).await?;
        let look_up = look_up && !planted::DUPLICATE_CHECK_OFF;
        let earlier = if look_up { self.earlier(operations).await? } else { Earlier::new() };
        let planned = catch_unwind(AssertUnwindSafe(|| {
            plan(operations, &mut conversations, &earlier, now_ms, &mut EntryId::generate)
        }));
        let Ok(plan) = planned else { return Err(Attempt::Poisoned) };
        let (batch, outcomes) = rows(plan);
        if planted::LOCATE_BEFORE_COMMIT {
            let directory = &*self.parts.directory;
            self.located_early = planted::locate_early(directory, &conversations).await;
        }
        if planted::ACK_BEFORE_COMMIT {
            self.late.begin(&self.parts.store, &batch).await;
        } else if batch != AppendBatch::default() {
            self.parts.store.append(&batch).await.map_err(|error| match error {
                AppendError::Conflict => Attempt::Conflict,
                AppendError::Invalid(_) => Attempt::Poisoned,
                AppendError::NotStored(_) => {
                    Attempt::Away { reason: error.to_string(), is_unknown: false }
                }
                AppendError::Unknown(_) => {
                    Attempt::Away { reason: error.to_string(), is_unknown: true }
                }
            })?;
        }
        for snapshot in conversations.into_values().flatten() {
            self.cache.put(snapshot);
        }
        Ok(self.settle(batch.entries, outcomes))
    }

    fn settle(&self, entries: Vec<EntryRow>, outcomes: Vec<Outcome>) -> Vec<Settled> {
        let mut entries: Vec<Option<EntryRow>> = entries.into_iter().map(Some).collect();
        let settle = |outcome| match outcome {
            Outcome::Stored { entry, audience } => match entries[entry].take() {
                Some(row) => {
                    self.parts.metrics.operation(OutcomeKind::Stored);
                    Settled::Stored(row, audience)
                }
                // Each entry is of one operation only.
                None => Settled::Panicked,
            },
            Outcome::Repeated { entry, audience } => {
                self.parts.metrics.operation(OutcomeKind::Repeated);
                Settled::Repeated(*entry, audience)
            }
            Outcome::Refused(refusal) => Settled::Refused(refusal),
        };
        outcomes.into_iter().map(settle).collect()
    }

    /// The batch's conversations, from memory or from the store.
    async fn conversations(
        &mut self,
        operations: &[Operation],
    ) -> Result<Conversations, StoreError> {
        let mut conversations = Conversations::with_capacity(operations.len());
        let mut missing = Vec::new();
        for operation in operations {
            let id = operation.conversation_id;
            if conversations.contains_key(&id) {
                continue;
            }
            let remembered = self.cache.take(id);
            if remembered.is_none() {
                missing.push(id);
            }
            conversations.insert(id, remembered);
        }
        if !missing.is_empty() {
            let loaded: Vec<Option<Snapshot>> = self.parts.store.load(&missing).await?;
            conversations.extend(missing.into_iter().zip(loaded));
        }
        Ok(conversations)
    }

    async fn earlier(&self, operations: &[Operation]) -> Result<Earlier, StoreError> {
        let keys: Vec<_> = operations
            .iter()
            .map(|operation| (operation.actor.clone(), operation.client_id))
            .collect();
        let found = self.parts.store.find_client_ids(&keys).await?;
        let found: HashMap<_, _> =
            keys.into_iter().zip(found).filter_map(|(key, stored)| Some((key, stored?))).collect();
        Ok(found)
    }
}

/// An operation makes the planner panic or the database refuse.
struct Poisoned;

/// Why an attempt did not succeed.
enum Attempt {
    Conflict,
    Poisoned,
    Away { reason: String, is_unknown: bool },
}

impl From<StoreError> for Attempt {
    fn from(error: StoreError) -> Self {
        Self::Away { reason: error.to_string(), is_unknown: false }
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
    refused: Vec<Outgoing>,
    ephemeral: Ephemeral,
}

fn wanted_device(body: &Body) -> DeviceType {
    match body {
        Body::Send(send) => send.device_type(),
        _ => DeviceType::Unspecified,
    }
}

fn rows(plan: Plan) -> (AppendBatch, Vec<Outcome>) {
    let mut batch = AppendBatch {
        entries: plan.entries,
        conversations: plan.conversations.into_values().collect(),
        ..AppendBatch::default()
    };
    for ((conversation_id, user_id), row) in plan.members {
        match row {
            Some(row) => batch.members_set.push(row),
            None => batch.members_removed.push((conversation_id, user_id)),
        }
    }
    (batch, plan.outcomes)
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
