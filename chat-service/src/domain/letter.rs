//! A dead letter: what was put aside because working on it does harm, with the reason. No I/O.

use bytes::Bytes;
use proto::id::TenantId;
use proto::partition::Partition;

/// What was put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterKind {
    /// One frame, encoded as a batch: it can be replayed.
    Frame,
    /// A body from the bus that is no batch.
    Body,
}

impl LetterKind {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Body => "body",
        }
    }

    /// From its stored form; what a newer build wrote cannot be replayed by this one.
    pub fn from_stored(text: &str) -> Self {
        if text == "frame" { Self::Frame } else { Self::Body }
    }
}

/// Names a frame, and the letter that it becomes, within its tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterKey {
    /// That of the sender; the default one for what names no user.
    pub tenant: TenantId,
    /// The same for the same operation, however often it is sent.
    pub id: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub key: LetterKey,
    pub kind: LetterKind,
    /// Why it was put aside.
    pub reason: String,
    /// Where it came from, and goes when it is replayed.
    pub partition: Partition,
    /// Who sent it, as the frame says; empty for a body.
    pub user_id: String,
    /// Its conversation, 16 bytes; empty where it names none.
    pub conversation_id: Bytes,
    /// Its client id, 16 bytes; empty where it has none.
    pub client_id: Bytes,
    /// What was put aside.
    pub body: Bytes,
    /// How often.
    pub times: u64,
    /// When first, in Unix milliseconds.
    pub first_at_ms: u64,
    /// When last, in Unix milliseconds.
    pub last_at_ms: u64,
}
