//! Operations that come again: they are looked up before anything is refused, and what is stored is pushed once
//! more only to those to whom it may be missing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use proto::id::{ClientId, UserId};

use super::answers::Settled;
use crate::operations::plan::{Audience, Conversations, Earlier, Outcome, repeated};
use crate::operations::{Operation, Rejected};
use crate::planted;
use crate::store::{ChatStore, StoreError};

/// What was stored under these client ids.
pub(super) async fn found(
    store: &dyn ChatStore,
    keys: Vec<(UserId, ClientId)>,
) -> Result<Earlier, StoreError> {
    let found = store.find_client_ids(&keys).await?;
    Ok(keys.into_iter().zip(found).filter_map(|(key, stored)| Some((key, stored?))).collect())
}

/// Gives operations that are refused, or would change nothing, the answer that they had when they were
/// stored before. Without such operations nothing is asked of the database.
pub(super) async fn find_repeats(
    store: &dyn ChatStore,
    operations: &[Operation],
    outcomes: &mut [Outcome],
    conversations: &Conversations,
) -> Result<(), StoreError> {
    let open = operations.iter().zip(&*outcomes).filter(|(_, outcome)| outcome.may_be_repeat());
    let keys: Vec<_> = open.map(|(operation, _)| key(operation)).collect();
    if keys.is_empty() || planted::DUPLICATE_CHECK_OFF {
        return Ok(());
    }
    let earlier = found(store, keys).await?;
    if earlier.is_empty() {
        return Ok(());
    }
    for (operation, outcome) in operations.iter().zip(outcomes) {
        if outcome.may_be_repeat()
            && let Some(stored) = earlier.get(&key(operation))
            && let Some(first) = repeated(Some(operation.digest), stored, conversations)
        {
            *outcome = first;
        }
    }
    Ok(())
}

/// A frame that is refused before it is planned: one that was stored, under rules or rights of then, is answered as
/// it was then.
pub(super) fn settle_rejected(
    rejected: Rejected,
    earlier: &Earlier,
    conversations: &Conversations,
    is_redelivered: bool,
) -> Settled {
    let first = rejected.earlier.as_deref().and_then(|asked| {
        let stored = earlier.get(&(asked.actor.clone(), asked.client_id))?;
        repeated(asked.digest, stored, conversations)
    });
    match first {
        Some(Outcome::Repeated { stored, audience }) => {
            Settled::Repeated { stored, audience, is_replay: is_redelivered }
        }
        _ => Settled::Refused(rejected.refusal),
    }
}

/// Leaves in the audiences of repeats those whose devices have not acknowledged the entry. A frame that may
/// have been stored without a push is pushed to everybody; what a client repeats in a large conversation to
/// nobody: its members are told their heads.
pub(super) async fn only_missing(store: &dyn ChatStore, large: usize, settled: &mut [Settled]) {
    let mut keys = HashSet::new();
    for settled in &mut *settled {
        let Settled::Repeated { stored, audience, is_replay: false } = settled else {
            continue;
        };
        if stored.entry.is_none() || audience.members.len() > large {
            *audience = Audience::default();
        } else if !audience.members.is_empty() {
            keys.insert(stored.conversation);
        }
    }
    if keys.is_empty() {
        return;
    }
    let keys: Vec<_> = keys.into_iter().collect();
    let delivered = store.delivered(&keys).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "repeats are answered and not pushed again");
        Vec::new()
    });
    let delivered: HashMap<_, _> =
        delivered.into_iter().map(|row| ((row.conversation_id, row.user_id), row.seq)).collect();
    for settled in settled {
        let Settled::Repeated { stored, audience, is_replay: false } = settled else {
            continue;
        };
        let is_missing = |user: &UserId| {
            let key = (stored.conversation.id, user.clone());
            delivered.get(&key).is_some_and(|seq| *seq < stored.seq)
        };
        let members = audience.members.iter().filter(|(user, _)| is_missing(user));
        audience.members =
            Arc::new(members.map(|(user, member)| (user.clone(), *member)).collect());
    }
}

fn key(operation: &Operation) -> (UserId, ClientId) {
    (operation.actor.clone(), operation.client_id)
}
