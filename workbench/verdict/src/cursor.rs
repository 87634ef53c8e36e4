//! What a device holds of one log: everything up to a place, and some entries beyond a hole.

/// Places held, starting from none, and what is in the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor<T = ()> {
    contiguous: u32,
    /// In that place.
    last: Option<T>,
    /// Above `contiguous + 1`, ascending.
    ahead: Vec<(u32, T)>,
}

impl<T> Default for Cursor<T> {
    fn default() -> Self {
        Self { contiguous: 0, last: None, ahead: Vec::new() }
    }
}

impl<T: Copy> Cursor<T> {
    /// Of a member who may see nothing before `first`.
    pub fn starting_at(first: u32) -> Self {
        Self { contiguous: first.saturating_sub(1), ..Self::default() }
    }

    /// Everything up to here is held.
    pub fn contiguous(&self) -> u32 {
        self.contiguous
    }

    /// What is in the last place up to which everything is held.
    pub fn last(&self) -> Option<T> {
        self.last
    }

    /// True while something below the highest place is missing.
    pub fn has_hole(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// The highest place held.
    pub fn highest(&self) -> u32 {
        self.ahead.last().map_or(self.contiguous, |(seq, _)| *seq)
    }

    /// True when the place is held.
    pub fn holds(&self, seq: u32) -> bool {
        seq <= self.contiguous || self.place(seq).is_ok()
    }

    /// Takes a place; false when it was held already.
    pub fn take(&mut self, seq: u32, what: T) -> bool {
        if seq <= self.contiguous {
            return false;
        }
        if seq == self.contiguous + 1 {
            (self.contiguous, self.last) = (seq, Some(what));
            self.close_up();
            return true;
        }
        match self.place(seq) {
            Ok(_) => false,
            Err(at) => {
                self.ahead.insert(at, (seq, what));
                true
            }
        }
    }

    fn place(&self, seq: u32) -> Result<usize, usize> {
        self.ahead.binary_search_by_key(&seq, |(held, _)| *held)
    }

    /// Moves what has become contiguous out of `ahead`.
    fn close_up(&mut self) {
        let joined = self
            .ahead
            .iter()
            .zip(self.contiguous + 1..)
            .take_while(|((held, _), next)| held == next)
            .count();
        if let Some((seq, what)) = self.ahead.drain(..joined).next_back() {
            (self.contiguous, self.last) = (seq, Some(what));
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
                prop_assert_eq!(cursor.take(seq, 100 + seq), set.insert(seq));
                let contiguous = (1..60).take_while(|seq| set.contains(seq)).count() as u32;
                prop_assert_eq!(cursor.contiguous(), contiguous);
                prop_assert_eq!(cursor.last(), (contiguous > 0).then_some(100 + contiguous));
                prop_assert_eq!(cursor.highest(), *set.last().unwrap());
                prop_assert_eq!(cursor.has_hole(), set.len() as u32 != contiguous);
                prop_assert!((1..60).all(|seq| cursor.holds(seq) == set.contains(&seq)));
            }
        }
    }
}
