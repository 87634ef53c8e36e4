//! Whether load balancers should send no further clients because there is no room: from the last place being taken until a
//! twentieth of all is free. With one bound for both, a gateway at its limit would come and go in its balancer with each
//! client. Must not refuse clients: that is for admission, which goes by the limit itself.

use std::sync::atomic::{AtomicBool, Ordering};

/// A part of all places, that is free before clients are sent here again.
const FREE_PART: usize = 20;

/// The number of places, and the last result. Each call of `with` updates the result.
#[derive(Debug)]
pub(crate) struct Fullness {
    most: usize,
    was_full: AtomicBool,
}

impl Fullness {
    /// Of a gateway with so many places.
    pub(crate) fn of(most: usize) -> Self {
        Self { most, was_full: AtomicBool::new(false) }
    }

    /// Whether it is full with so many connections.
    pub(crate) fn with(&self, open: usize) -> bool {
        let free = self.most.div_ceil(FREE_PART);
        let enough_room_with = self.most.saturating_sub(free);
        let is_full =
            open >= self.most || (self.was_full.load(Ordering::Relaxed) && open > enough_room_with);
        self.was_full.store(is_full, Ordering::Relaxed);
        is_full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_from_the_last_place_until_a_twentieth_is_free() {
        let fullness = Fullness::of(1_000);
        assert!(!fullness.with(999), "there is a place");
        assert!(fullness.with(1_000) && fullness.with(1_001));
        for open in [999, 1_000, 951, 999, 970] {
            assert!(fullness.with(open), "{open}: it does not come and go");
        }
        assert!(!fullness.with(950));
        assert!(!fullness.with(999), "and it stays until the last place is taken again");
    }

    #[test]
    fn a_gateway_with_few_places_has_one_free_and_one_with_none_never() {
        let few = Fullness::of(1);
        assert!(few.with(1) && !few.with(0));
        let three = Fullness::of(3);
        assert!(three.with(3) && !three.with(2));
        assert!(Fullness::of(0).with(0));
    }
}
