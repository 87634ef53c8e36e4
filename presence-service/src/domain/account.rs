//! A gateway's account: which connections it says it has, told apart from earlier accounts, and
//! compared at every heartbeat by count and digest.
//!
//! The digest is the XOR of `proto::hash::connection_digest` over the connections: the gateway adds
//! and removes the same numbers, so both sides agree unless a report was lost.

/// Tells one account of a gateway from the next. Never the same twice for one gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountStamp(pub u64);

/// What a heartbeat says a gateway has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many connections.
    pub connections: u32,
    /// XOR of the connections' digests.
    pub digest: u64,
}

impl Tally {
    pub fn add(&mut self, digest: u64) {
        self.connections += 1;
        self.digest ^= digest;
    }

    pub fn remove(&mut self, digest: u64) {
        self.connections = self.connections.saturating_sub(1);
        self.digest ^= digest;
    }
}

/// What presence answers to a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeartbeatOutcome {
    /// Both sides count the same connections.
    Agreed,
    /// They do not: the gateway is to give a full account.
    Resync,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::hash::connection_digest;

    #[test]
    fn the_order_of_coming_and_going_does_not_matter_but_a_swap_of_users_does() {
        let (ann, bob) = (connection_digest("ann", 1), connection_digest("bob", 2));
        let mut one = Tally::default();
        one.add(ann);
        one.add(bob);
        one.remove(ann);
        let mut other = Tally::default();
        other.add(bob);
        assert_eq!(one, other);
        let mut swapped = Tally::default();
        swapped.add(connection_digest("ann", 2));
        assert_ne!(swapped, other);
    }
}
