//! One batch of operations against the store: planned, appended, and tried again when another writer was
//! first or the database is away. What cannot be planned or stored is found by halving.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use proto::error_code::Stored;
use proto::id::{ConversationId, ConversationKey, EntryId};

use super::append::Appender;
use super::{guarded, retry_backoff};
use crate::domain::conversation::Refusal;
use crate::domain::entry::{EntryRow, Snapshot, StoredOperation};
use crate::domain::operation::Operation;
use crate::domain::plan::{Audience, Conversations, Earlier, Outcome, Plan, plan};
use crate::metrics::OutcomeKind;
use crate::planted;
use crate::store::{AppendBatch, AppendError, StoreError};

/// What became of one operation.
#[expect(
    clippy::large_enum_variant,
    reason = "most are stored: a box would be an allocation a message"
)]
pub(super) enum Settled {
    Stored(EntryRow, Audience),
    Repeated {
        stored: Box<StoredOperation>,
        audience: Audience,
        /// This very frame may have been stored before, without a push.
        is_replay: bool,
    },
    /// The head of the log that says so.
    Unchanged(ConversationId, u64),
    Refused(Refusal),
    Unavailable(Stored),
    /// With what went wrong.
    Poisoned(String),
}

/// Attempts after which a contended conversation is given some air.
const QUICK_ATTEMPTS: u32 = 3;

impl Appender {
    /// Settles every operation of a batch, in order.
    pub(super) async fn append(
        &mut self,
        operations: &[Operation],
        look_up: bool,
        now_ms: u64,
    ) -> Vec<Settled> {
        match self.append_whole(operations, look_up, now_ms).await {
            Ok(settled) => settled,
            // One of them is poison. Alone it is told so; in a batch it is found by halving.
            Err(Poisoned(reason)) if operations.len() == 1 => vec![Settled::Poisoned(reason)],
            Err(Poisoned(_)) => {
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
        let is_redelivered = look_up;
        loop {
            attempts += 1;
            match self.attempt(operations, look_up, now_ms).await {
                Ok(mut settled) => {
                    self.is_store_up = true;
                    let may_be_ours = is_redelivered || stored == Stored::Unknown;
                    for settled in &mut settled {
                        if let Settled::Repeated { is_replay, .. } = settled {
                            *is_replay = may_be_ours;
                        }
                    }
                    return Ok(settled);
                }
                Err(Attempt::Poisoned(reason)) => return Err(Poisoned(reason)),
                Err(Attempt::Conflict) => {
                    self.parts.metrics.conflicts.inc();
                    if attempts > QUICK_ATTEMPTS {
                        tokio::time::sleep(backoff.next_delay()).await;
                    }
                }
                Err(Attempt::Away { reason, is_unknown }) => {
                    // Whoever answers next may be a replica that had not heard of the newest entries.
                    self.cache.clear();
                    self.parts.health.failed(&reason);
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
        let generation = self.parts.store.generation();
        if generation != self.generation {
            self.cache.clear();
            self.generation = generation;
        }
        let keys = operations.iter().map(Operation::conversation);
        let mut conversations = self.conversations(keys).await?;
        let look_up = look_up && !planted::DUPLICATE_CHECK_OFF;
        let earlier = if look_up { self.earlier(operations).await? } else { Earlier::new() };
        let closed = self.closed(operations, &conversations).await?;
        let planned = catch_unwind(AssertUnwindSafe(|| {
            let mut fresh = EntryId::generate;
            plan(operations, &mut conversations, &earlier, &closed, now_ms, &mut fresh)
        }));
        let mut plan = planned.map_err(|panic| {
            Attempt::Poisoned(format!("panicked: {}", guarded::said(panic.as_ref())))
        })?;
        if !look_up {
            self.find_repeats(operations, &mut plan.outcomes, &conversations).await?;
        }
        let (batch, outcomes) = rows(plan, generation);
        if planted::LOCATE_BEFORE_COMMIT {
            let directory = &*self.parts.directory;
            self.located_early = planted::locate_early(directory, &conversations).await;
        }
        if planted::ACK_BEFORE_COMMIT {
            self.late.begin(&self.parts.store, &batch).await;
        } else if !batch.is_empty() {
            self.parts.store.append(&batch).await.map_err(|error| match error {
                AppendError::Conflict => Attempt::Conflict,
                AppendError::Invalid(_) => Attempt::Poisoned(error.to_string()),
                AppendError::NotStored(_) => {
                    Attempt::Away { reason: error.to_string(), is_unknown: false }
                }
                AppendError::Unknown(_) => {
                    Attempt::Away { reason: error.to_string(), is_unknown: true }
                }
            })?;
            self.parts.health.appended();
            self.parts.commits.told();
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
                    self.parts.metrics.entry(&row.kind);
                    Settled::Stored(row, audience)
                }
                // Each entry is of one operation only.
                None => Settled::Poisoned("two operations for one entry".to_owned()),
            },
            Outcome::Repeated { stored, audience } => {
                self.parts.metrics.operation(OutcomeKind::Repeated);
                Settled::Repeated { stored, audience, is_replay: false }
            }
            Outcome::Unchanged { conversation_id, seq } => {
                self.parts.metrics.operation(OutcomeKind::Unchanged);
                Settled::Unchanged(conversation_id, seq)
            }
            Outcome::Refused(refusal) => Settled::Refused(refusal),
        };
        outcomes.into_iter().map(settle).collect()
    }

    /// The batch's conversations, from memory or from the store.
    pub(super) async fn conversations(
        &mut self,
        keys: impl ExactSizeIterator<Item = ConversationKey>,
    ) -> Result<Conversations, StoreError> {
        let mut conversations = Conversations::with_capacity(keys.len());
        let mut missing = Vec::new();
        for key in keys {
            if conversations.contains_key(&key) {
                continue;
            }
            let remembered = self.cache.take(key);
            if remembered.is_none() {
                missing.push(key);
            }
            conversations.insert(key, remembered);
        }
        if !missing.is_empty() {
            let loaded: Vec<Option<Snapshot>> = self.parts.store.load(&missing).await?;
            conversations.extend(missing.into_iter().zip(loaded));
        }
        Ok(conversations)
    }

    async fn earlier(&self, operations: &[Operation]) -> Result<Earlier, StoreError> {
        let keys =
            operations.iter().map(|operation| (operation.actor.clone(), operation.client_id));
        self.found(keys.collect()).await
    }
}

/// An operation makes the planner panic or the database refuse.
struct Poisoned(String);

/// Why an attempt did not succeed.
enum Attempt {
    Conflict,
    Poisoned(String),
    Away { reason: String, is_unknown: bool },
}

impl From<StoreError> for Attempt {
    fn from(error: StoreError) -> Self {
        Self::Away { reason: error.to_string(), is_unknown: false }
    }
}

fn rows(plan: Plan, generation: u64) -> (AppendBatch, Vec<Outcome>) {
    let mut batch = AppendBatch {
        generation,
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
