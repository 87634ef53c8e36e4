//! What the user of a connection chose to be shown as, as far as presence has told it. For the user alone.

use std::sync::atomic::{AtomicU8, Ordering};

/// A choice; presence keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnStatus {
    /// There for others.
    Online,
    /// The same.
    Away,
    /// The same.
    Busy,
    /// Others see the user offline, and are told nothing that says otherwise.
    Invisible,
}

const ALL: [OwnStatus; 4] =
    [OwnStatus::Online, OwnStatus::Away, OwnStatus::Busy, OwnStatus::Invisible];

impl OwnStatus {
    /// Reads a word of the contract.
    pub fn parse(text: &str) -> Option<Self> {
        ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Invisible => "invisible",
        }
    }
}

/// The choice of a connection's user, which another of the user's devices may change at any time.
#[derive(Debug, Default)]
pub struct OwnStatusCell(AtomicU8);

impl OwnStatusCell {
    /// Takes over what presence says.
    pub fn set(&self, status: Option<OwnStatus>) {
        let place = status.and_then(|status| ALL.iter().position(|it| *it == status));
        self.0.store(place.map_or(0, |place| place as u8 + 1), Ordering::Relaxed);
    }

    /// The choice; none while presence has not told it.
    pub fn get(&self) -> Option<OwnStatus> {
        let place = usize::from(self.0.load(Ordering::Relaxed)).checked_sub(1)?;
        ALL.get(place).copied()
    }

    /// Whether others must not learn that the user is there.
    pub fn is_hidden(&self) -> bool {
        self.get() == Some(OwnStatus::Invisible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_read() {
        let cell = OwnStatusCell::default();
        assert_eq!(cell.get(), None);
        for status in ALL {
            assert_eq!(OwnStatus::parse(status.as_str()), Some(status));
            cell.set(Some(status));
            assert_eq!(cell.get(), Some(status));
            assert_eq!(cell.is_hidden(), status == OwnStatus::Invisible);
        }
    }
}
