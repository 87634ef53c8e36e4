//! What a full outbox dropped, by kind: counted where it happens and told to the metrics in one go.

use crate::net::frame::Frame;

/// The kinds, as labels: in the order of [`crate::net::frame::Class`].
const KINDS: [&str; 8] =
    ["answer", "entry", "receipt", "ephemeral", "signal", "urgent", "bulk", "other"];

/// How many frames of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use = "what is dropped is counted"]
pub struct Dropped([u32; KINDS.len()]);

impl Dropped {
    /// These, of their kind.
    pub fn add(&mut self, frame: &Frame) {
        self.0[frame.about().class as usize] += frame.parts().len() as u32;
    }

    /// What was dropped besides.
    pub fn extend(&mut self, others: Self) {
        for (count, further) in self.0.iter_mut().zip(others.0) {
            *count += further;
        }
    }

    /// True when nothing was.
    #[cfg(test)]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The kinds of which something was, with how many.
    pub fn by_kind(self) -> impl Iterator<Item = (&'static str, u32)> {
        KINDS.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}
