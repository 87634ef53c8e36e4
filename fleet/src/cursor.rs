//! What a device holds of one log: everything up to a place, and some entries beyond a hole.

/// Places held, starting from none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    contiguous: u32,
    /// Above `contiguous + 1`, ascending.
    ahead: Vec<u32>,
}

impl Cursor {
    /// Of a member who may see nothing before `first`.
    pub fn starting_at(first: u32) -> Self {
        Self { contiguous: first.saturating_sub(1), ahead: Vec::new() }
    }

    /// Everything up to here is held.
    pub fn contiguous(&self) -> u32 {
        self.contiguous
    }

    /// True while something below the highest place is missing.
    pub fn has_hole(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// The highest place held.
    pub fn highest(&self) -> u32 {
        self.ahead.last().copied().unwrap_or(self.contiguous)
    }

    /// True when the place is held.
    pub fn holds(&self, seq: u32) -> bool {
        seq <= self.contiguous || self.ahead.binary_search(&seq).is_ok()
    }

    /// Takes a place; false when it was held already.
    pub fn take(&mut self, seq: u32) -> bool {
        if seq <= self.contiguous {
            return false;
        }
        if seq == self.contiguous + 1 {
            self.contiguous = seq;
            self.close_up();
            return true;
        }
        match self.ahead.binary_search(&seq) {
            Ok(_) => false,
            Err(at) => {
                self.ahead.insert(at, seq);
                true
            }
        }
    }

    /// Moves what has become contiguous out of `ahead`.
    fn close_up(&mut self) {
        let joined = self
            .ahead
            .iter()
            .zip(self.contiguous + 1..)
            .take_while(|(held, next)| *held == next)
            .count();
        if joined > 0 {
            self.contiguous += joined as u32;
            self.ahead.drain(..joined);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_behaves_as_a_set_of_places(seqs in prop::collection::vec(1_u32..60, 0..120)) {
            let (mut cursor, mut set) = (Cursor::default(), BTreeSet::new());
            for seq in seqs {
                prop_assert_eq!(cursor.take(seq), set.insert(seq));
                let contiguous = (1..60).take_while(|seq| set.contains(seq)).count() as u32;
                prop_assert_eq!(cursor.contiguous(), contiguous);
                prop_assert_eq!(cursor.highest(), *set.last().unwrap());
                prop_assert_eq!(cursor.has_hole(), set.len() as u32 != contiguous);
                prop_assert!((1..60).all(|seq| cursor.holds(seq) == set.contains(&seq)));
            }
        }
    }
}
