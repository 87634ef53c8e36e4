//! The conversations that a partition worker remembers. What is older than the store does no harm: the store refuses
//! what is planned with it. What is newer would (a database that went back), so everything is forgotten when the store
//! was away or another database answers.

use std::collections::HashMap;

use proto::id::ConversationKey;

use crate::domain::entry::Snapshot;

/// A bounded memory of conversations; when it is full, those used longest ago go first.
#[derive(Debug)]
pub(crate) struct Cache {
    conversations: HashMap<ConversationKey, Remembered>,
    members: usize,
    clock: u64,
    max_conversations: usize,
    max_members: usize,
}

#[derive(Debug)]
struct Remembered {
    snapshot: Snapshot,
    used_at: u64,
}

impl Cache {
    pub(crate) fn new(max_conversations: usize, max_members: usize) -> Self {
        Self { conversations: HashMap::new(), members: 0, clock: 0, max_conversations, max_members }
    }

    /// Takes a conversation out, to be planned with; put it back when the append succeeded.
    pub(crate) fn take(&mut self, key: ConversationKey) -> Option<Snapshot> {
        let remembered = self.conversations.remove(&key)?;
        self.members -= remembered.snapshot.members.len();
        Some(remembered.snapshot)
    }

    pub(crate) fn put(&mut self, snapshot: Snapshot) {
        self.clock += 1;
        self.members += snapshot.members.len();
        let remembered = Remembered { used_at: self.clock, snapshot };
        if let Some(replaced) = self.conversations.insert(remembered.snapshot.key, remembered) {
            self.members -= replaced.snapshot.members.len();
        }
    }

    /// Forgets the conversations that `is_meant`.
    pub(crate) fn forget(&mut self, is_meant: impl Fn(ConversationKey) -> bool) {
        let meant: Vec<_> =
            self.conversations.keys().copied().filter(|key| is_meant(*key)).collect();
        for key in meant {
            self.take(key);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.conversations.clear();
        self.members = 0;
    }

    /// Forgets down to half when full, so that the sorting is paid rarely.
    pub(crate) fn trim(&mut self) {
        if self.conversations.len() <= self.max_conversations && self.members <= self.max_members {
            return;
        }
        let mut by_age: Vec<_> =
            self.conversations.iter().map(|(key, remembered)| (remembered.used_at, *key)).collect();
        by_age.sort_unstable();
        for (_, key) in by_age {
            if self.conversations.len() <= self.max_conversations / 2
                && self.members <= self.max_members / 2
            {
                return;
            }
            self.take(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::{ConversationKind, Membership, Role};
    use proto::id::{ConversationId, TenantId, UserId};
    use std::sync::Arc;

    fn snapshot(members: usize) -> Snapshot {
        let member = Membership { role: Role::Member, from_seq: 1 };
        let members =
            (0..members).map(|n| (UserId::parse_qualified(&format!("u{n}")).unwrap(), member));
        Snapshot {
            key: ConversationKey::new(TenantId::DEFAULT, ConversationId::generate()),
            kind: ConversationKind::Group,
            title: String::new(),
            head: 0,
            created_at_ms: 0,
            members: Arc::new(members.collect()),
        }
    }

    #[test]
    fn a_full_cache_forgets_the_oldest_and_stays_within_both_bounds() {
        let mut cache = Cache::new(10, 100);
        let first = snapshot(2);
        let first_key = first.key;
        cache.put(first);
        let mut last = first_key;
        for _ in 0..10 {
            let next = snapshot(2);
            last = next.key;
            cache.put(next);
        }
        cache.trim();
        assert!(cache.conversations.len() <= 5);
        assert!(cache.take(first_key).is_none());
        assert!(cache.take(last).is_some());
        cache.put(snapshot(1_000));
        cache.trim();
        assert!(cache.members <= 50, "{}", cache.members);
    }

    #[test]
    fn what_is_forgotten_is_loaded_again_and_no_longer_counted() {
        let mut cache = Cache::new(10, 100);
        let (one, other) = (snapshot(2), snapshot(3));
        let (one_key, other_key) = (one.key, other.key);
        cache.put(one);
        cache.put(other);
        cache.forget(|key| key == one_key);
        assert_eq!(cache.members, 3);
        assert!(cache.take(one_key).is_none());
        assert!(cache.take(other_key).is_some());
    }

    #[test]
    fn equal_ids_of_two_tenants_are_two_conversations() {
        let mut cache = Cache::new(10, 100);
        let ours = snapshot(2);
        let mut theirs = snapshot(3);
        theirs.key = ConversationKey::new(TenantId::parse("acme").unwrap(), ours.key.id);
        let (our_key, their_key) = (ours.key, theirs.key);
        cache.put(ours);
        assert!(cache.take(their_key).is_none());
        cache.put(theirs);
        assert_eq!(cache.take(our_key).unwrap().members.len(), 2);
        assert_eq!(cache.take(their_key).unwrap().members.len(), 3);
    }
}
