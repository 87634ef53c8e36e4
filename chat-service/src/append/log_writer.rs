//! One batch of operations against the store: planned, appended, and tried again when another writer was
//! first or the database is away. What cannot be planned or stored is found by halving.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use proto::error_code::Stored;
use proto::id::{ConversationId, ConversationKey, EntryId, UserId};

use super::answers::Settled;
use super::newcomers::closed;
use super::parts::AppendParts;
use super::planted::{LateCommit, locate_early};
use super::repeats;
use super::sources::sources;
use super::tallies::tallies;
use crate::delivery::locate::Located;
use crate::domain::cache::Cache;
use crate::domain::entry::{Entry, FollowRow, Snapshot, StateRow, TargetKey, Targets};
use crate::domain::own::Facts;
use crate::metrics::OutcomeKind;
use crate::operations::Operation;
use crate::operations::plan::{Conversations, Earlier, Known, Outcome, Plan, plan};
use crate::store::{AppendBatch, AppendError, StoreError};
use crate::{panics, planted, retry};

/// Attempts after which a contended conversation is given some air.
const QUICK_ATTEMPTS: u32 = 3;

/// Writes operations to the log; one for each partition worker.
pub(super) struct LogWriter {
    parts: AppendParts,
    /// What the worker remembers of conversations.
    pub(super) cache: Cache,
    /// Of the store, when what the cache holds was loaded.
    generation: u64,
    /// False after a batch found the database away: the next ones are not kept waiting for it.
    is_store_up: bool,
    /// Of planted bugs only.
    late: LateCommit,
    pub(super) located_early: Option<Located>,
}

impl LogWriter {
    /// One that remembers nothing yet.
    pub(super) fn new(parts: AppendParts) -> Self {
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
        let (mut backoff, mut attempts, mut stored) = (retry::backoff(), 0, Stored::No);
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
                    // The next answer may come from a replica that had not heard of the newest entries.
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
        let early =
            if planted::STALE_TARGET { Some(self.targets(operations).await?) } else { None };
        let keys = operations.iter().map(Operation::conversation);
        let mut conversations = self.conversations(keys).await?;
        let look_up = look_up && !planted::DUPLICATE_CHECK_OFF;
        let earlier = if look_up { self.earlier(operations).await? } else { Earlier::new() };
        let closed = closed(&self.parts, operations, &conversations).await?;
        let targets = match early {
            Some(early) => early,
            None => self.targets(operations).await?,
        };
        let tallies = tallies(&*self.parts.store, operations, &targets).await?;
        let own = self.own(operations).await?;
        let sources = sources(&*self.parts.store, operations).await?;
        let messages = self.parts.messages;
        let large_members = self.parts.config.large_members;
        let mut known =
            Known { earlier, closed, targets, sources, tallies, messages, large_members, own };
        let planned = catch_unwind(AssertUnwindSafe(|| {
            let mut fresh = EntryId::generate;
            plan(operations, &mut conversations, &mut known, now_ms, &mut fresh)
        }));
        let mut plan = planned.map_err(|panic| {
            Attempt::Poisoned(format!("panicked: {}", panics::message(panic.as_ref())))
        })?;
        if !look_up {
            let (store, outcomes) = (&*self.parts.store, &mut plan.outcomes);
            repeats::find_repeats(store, operations, outcomes, &conversations).await?;
        }
        let (batch, outcomes) = rows(plan, generation);
        if planted::LOCATE_BEFORE_COMMIT {
            let directory = &*self.parts.directory;
            self.located_early = locate_early(directory, &conversations).await;
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

    fn settle(&self, entries: Vec<Entry>, outcomes: Vec<Outcome>) -> Vec<Settled> {
        let mut entries: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
        let settle = |outcome| match outcome {
            Outcome::Stored { entry, audience } => match entries[entry].take() {
                Some(row) => {
                    self.parts.metrics.operation(OutcomeKind::Stored);
                    self.parts.metrics.entry(row.body.kind());
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
            Outcome::Tallied { conversation_id, seq } => {
                self.parts.metrics.operation(OutcomeKind::Tallied);
                Settled::Tallied(conversation_id, seq)
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

    /// What the operations change. Asked after the conversations, so that a head that still fits at append time proves
    /// it; a batch that changes nothing asks nothing.
    async fn targets(&self, operations: &[Operation]) -> Result<Targets, StoreError> {
        // Each once: what one operation has to know of it, another may have no need of.
        let mut wanted: HashMap<_, TargetKey> = HashMap::new();
        for key in operations.iter().flat_map(Operation::targets) {
            let known = wanted.entry((key.conversation, key.seq)).or_insert(key);
            known.with_edits |= key.with_edits;
        }
        if wanted.is_empty() {
            return Ok(Targets::default());
        }
        let keys: Vec<_> = wanted.into_values().collect();
        self.parts.store.load_targets(&keys).await
    }

    /// What the operations set. Asked after the conversations, like targets.
    async fn own(&self, operations: &[Operation]) -> Result<Facts, StoreError> {
        let places: Vec<_> = operations.iter().filter_map(Operation::own).collect();
        let drafts: Vec<_> = operations.iter().filter_map(Operation::draft).collect();
        let mut facts = Facts::default();
        if !places.is_empty() {
            facts = self.parts.store.own_facts(&places).await?;
        }
        if !drafts.is_empty() {
            facts.drafts = self.parts.store.draft_facts(&drafts).await?;
        }
        Ok(facts)
    }

    async fn earlier(&self, operations: &[Operation]) -> Result<Earlier, StoreError> {
        let keys =
            operations.iter().map(|operation| (operation.actor.clone(), operation.client_id));
        repeats::found(&*self.parts.store, keys.collect()).await
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

fn follow_key(row: &FollowRow) -> (&UserId, ConversationId, u64) {
    (&row.user_id, row.conversation_id, row.thread)
}

fn rows(plan: Plan, generation: u64) -> (AppendBatch, Vec<Outcome>) {
    let mut batch = AppendBatch {
        generation,
        entries: plan.entries,
        conversations: plan.conversations.into_values().collect(),
        follows: plan.follows.into_values().collect(),
        acts: plan.acts,
        ..AppendBatch::default()
    };
    // Those who set and those who write may follow the same threads: see below.
    batch.follows.sort_by(|one, other| follow_key(one).cmp(&follow_key(other)));
    for ((conversation_id, user_id), row) in plan.members {
        match row {
            Some(row) => batch.members_set.push(row),
            None => batch.members_removed.push((conversation_id, user_id)),
        }
    }
    for ((key, seq), pin) in plan.pins {
        batch.states.push(match pin {
            Some(pin) => StateRow::Pinned(pin),
            None => StateRow::Unpinned(key, seq),
        });
    }
    let mut states: Vec<_> = plan.states.into_iter().collect();
    // Two batches that write the same rows wait for each other, in whichever order they planned.
    states.sort_by_key(|((key, seq), _)| (key.tenant.as_str(), key.id.0, *seq));
    let states = states.into_iter().filter(|_| !planted::STATE_NOT_WRITTEN);
    let (mut dues, heads) = (plan.dues, plan.heads);
    batch.states.extend(states.map(|((key, seq), state)| {
        StateRow::Message(key, seq, state, dues.remove(&(key, seq)).flatten())
    }));
    batch.tallies_due.extend(dues.into_iter().map(|((key, seq), due_ms)| (key, seq, due_ms)));
    batch.heads.extend(heads);
    for (of, reaction) in plan.reactions {
        match reaction {
            Some(row) => batch.reactions_set.push(row),
            None => batch.reactions_removed.push(of),
        }
    }
    batch.blanked = plan.blanked;
    for (key, mention) in plan.mentions {
        match mention {
            Some(row) => batch.mentions.push(row),
            None => batch.mentions_removed.push(key),
        }
    }
    for ((user, place), setting) in plan.settings {
        match setting {
            Some(setting) => batch.settings_set.push(setting),
            None => batch.settings_removed.push((user, place)),
        }
    }
    for ((user, place), kept) in plan.drafts {
        match kept {
            Some(kept) => batch.drafts_set.push(kept),
            None => batch.drafts_removed.push((user, place)),
        }
    }
    (batch, plan.outcomes)
}
