//! Conversations in which somebody may still have to be told, by the time when that is decided. Pure.
//!
//! Holds conversations, not messages for each member: at its time one statement reads who lacks the newest of them. Bounded
//! by the follower, which reads no further while it is full.

use std::collections::{BTreeSet, HashMap};

use proto::id::ConversationKey;

use super::told::Told;
use crate::store::tail::Position;

/// Messages of a conversation that are kept: the newest.
const MESSAGES: usize = 64;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Wheel {
    waiting: HashMap<ConversationKey, Waiting>,
    due: BTreeSet<(u64, ConversationKey)>,
    /// The oldest position of each conversation, so that the least of all is known.
    positions: BTreeSet<(Position, ConversationKey)>,
}

/// A conversation that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) key: ConversationKey,
    /// By ascending seq; never empty.
    pub(super) told: Vec<Told>,
    /// Of the oldest message that is not decided, kept or not.
    pub(super) position: Position,
    due_ms: u64,
}

impl Wheel {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The oldest position of what is not decided.
    pub(super) fn oldest(&self) -> Option<Position> {
        self.positions.first().map(|(position, _)| *position)
    }

    /// A message that is to be decided at once.
    pub(super) fn add(&mut self, key: ConversationKey, told: Told) {
        let (position, due_ms) = (told.position, told.seen_ms);
        self.put(Waiting { key, told: vec![told], position, due_ms });
    }

    /// What waits longer: it is decided at a time, with what came meanwhile.
    pub(super) fn again(&mut self, mut waiting: Waiting, due_ms: u64, from_seq: u64) {
        waiting.told.retain(|told| told.seq >= from_seq);
        if let Some(first) = waiting.told.first() {
            waiting.position = first.position;
            waiting.due_ms = due_ms;
            self.put(waiting);
        }
    }

    /// A store that was away: everything of it is decided later.
    pub(super) fn put_back(&mut self, waiting: Waiting, due_ms: u64) {
        self.put(Waiting { due_ms, ..waiting });
    }

    fn put(&mut self, new: Waiting) {
        let key = new.key;
        let merged = match self.take(key) {
            None => new,
            Some(mut old) => {
                old.told.extend(new.told);
                old.told.sort_by_key(|told| told.seq);
                old.told.dedup_by_key(|told| told.seq);
                old.position = old.position.min(new.position);
                old.due_ms = old.due_ms.min(new.due_ms);
                old
            }
        };
        let mut waiting = merged;
        let surplus = waiting.told.len().saturating_sub(MESSAGES);
        waiting.told.drain(..surplus);
        self.due.insert((waiting.due_ms, key));
        self.positions.insert((waiting.position, key));
        self.waiting.insert(key, waiting);
    }

    fn take(&mut self, key: ConversationKey) -> Option<Waiting> {
        let waiting = self.waiting.remove(&key)?;
        self.due.remove(&(waiting.due_ms, key));
        self.positions.remove(&(waiting.position, key));
        Some(waiting)
    }

    /// A message was deleted: nobody is told of it any more, nor of an edit of it.
    pub(super) fn forget(&mut self, key: ConversationKey, seq: u64) {
        let Some(mut waiting) = self.take(key) else { return };
        waiting.told.retain(|told| told.seq != seq && told.target != Some(seq));
        if !waiting.told.is_empty() {
            self.put(waiting);
        }
    }

    /// The conversations that are due, `most` of them.
    pub(super) fn due(&mut self, now_ms: u64, most: usize) -> Vec<Waiting> {
        let keys: Vec<_> = self
            .due
            .iter()
            .take_while(|(due, _)| *due <= now_ms)
            .take(most)
            .map(|(_, key)| *key)
            .collect();
        keys.into_iter().filter_map(|key| self.take(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proto::id::{ConversationId, TenantId};

    use super::*;
    use crate::push::told::tests::told;

    fn key(n: u128) -> ConversationKey {
        ConversationKey::new(TenantId::DEFAULT, ConversationId(uuid::Uuid::from_u128(n)))
    }

    fn at(seq: u64, position: u64, seen_ms: u64) -> Told {
        Told { position: Position(position), ..told(seq, "ann", seen_ms) }
    }

    #[test]
    fn a_conversation_waits_once_with_all_of_its_messages() {
        let mut wheel = Wheel::default();
        wheel.add(key(1), at(5, 10, 100));
        wheel.add(key(2), at(1, 11, 150));
        wheel.add(key(1), at(6, 12, 200));
        assert_eq!(
            (wheel.len(), wheel.due.first().map(|(due, _)| *due), wheel.oldest()),
            (2, Some(100), Some(Position(10)))
        );
        assert!(wheel.due(99, 9).is_empty());
        let due = wheel.due(100, 9);
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].told.len(), 2);
        assert_eq!(wheel.oldest(), Some(Position(11)));
        wheel.again(due.into_iter().next().unwrap(), 900, 6);
        assert_eq!(wheel.oldest(), Some(Position(11)), "the first of it is decided");
        assert_eq!(wheel.due(1_000, 9).len(), 2);
        assert_eq!(
            (wheel.len(), wheel.due.first().map(|(due, _)| *due), wheel.oldest()),
            (0, None, None)
        );
    }

    #[test]
    fn a_message_that_is_deleted_waits_no_more() {
        let mut wheel = Wheel::default();
        wheel.add(key(1), at(5, 10, 100));
        wheel.add(key(1), at(6, 12, 200));
        wheel.add(key(1), Told { target: Some(6), ..at(7, 13, 300) });
        wheel.forget(key(1), 6);
        wheel.forget(key(2), 6);
        assert_eq!(wheel.len(), 1);
        wheel.forget(key(1), 5);
        assert_eq!((wheel.len(), wheel.oldest()), (0, None));
    }

    #[test]
    fn a_busy_conversation_keeps_its_newest_messages_and_its_oldest_position() {
        let mut wheel = Wheel::default();
        for seq in 1..=500 {
            wheel.add(key(1), at(seq, seq, seq));
        }
        assert_eq!(wheel.oldest(), Some(Position(1)));
        let waiting = wheel.due(1, 1).remove(0);
        assert_eq!((waiting.told.len(), waiting.told[0].seq), (MESSAGES, 437));
    }
}
