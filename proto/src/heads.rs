//! One number for how far all conversations of a user have come. A device that computes another one
//! from what it holds lacks something, and asks for it by `sync`.
//!
//! The sum over the conversations, in any order, of a 32-bit hash of (id, head): FNV-1a over the 16
//! bytes of the id and the 8 bytes of the head, most significant first, then the finalizer of
//! MurmurHash3. 32 bits, so that JavaScript computes it with its own numbers. Not against attackers.

use crate::id::ConversationId;

/// A sum of heads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeadsDigest {
    sum: u32,
    conversations: u32,
}

impl HeadsDigest {
    /// Adds a conversation by its highest seq. One without entries does not count.
    pub fn add(&mut self, id: ConversationId, head: u64) {
        if head > 0 {
            self.conversations = self.conversations.saturating_add(1);
            self.sum = self.sum.wrapping_add(part(id, head));
        }
    }

    /// Of how many conversations it is.
    pub fn conversations(self) -> u32 {
        self.conversations
    }

    /// As it is told.
    pub fn value(self) -> u32 {
        self.sum
    }
}

fn part(id: ConversationId, head: u64) -> u32 {
    let bytes = id.0.as_bytes().iter().copied().chain(head.to_be_bytes());
    let hash = bytes
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(heads: &[(u128, u64)]) -> u32 {
        let mut digest = HeadsDigest::default();
        for (id, head) in heads {
            digest.add(ConversationId(uuid::Uuid::from_u128(*id)), *head);
        }
        digest.value()
    }

    #[test]
    fn the_order_does_not_matter_and_every_step_does() {
        assert_eq!(digest(&[(1, 5), (2, 7)]), digest(&[(2, 7), (1, 5)]));
        assert_eq!(digest(&[(1, 5), (2, 0)]), digest(&[(1, 5)]));
        assert_ne!(digest(&[(1, 5), (2, 7)]), digest(&[(1, 7), (2, 5)]));
        assert_ne!(digest(&[(1, 5), (2, 7)]), digest(&[(1, 6), (2, 6)]));
        assert_eq!(digest(&[]), 0);
    }

    /// The web SDK has the same values in its tests.
    #[test]
    fn the_digest_never_changes() {
        let id = 0x0198_c0de_0000_7000_8000_0000_0000_0001;
        assert_eq!(
            (digest(&[(id, 1)]), digest(&[(id, 1), (id + 1, 1_000_000)])),
            (3_397_989_771, 3_574_788_234)
        );
    }
}
