//! Which partition a conversation or a user belongs to: one answer for every process.

use crate::hash::Fnv1a;
use crate::id::{ConversationId, UserId};

/// Index of a partition, below the configured count.
pub type Partition = u16;

/// The partition of a conversation. `count` is at least 1 and the same in every process.
pub fn of_conversation(conversation_id: ConversationId, count: Partition) -> Partition {
    reduce(Fnv1a::default().bytes(conversation_id.0.as_bytes()).finish(), count)
}

/// The partition of a user.
pub fn of_user(user_id: &UserId, count: Partition) -> Partition {
    reduce(Fnv1a::default().bytes(user_id.as_str().as_bytes()).finish(), count)
}

/// FNV's low bits are weak for short keys: mix the halves before taking the remainder.
fn reduce(hash: u64, count: Partition) -> Partition {
    ((hash ^ (hash >> 32)) % u64::from(count.max(1))) as Partition
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_of_many_conversations_are_nearly_equal() {
        let mut loads = [0_u32; 16];
        for _ in 0..16_000 {
            loads[usize::from(of_conversation(ConversationId::generate(), 16))] += 1;
        }
        assert!(loads.iter().all(|load| (800..1200).contains(load)), "{loads:?}");
    }

    #[test]
    fn partitions_of_numbered_users_are_nearly_equal() {
        let mut loads = [0_u32; 16];
        for number in 0..16_000 {
            let user_id = UserId::parse_qualified(&format!("user-{number}")).unwrap();
            loads[usize::from(of_user(&user_id, 16))] += 1;
        }
        assert!(loads.iter().all(|load| (800..1200).contains(load)), "{loads:?}");
    }
}
