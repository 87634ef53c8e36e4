//! The events of a recorded history, one JSON object a line: what `fleet run --history` writes
//! and `fleet check` reads. Names within a run are numbers: `dev` a client, `conv` a conversation, `n`
//! which of a client's sends. Times are nanoseconds of the machine's monotonic clock.

#![expect(missing_docs, reason = "fields are explained above, or are what they are called")]

use proto::hash::Fnv1a;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::history::{FOREIGN, SYSTEM};

/// A line: when, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Nanoseconds.
    pub t: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "snake_case")]
pub enum Event {
    /// The first line of a fleet's file.
    Run {
        /// Users are named `{name}-{dev}`.
        name: String,
        /// How many.
        devs: u32,
        /// Their ids, by number.
        conversations: Vec<Uuid>,
        /// The gateways, by number.
        gateways: Vec<String>,
    },
    /// A client is one of several of the same user, whose number is another than its own.
    Device { dev: u32, user: u32 },
    /// A client is a member from one entry to another; `to_seq` is absent while it is one.
    Member { conv: u32, dev: u32, from_seq: u32, to_seq: Option<u32> },
    /// A send is written to a socket; `again` when it was before and is still unanswered.
    Invoke { dev: u32, conv: u32, n: u32, cid: Uuid, hash: u64, again: bool },
    /// It was acknowledged; `n` is absent when the client sent no such thing.
    Ok { dev: u32, conv: Option<u32>, n: Option<u32>, cid: Uuid, seq: u32, id: Uuid },
    /// It was refused, and is not stored.
    Fail { dev: u32, n: u32, code: String },
    /// Nobody can tell whether it is stored.
    Info { dev: u32, n: u32, why: Doubt },
    /// An entry came; `shown` unless the device had it already.
    Recv { dev: u32, epoch: u16, entry: Seen, via: Way, shown: bool },
    /// An entry of a conversation the client is no member of came.
    Leak { dev: u32, conversation: Uuid },
    /// A frame came that is no frame of the protocol.
    Unreadable { dev: u32 },
    /// A sync is asked for, with what is held, and with the ids of the entries there as far as they are said.
    SyncBegin {
        dev: u32,
        epoch: u16,
        cursors: Vec<(u32, u32)>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        entries: Vec<(u32, Uuid)>,
    },
    /// A page of it came; `reset` when what is held is to be forgotten.
    SyncPage {
        dev: u32,
        conv: u32,
        head: u32,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        reset: bool,
    },
    /// It is over; not `done` when the server could not.
    SyncEnd { dev: u32, epoch: u16, done: bool },
    /// A device said how far it got.
    Cursor { dev: u32, conv: u32, kind: CursorKind, seq: u32 },
    /// A device was told how far another member got.
    Receipt { dev: u32, epoch: u16, conv: u32, user: u32, delivered: u64, read: u64 },
    /// A device was told how another user is.
    Presence { dev: u32, epoch: u16, user: u32, status: String },
    /// How a user is, by the server's own account at the end.
    Status { user: u32, status: String },
    /// A device's connection was welcomed by a gateway.
    Open { dev: u32, epoch: u16, gateway: u32 },
    /// It ended, by the peer (1006 without a close frame) or by the device itself.
    Close { dev: u32, epoch: u16, code: u16, by_peer: bool },
    /// An entry as REST history has it at the end.
    Log { entry: Seen },
    /// REST history of a conversation was read to its end.
    LogEnd { conv: u32 },
    /// An entry as the database has it at the end; names are the server's.
    Row {
        conversation: Uuid,
        seq: u32,
        id: Uuid,
        cid: Option<Uuid>,
        system: bool,
        sender: String,
        text: String,
    },
    /// The database was read to its end.
    RowsEnd {},
    /// How far a member got, as the database has it.
    CursorRow { conversation: Uuid, user: String, delivered: u64, read: u64 },
    /// A fault starts or stops; `evidence` says how it is known that it did something.
    Nemesis { fault: String, target: String, act: Act, evidence: Option<String> },
    /// A process may use at most so much of something.
    Bound { process: String, what: String, most: u64 },
    /// It uses so much.
    Gauge { process: String, what: String, value: u64 },
    /// A client at the end: connected and up to date, or not.
    End { dev: u32, reached: bool },
    /// The last line: events that were dropped, whether the drain was reached, and doubts.
    Done { dropped: u64, drained: bool, doubts: Vec<String> },
}

/// An entry, as somebody has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The conversation.
    pub conv: u32,
    /// Its place.
    pub seq: u32,
    /// Its id.
    pub id: Uuid,
    /// The sender's id of the operation.
    pub cid: Option<Uuid>,
    /// The sending client, or the user that it is a device of; -1 the server itself, -2 nobody of this
    /// run.
    pub from: i64,
    /// [`text_hash`] of its text.
    pub hash: u64,
}

/// [`Seen::from`] of a sender as the history knows it.
pub fn from_sender(sender: u32) -> i64 {
    match sender {
        SYSTEM => -1,
        FOREIGN => -2,
        client => i64::from(client),
    }
}

/// Why an outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// The connection was lost.
    Lost,
    /// No answer came for long.
    Overdue,
    /// The server said that it does not know.
    Told,
}

/// How an entry came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Pushed.
    Live,
    /// In a sync page.
    Sync,
}

/// Which cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CursorKind {
    /// Came to the device.
    Delivered,
    /// Was read.
    Read,
}

/// The two ends of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// It begins.
    Start,
    /// It is over.
    Stop,
}

/// A text as 52 bits, which every reader of JSON keeps exactly.
pub fn text_hash(text: &[u8]) -> u64 {
    Fnv1a::default().bytes(text).finish() >> 12
}
