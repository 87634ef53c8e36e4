//! Pushes that a provider has not answered yet: they hold the position of the follower, and count as told.
//!
//! Nothing of it outlives the process: what was under way when it ends is decided again by the next one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use proto::id::{ConversationKey, UserId};

use crate::store::tail::Position;

/// What is under way. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Underway(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    positions: BTreeMap<Position, usize>,
    /// Up to where, and since when in Unix milliseconds.
    told: HashMap<(UserId, ConversationKey), (u64, u64, usize)>,
}

/// Holds one push to a user, whatever number of devices they have.
#[derive(Debug)]
pub(super) struct Ticket {
    state: Arc<Mutex<State>>,
    position: Option<Position>,
    place: (UserId, ConversationKey),
}

impl Underway {
    /// A push of a user that holds a position; none for what takes one back.
    pub(super) fn ticket(
        &self,
        place: (UserId, ConversationKey),
        position: Option<Position>,
        seq: u64,
        at_ms: u64,
    ) -> Arc<Ticket> {
        let mut state = self.0.lock();
        if let Some(position) = position {
            *state.positions.entry(position).or_default() += 1;
        }
        let told = state.told.entry(place.clone()).or_insert((0, 0, 0));
        *told = (told.0.max(seq), at_ms, told.2 + 1);
        drop(state);
        Arc::new(Ticket { state: Arc::clone(&self.0), position, place })
    }

    /// Up to where a user is being told, and since when.
    pub(super) fn told(&self, user_id: &UserId, key: ConversationKey) -> Option<(u64, u64)> {
        let state = self.0.lock();
        state.told.get(&(user_id.clone(), key)).map(|(seq, at_ms, _)| (*seq, *at_ms))
    }

    /// The oldest position that is held.
    pub(super) fn oldest(&self) -> Option<Position> {
        self.0.lock().positions.keys().next().copied()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        if let Some(position) = self.position
            && let Some(count) = state.positions.get_mut(&position)
        {
            *count -= 1;
            if *count == 0 {
                state.positions.remove(&position);
            }
        }
        if let Some(told) = state.told.get_mut(&self.place) {
            told.2 -= 1;
            if told.2 == 0 {
                state.told.remove(&self.place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::id::{ConversationId, TenantId};

    use super::*;

    #[test]
    fn what_is_under_way_holds_the_oldest_position_and_counts_as_told() {
        let underway = Underway::default();
        let ann = UserId::parse_qualified("ann").unwrap();
        let key = ConversationKey::new(TenantId::DEFAULT, ConversationId(uuid::Uuid::from_u128(1)));
        let place = (ann.clone(), key);
        let first = underway.ticket(place.clone(), Some(Position(5)), 10, 1);
        let second = underway.ticket(place.clone(), Some(Position(5)), 11, 2);
        let device = Arc::clone(&first);
        let later = underway.ticket(place, Some(Position(7)), 12, 3);
        assert_eq!(
            (underway.oldest(), underway.told(&ann, key)),
            (Some(Position(5)), Some((12, 3)))
        );
        drop((first, second));
        assert_eq!(underway.oldest(), Some(Position(5)), "a device of it is not answered");
        drop(device);
        assert_eq!(underway.oldest(), Some(Position(7)));
        drop(later);
        assert_eq!((underway.oldest(), underway.told(&ann, key)), (None, None));
    }
}
