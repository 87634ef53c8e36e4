//! Compares what is stored of messages with what their logs say: a state is the fold of the entries that change the message.
//! Reads beside a running service and waits for nobody; must not append.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use platform::shutdown::Shutdown;
use proto::id::ConversationKey;

use crate::clock::now_ms;
use crate::domain::entry::{Entry, State};
use crate::metrics::ChatMetrics;
use crate::store::{ChatStore, StoreError};

/// Entries of a log that are looked at at once.
const WINDOW: u64 = 20_000;
/// States that are read at once.
const STATES: u32 = 1_000;
/// Conversations that are listed at once.
const CONVERSATIONS: u32 = 500;

/// A message whose state is not what its log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    pub conversation: ConversationKey,
    /// The message.
    pub seq: u64,
    /// What is stored; `None` where there is no row.
    pub stored: Option<State>,
    /// What the log says.
    pub folded: State,
    /// Where the state is as the log says, and rows of reactions are others than it counts: what those say.
    pub rows: Option<BTreeMap<String, u64>>,
}

/// What was compared in one conversation.
#[derive(Debug, Default)]
pub struct Verified {
    /// How many messages have been changed.
    pub messages: u64,
    pub mismatches: Vec<Mismatch>,
}

/// Compares all states of a conversation with its log.
pub async fn conversation(
    store: &dyn ChatStore,
    key: ConversationKey,
) -> Result<Verified, StoreError> {
    let (changes, head) = changes(store, key).await?;
    // Read after the log: they go as far as it at least.
    let mut states = states(store, key).await?;
    let mut verified = Verified::default();
    for (seq, entries) in changes {
        verified.messages += 1;
        let stored = states.remove(&seq);
        // It may have gone on while the log was read.
        let through = stored.as_ref().map_or(head, |state| state.as_of.max(head));
        let mut folded = State::default();
        entries.iter().filter(|entry| entry.seq <= through).for_each(|entry| folded.apply(entry));
        let went_on = stored.as_ref().is_some_and(|state| state.as_of > head);
        // Messages that were unpinned before states were written have none.
        let is_nothing = State { as_of: 0, ..folded.clone() } == State::default();
        if stored.as_ref() != Some(&folded) && !went_on && !(stored.is_none() && is_nothing) {
            let rows = None;
            verified.mismatches.push(Mismatch { conversation: key, seq, stored, folded, rows });
        } else if folded.tallied && !went_on {
            verified.mismatches.extend(miscounted(store, key, seq, folded).await?);
        }
    }
    // States of messages that no entry changes.
    let unfounded = states.into_iter().filter(|(_, state)| state.as_of <= head);
    verified.mismatches.extend(unfounded.map(|(seq, state)| {
        let folded = State { as_of: state.as_of, ..State::default() };
        Mismatch { conversation: key, seq, stored: Some(state), folded, rows: None }
    }));
    Ok(verified)
}

/// A message whose rows of reactions are others than its state counts, though they are not to be counted any more.
async fn miscounted(
    store: &dyn ChatStore,
    key: ConversationKey,
    seq: u64,
    folded: State,
) -> Result<Option<Mismatch>, StoreError> {
    let counted = store.counted(key, seq).await?.unwrap_or_default();
    let is_other = counted.reactions != folded.counts();
    // What changed it since is looked at another time.
    if counted.is_due || counted.as_of != folded.as_of || !is_other {
        return Ok(None);
    }
    let (stored, rows) = (Some(folded.clone()), Some(counted.reactions));
    Ok(Some(Mismatch { conversation: key, seq, stored, folded, rows }))
}

/// The entries that change messages, by message, and the head up to which they were read.
async fn changes(
    store: &dyn ChatStore,
    key: ConversationKey,
) -> Result<(BTreeMap<u64, Vec<Entry>>, u64), StoreError> {
    let (mut changes, mut after): (BTreeMap<u64, Vec<Entry>>, u64) = (BTreeMap::new(), 0);
    loop {
        let through = after + WINDOW;
        let (entries, head) = store.change_entries(key, after, through).await?;
        for entry in entries {
            for seq in entry.changes() {
                changes.entry(seq).or_default().push(entry.clone());
            }
        }
        if through >= head {
            return Ok((changes, head));
        }
        after = through;
    }
}

async fn states(
    store: &dyn ChatStore,
    key: ConversationKey,
) -> Result<BTreeMap<u64, State>, StoreError> {
    let mut states = BTreeMap::new();
    loop {
        let after = states.last_key_value().map_or(0, |(seq, _)| *seq);
        let found = store.states_after(key, after, STATES).await?;
        let is_last = found.len() < STATES as usize;
        states.extend(found);
        if is_last {
            return Ok(states);
        }
    }
}

/// What a walk over conversations came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    pub conversations: u64,
    /// Messages that were changed.
    pub messages: u64,
    pub mismatches: u64,
    /// Those of them that were given the state that the log says.
    pub mended: u64,
}

/// Compares one conversation, or those of all tenants one after the other, says what is not as the log says, and stores what the
/// log says where that is asked for.
pub async fn walk(
    store: &dyn ChatStore,
    only: Option<ConversationKey>,
    mend: bool,
    mut say: impl FnMut(&Mismatch),
) -> Result<Totals, StoreError> {
    let (mut totals, mut after) = (Totals::default(), None);
    loop {
        let keys = match only {
            Some(key) => vec![key],
            None => store.conversations_after(after, CONVERSATIONS).await?,
        };
        after = keys.last().copied();
        let is_last = only.is_some() || keys.len() < CONVERSATIONS as usize;
        for key in keys {
            let verified = conversation(store, key).await?;
            totals.conversations += 1;
            totals.messages += verified.messages;
            for mismatch in verified.mismatches {
                say(&mismatch);
                totals.mismatches += 1;
                if mend {
                    mended(store, &mismatch).await?;
                    totals.mended += 1;
                }
            }
        }
        if is_last {
            return Ok(totals);
        }
    }
}

/// Stores what the log says; where rows say something else the log is told of them by the next tally.
async fn mended(store: &dyn ChatStore, mismatch: &Mismatch) -> Result<(), StoreError> {
    let Mismatch { conversation, seq, folded, .. } = mismatch;
    if mismatch.rows.is_some() {
        return store.count_at(*conversation, *seq, now_ms()).await;
    }
    store.mend(*conversation, *seq, folded).await
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { conversation, seq, stored, folded, rows } = self;
        let tenant = conversation.tenant.as_str();
        write!(f, "tenant {tenant}, conversation {}, message {seq}: ", conversation.id)?;
        match stored {
            Some(_) if rows.is_some() => {
                write!(f, "the reactions that are stored are others than were told last")
            }
            Some(state) if state.as_of == folded.as_of => {
                write!(f, "the state as of {} is not what the log says", state.as_of)
            }
            Some(state) => {
                write!(
                    f,
                    "the state is as of {}, the log has changes to {}",
                    state.as_of, folded.as_of
                )
            }
            None => write!(f, "there is no state, the log has changes to {}", folded.as_of),
        }
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { conversations, messages, mismatches, mended } = self;
        write!(
            f,
            "{messages} changed messages of {conversations} conversations compared with their logs: {mismatches} differ, {mended} mended"
        )
    }
}

/// Compares one conversation after the other, all the time, with a pause between two.
pub(crate) async fn keep(
    store: Arc<dyn ChatStore>,
    metrics: ChatMetrics,
    pause: Duration,
    shutdown: Shutdown,
) {
    let mut after = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.begun() => return,
        }
        // Not inside the select: a database future is never cancelled half-way.
        match next(&*store, after, &metrics).await {
            Ok(key) => after = key,
            Err(error) => tracing::debug!(%error, "states are compared with their logs later"),
        }
    }
}

/// Compares the conversation after one; which that is, `None` behind the last.
async fn next(
    store: &dyn ChatStore,
    after: Option<ConversationKey>,
    metrics: &ChatMetrics,
) -> Result<Option<ConversationKey>, StoreError> {
    let Some(key) = store.conversations_after(after, 1).await?.first().copied() else {
        return Ok(None);
    };
    let verified = conversation(store, key).await?;
    metrics.states_verified.inc_by(verified.messages);
    for mismatch in verified.mismatches {
        metrics.state_mismatches.inc();
        tracing::error!(%mismatch, "what is stored of a message is not what its log says; see `verify`");
    }
    Ok(Some(key))
}
