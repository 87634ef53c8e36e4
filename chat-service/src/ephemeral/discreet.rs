//! Whose receipts are told nobody, by what they set. Remembered for a minute, so that a moved cursor asks nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proto::id::UserId;
use tokio::time::Instant;

use crate::store::ChatStore;

/// How long what a user set is remembered.
const REMEMBERED: Duration = Duration::from_mins(1);
/// Users of whom it is remembered.
const MOST: usize = 100_000;

/// What is remembered. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Discreet(Arc<Mutex<HashMap<UserId, (Instant, bool)>>>);

impl Discreet {
    /// Those of these users whose receipts others are not told; also those of whom that cannot be read.
    pub(super) async fn among(&self, store: &dyn ChatStore, users: Vec<UserId>) -> HashSet<UserId> {
        let (mut hidden, mut unknown) = (HashSet::new(), Vec::new());
        {
            let known = self.0.lock();
            for user in users {
                match known.get(&user).filter(|(at, _)| at.elapsed() < REMEMBERED) {
                    Some((_, true)) => drop(hidden.insert(user)),
                    Some((_, false)) => {}
                    None => unknown.push(user),
                }
            }
        }
        if unknown.is_empty() {
            return hidden;
        }
        let set: HashMap<UserId, bool> = match store.privacy_of(&unknown).await {
            // Only members of the same conversation may be told.
            Ok(set) => set.into_iter().map(|(user, it)| (user, !it.receipts.has(true))).collect(),
            Err(error) => {
                tracing::debug!(%error, "receipts of some users are not told");
                hidden.extend(unknown);
                return hidden;
            }
        };
        let now = Instant::now();
        let mut known = self.0.lock();
        if known.len() + unknown.len() > MOST {
            known.clear();
        }
        for user in unknown {
            let is_hidden = set.get(&user).copied().unwrap_or_default();
            if is_hidden {
                hidden.insert(user.clone());
            }
            known.insert(user, (now, is_hidden));
        }
        hidden
    }
}
