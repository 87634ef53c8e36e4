//! One number for how far all conversations of a user have come. A device that computes another one
//! from what it holds lacks something, and asks for it by `sync`.
//!
//! The sum over the conversations, in any order, of a 32-bit hash of (id, head): FNV-1a over the 16
//! bytes of the id and the 8 bytes of the head, most significant first, then the finalizer of
//! MurmurHash3. 32 bits, so that JavaScript computes it with its own numbers. Not against attackers.
//!
//! For devices that ask for it there is a second number, of (id, head, id of the entry there): it is another one, too,
//! when a log has other entries than it had, as after a restore, and as many of them.

use crate::id::{ConversationId, EntryId};

/// A sum of heads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeadsDigest {
    sum: u32,
    sum_with_entries: u32,
    conversations: u32,
}

impl HeadsDigest {
    /// Adds a conversation by its highest seq and the entry there. One without entries does not count.
    pub fn add(&mut self, id: ConversationId, head: u64, entry: EntryId) {
        if head > 0 {
            self.conversations = self.conversations.saturating_add(1);
            let places = id.0.as_bytes().iter().copied().chain(head.to_be_bytes());
            self.sum = self.sum.wrapping_add(hash(places.clone()));
            let entries = places.chain(entry.0.as_bytes().iter().copied());
            self.sum_with_entries = self.sum_with_entries.wrapping_add(hash(entries));
        }
    }

    /// Of how many conversations it is.
    pub fn conversations(self) -> u32 {
        self.conversations
    }

    /// As it is told: `heads`.
    pub fn value(self) -> u32 {
        self.sum
    }

    /// As it is told to clients that ask for it: `heads2`.
    pub fn value_with_entries(self) -> u32 {
        self.sum_with_entries
    }
}

fn hash(bytes: impl Iterator<Item = u8>) -> u32 {
    let hash = bytes
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    /// Of conversations, each with its head and the entry there.
    fn digest(heads: &[(u128, u64, u128)]) -> HeadsDigest {
        let mut digest = HeadsDigest::default();
        for (id, head, entry) in heads {
            let id = ConversationId(Uuid::from_u128(*id));
            digest.add(id, *head, EntryId(Uuid::from_u128(*entry)));
        }
        digest
    }

    #[test]
    fn the_order_does_not_matter_and_every_step_does() {
        let same = |one: &[_], other: &[_]| {
            let (one, other) = (digest(one), digest(other));
            (one.value() == other.value(), one.value_with_entries() == other.value_with_entries())
        };
        assert_eq!(same(&[(1, 5, 8), (2, 7, 9)], &[(2, 7, 9), (1, 5, 8)]), (true, true));
        assert_eq!(same(&[(1, 5, 8), (2, 0, 0)], &[(1, 5, 8)]), (true, true));
        assert_eq!(same(&[(1, 5, 8), (2, 7, 9)], &[(1, 7, 8), (2, 5, 9)]), (false, false));
        assert_eq!(same(&[(1, 5, 8), (2, 7, 9)], &[(1, 6, 8), (2, 6, 9)]), (false, false));
        assert_eq!(same(&[(1, 5, 8), (2, 5, 9)], &[(1, 5, 9), (2, 5, 8)]), (true, false));
        assert_eq!(digest(&[]), HeadsDigest::default());
    }

    /// The web SDK has the same values in its tests.
    #[test]
    fn the_digest_never_changes() {
        let id = 0x0198_c0de_0000_7000_8000_0000_0000_0001;
        let entry = 0x0198_c0de_0000_7000_8000_0000_0000_00ff;
        let one = digest(&[(id, 1, entry)]);
        let two = digest(&[(id, 1, entry), (id + 1, 1_000_000, entry + 1)]);
        assert_eq!((one.value(), two.value()), (3_397_989_771, 3_574_788_234));
        assert_eq!(
            (one.value_with_entries(), two.value_with_entries()),
            (4_168_228_564, 1_986_843_991)
        );
    }
}
