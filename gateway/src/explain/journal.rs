//! Which of the last entries were written to which sockets, and when: for operators who ask about one.
//!
//! One slot for each connection and conversation, in tables of fixed size that no two connections of
//! different shards share a lock of. A busy pair takes one slot however much it says, and a slot outlives its
//! connection. When a set is full, what was written to longest ago makes room. Nothing else depends on it.

use parking_lot::Mutex;
use proto::bus::WrittenState;
use proto::id::{ConversationId, UserId};

use crate::identity::UserHash;
use crate::net::frame::Entries;

/// Locks that share the slots.
const SHARDS: usize = 64;
/// Slots that a connection and conversation may be found in.
const WAYS: usize = 4;
/// Entries below the highest of a slot that are told apart.
const BITS: u64 = u64::BITS as u64;

/// What was written lately, bounded.
#[derive(Debug)]
pub(crate) struct Journal {
    shards: Vec<Mutex<Shard>>,
    sets: usize,
}

/// Holds no memory before the first write.
#[derive(Debug, Default)]
struct Shard {
    slots: Vec<Slot>,
    /// When that was written which was forgotten last, in Unix milliseconds.
    forgotten_ms: u64,
}

/// 64 bytes: a line of the cache.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    conversation: u128,
    user: UserHash,
    connection: u64,
    /// The highest seq that was written.
    high: u64,
    /// Bit n: the entry n below it was written.
    bits: u64,
    since_ms: u64,
    /// When the last of them was written for the first time.
    at_ms: u64,
}

/// An entry that an operator asks about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Which {
    pub(crate) conversation_id: ConversationId,
    pub(crate) seq: u64,
    /// In Unix milliseconds.
    pub(crate) stored_ms: u64,
}

/// What is known of an entry and a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) state: WrittenState,
    /// Between these two moments, when it was written; in Unix milliseconds.
    pub(crate) between_ms: (u64, u64),
}

impl Journal {
    /// About so many connections and conversations; 0 remembers nothing.
    pub(crate) fn new(writes: usize) -> Self {
        let sets = writes.div_ceil(SHARDS * WAYS);
        let shards = if sets == 0 { 0 } else { SHARDS };
        Self { shards: (0..shards).map(|_| Mutex::default()).collect(), sets }
    }

    /// Notes what was written to a socket in one go.
    pub(crate) fn written(
        &self,
        connection: u64,
        user: UserHash,
        entries: impl Iterator<Item = Entries>,
        now_ms: u64,
    ) {
        let Some(shard) = self.shard(connection) else { return };
        let mut shard = shard.lock();
        for Entries { conversation_id, first, last } in entries {
            let conversation = conversation_id.0.as_u128();
            let fresh = Slot {
                conversation,
                user,
                connection,
                high: first,
                since_ms: now_ms,
                ..Slot::default()
            };
            let slot = shard.slot(fresh, self.sets);
            (first..=last).for_each(|seq| slot.note(seq, now_ms));
        }
    }

    /// Whether an entry was written to a connection of this process that is open since then.
    pub(crate) fn find(&self, connection: u64, connected_ms: u64, which: Which) -> Found {
        let unsure = |state| Found { state, between_ms: (0, 0) };
        let is_later = connected_ms > which.stored_ms;
        let Some(shard) = self.shard(connection) else {
            let later = WrittenState::CameLater;
            return unsure(if is_later { later } else { WrittenState::Forgotten });
        };
        let shard = shard.lock();
        let conversation = which.conversation_id.0.as_u128();
        let place = set(connection, conversation, self.sets);
        let ways = shard.slots.get(place..place + WAYS).unwrap_or_default();
        let slot = ways.iter().find(|slot| slot.is_of(connection, conversation));
        match slot.map(|slot| slot.says(which.seq)) {
            Some(found) if found.state == WrittenState::Written => found,
            _ if is_later => unsure(WrittenState::CameLater),
            Some(found) => found,
            None if shard.forgotten_ms >= which.stored_ms => unsure(WrittenState::Forgotten),
            None => unsure(WrittenState::NotWritten),
        }
    }

    /// The connections of these users that an entry was surely written to, with the place of the user.
    pub(crate) fn of_users(&self, users: &[UserId], which: Which) -> Vec<(u64, usize, Found)> {
        let hashes: Vec<_> = users.iter().map(UserHash::of).collect();
        let conversation = which.conversation_id.0.as_u128();
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            for slot in shard.slots.iter().filter(|slot| slot.conversation == conversation) {
                let says = slot.says(which.seq);
                let user = hashes.iter().position(|hash| *hash == slot.user);
                if let (WrittenState::Written, Some(user)) = (says.state, user) {
                    found.push((slot.connection, user, says));
                }
            }
        }
        found
    }

    fn shard(&self, connection: u64) -> Option<&Mutex<Shard>> {
        self.shards.get(connection as usize % SHARDS)
    }
}

impl Shard {
    /// The slot of the same connection and conversation, or one that is taken for them.
    fn slot(&mut self, fresh: Slot, sets: usize) -> &mut Slot {
        if self.slots.is_empty() {
            self.slots = vec![Slot::default(); sets * WAYS];
        }
        let place = set(fresh.connection, fresh.conversation, sets);
        let ways = &mut self.slots[place..place + WAYS];
        let known = ways.iter().position(|it| it.is_of(fresh.connection, fresh.conversation));
        let way = known.unwrap_or_else(|| {
            let oldest = (0..WAYS).min_by_key(|way| ways[*way].at_ms).unwrap_or_default();
            self.forgotten_ms = self.forgotten_ms.max(ways[oldest].at_ms);
            ways[oldest] = fresh;
            oldest
        });
        &mut ways[way]
    }
}

impl Slot {
    fn is_of(&self, connection: u64, conversation: u128) -> bool {
        self.at_ms > 0 && self.connection == connection && self.conversation == conversation
    }

    fn note(&mut self, seq: u64, now_ms: u64) {
        if let Some(ahead) = seq.checked_sub(self.high) {
            self.bits = if ahead < BITS { self.bits << ahead } else { 0 };
            self.high = seq;
        }
        let behind = self.high - seq;
        if behind < BITS && self.bits & (1 << behind) == 0 {
            self.bits |= 1 << behind;
            self.at_ms = now_ms;
        }
    }

    fn says(&self, seq: u64) -> Found {
        let state = match self.high.checked_sub(seq) {
            None => WrittenState::NotWritten,
            Some(behind) if behind >= BITS => WrittenState::Forgotten,
            Some(behind) if self.bits & (1 << behind) == 0 => WrittenState::NotWritten,
            Some(_) => WrittenState::Written,
        };
        let after_ms = if seq == self.high { self.at_ms } else { self.since_ms };
        let is_written = state == WrittenState::Written;
        Found { state, between_ms: if is_written { (after_ms, self.at_ms) } else { (0, 0) } }
    }
}

/// Where the set of a connection and conversation begins.
fn set(connection: u64, conversation: u128, sets: usize) -> usize {
    let mixed = connection.rotate_left(32) ^ (conversation as u64) ^ (conversation >> 64) as u64;
    // Conversation ids are hashes or begin with the time: one multiplication spreads both.
    let mixed = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    (mixed as usize % sets) * WAYS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::parse_qualified(name).unwrap()
    }

    fn hash(name: &str) -> UserHash {
        UserHash::of(&user(name))
    }

    fn id(number: u128) -> ConversationId {
        ConversationId(uuid::Uuid::from_u128(number))
    }

    fn one(conversation: u128, seq: u64) -> impl Iterator<Item = Entries> {
        std::iter::once(Entries::one(id(conversation), seq))
    }

    fn which(conversation: u128, seq: u64) -> Which {
        Which { conversation_id: id(conversation), seq, stored_ms: 1_000 }
    }

    fn state(journal: &Journal, connection: u64, conversation: u128, seq: u64) -> WrittenState {
        journal.find(connection, 900, which(conversation, seq)).state
    }

    #[test]
    fn the_moment_of_the_last_write_is_exact_and_earlier_ones_lie_between() {
        let journal = Journal::new(1_000);
        for (seq, at_ms) in [(3, 1_010), (5, 1_020), (6, 1_030)] {
            journal.written(7, hash("bob"), one(1, seq), at_ms);
        }
        let between = |seq| journal.find(7, 900, which(1, seq)).between_ms;
        assert_eq!([between(6), between(5)], [(1_030, 1_030), (1_010, 1_030)]);
        // 4 was this connection's own, or came back: nobody says that it was written.
        assert_eq!(state(&journal, 7, 1, 4), WrittenState::NotWritten);
        assert_eq!(state(&journal, 7, 1, 7), WrittenState::NotWritten);
        assert_eq!(state(&journal, 7, 2, 6), WrittenState::NotWritten, "another conversation");
        journal.written(7, hash("bob"), one(1, 6), 9_000);
        assert_eq!(between(6), (1_030, 1_030), "a repeat is not the first write");
    }

    #[test]
    fn a_hundred_entries_later_it_is_forgotten_and_not_denied() {
        let journal = Journal::new(1_000);
        for seq in 1..=100 {
            journal.written(7, hash("bob"), one(1, seq), 1_000 + seq);
        }
        assert_eq!(state(&journal, 7, 1, 37), WrittenState::Written);
        assert_eq!(state(&journal, 7, 1, 36), WrittenState::Forgotten);
        journal.written(7, hash("bob"), one(1, 1_000), 3_000);
        assert_eq!(state(&journal, 7, 1, 990), WrittenState::NotWritten);
        assert_eq!(state(&journal, 7, 1, 100), WrittenState::Forgotten);
    }

    #[test]
    fn memory_is_bounded_and_what_made_room_is_forgotten_and_not_denied() {
        let journal = Journal::new(SHARDS * WAYS);
        assert!(journal.shards.iter().all(|shard| shard.lock().slots.is_empty()), "nothing yet");
        for conversation in 1..=10 {
            let entry = one(conversation, 1);
            journal.written(7, hash("bob"), entry, 1_000 + conversation as u64);
        }
        assert_eq!(journal.shard(7).unwrap().lock().slots.len(), WAYS);
        assert_eq!(state(&journal, 7, 10, 1), WrittenState::Written);
        assert_eq!(state(&journal, 7, 1, 1), WrittenState::Forgotten);
        let later = Which { stored_ms: 2_000, ..which(1, 2) };
        assert_eq!(journal.find(7, 900, later).state, WrittenState::NotWritten);
        assert_eq!(std::mem::size_of::<Slot>(), 64);
    }

    #[test]
    fn connections_of_a_user_are_found_after_they_have_gone() {
        let journal = Journal::new(1_000);
        journal.written(7, hash("bob"), one(1, 1), 1_001);
        journal.written(8, hash("bob"), one(1, 2), 1_002);
        journal.written(9, hash("cleo"), one(1, 1), 1_003);
        let found = journal.of_users(&[user("ann"), user("bob")], which(1, 1));
        assert_eq!(found.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>(), [(7, 1)]);
    }

    #[test]
    fn who_came_later_and_a_journal_that_is_off_are_said_to_be_so() {
        let journal = Journal::new(1_000);
        assert_eq!(journal.find(7, 1_001, which(1, 1)).state, WrittenState::CameLater);
        let off = Journal::new(0);
        off.written(7, hash("bob"), one(1, 1), 1_001);
        assert_eq!(state(&off, 7, 1, 1), WrittenState::Forgotten);
        assert_eq!(off.find(7, 1_001, which(1, 1)).state, WrittenState::CameLater);
    }
}
