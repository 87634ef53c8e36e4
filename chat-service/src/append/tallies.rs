//! What operations have to know of reactions that are rows. A batch that reacts to no such message asks nothing.

use std::collections::{BTreeSet, HashMap};

use crate::domain::entry::Targets;
use crate::domain::tally::TallyKey;
use crate::operations::Operation;
use crate::operations::plan::Tallies;
use crate::store::{ChatStore, StoreError};

/// Of the messages that operations react to, each once. Asked after the targets.
pub(super) async fn tallies(
    store: &dyn ChatStore,
    operations: &[Operation],
    targets: &Targets,
) -> Result<Tallies, StoreError> {
    let mut wanted: HashMap<_, TallyKey> = HashMap::new();
    for operation in operations {
        let Some(counted) = operation.action.rule().counted() else { continue };
        let (conversation, seq) = (operation.conversation(), counted.seq);
        let Some(target) = targets.entries.get(&(conversation, seq)) else { continue };
        if !target.state.tallied {
            continue;
        }
        let (users, with_counts) = (BTreeSet::new(), false);
        let fresh = || TallyKey { conversation, seq, users, with_counts };
        let key = wanted.entry((conversation, seq)).or_insert_with(fresh);
        if !counted.is_tally {
            key.users.insert(operation.actor.name());
        }
        let is_new = counted.added.is_some_and(|it| !target.state.reactions.contains_key(it));
        key.with_counts |= counted.is_tally || is_new;
    }
    if wanted.is_empty() {
        return Ok(Tallies::new());
    }
    let keys: Vec<_> = wanted.into_values().collect();
    let found = store.load_tallies(&keys).await?;
    Ok(keys.into_iter().map(|key| (key.conversation, key.seq)).zip(found).collect())
}
