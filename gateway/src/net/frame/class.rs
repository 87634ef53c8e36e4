//! The class of a frame: it decides what a full outbox drops first, and what is counted.

use proto::bus::FrameClass;

/// The classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// What a client asked for.
    Answer,
    /// Entries of a log.
    Entry,
    /// How far a member has come.
    Receipt,
    /// Typing and presence: may be dropped.
    Ephemeral,
    /// A step of a call: dropped for a reader that is far behind, and never the reason to close it.
    Signal,
    /// An urgent notice: goes before everything else, and is dropped as a signal is.
    Urgent,
    /// Everything else goes before it; a reader that is behind loses the oldest.
    Bulk,
    /// Of a later build.
    Other,
}

impl From<FrameClass> for Class {
    fn from(class: FrameClass) -> Self {
        match class {
            FrameClass::Receipt => Self::Receipt,
            FrameClass::Ephemeral => Self::Ephemeral,
            FrameClass::Signal => Self::Signal,
            FrameClass::Bulk => Self::Bulk,
            FrameClass::Unspecified => Self::Other,
        }
    }
}
