//! What a recorded history holds beside sends and entries. Times are microseconds of the machine's
//! clock, as in [`crate::history`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::event::Doubt;
use crate::history::Mark;

/// How long states may lag behind the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Presence, in microseconds.
    pub presence_us: u64,
    /// The delivery to connected devices, in microseconds; not judged without.
    pub delivery_us: Option<u64>,
}

/// A member was told how far another one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Who was told.
    pub observer: u32,
    /// On which of its connections.
    pub epoch: u16,
    /// Where.
    pub conversation: u32,
    /// Of whom.
    pub user: u32,
    /// All up to here came to the user.
    pub delivered: u64,
    /// All up to here was read.
    pub read: u64,
}

/// A sync from its request to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sync {
    /// Whose.
    pub client: u32,
    /// When it was asked for.
    pub begun_us: u64,
    /// By conversation: how far the client is, by its own cursor and the pages.
    pub reached: BTreeMap<u32, u32>,
    /// By conversation: the place that it went on from, and the entry that the client has there.
    pub held: BTreeMap<u32, (u32, Mark)>,
    /// The conversations of which the client was told to forget what it holds.
    pub reset: BTreeSet<u32>,
}

/// A connection from `welcome` to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub client: u32,
    /// Which of its connections.
    pub epoch: u16,
    /// To which gateway.
    pub gateway: u32,
    /// Since when.
    pub opened_us: u64,
    /// Until when; the end of the history when it was open then.
    pub closed_us: u64,
    /// How it ended, when the peer ended it.
    pub closed_by_peer: Option<u16>,
}

/// An observer was told how a user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// When.
    pub at_us: u64,
    /// Who was told.
    pub observer: u32,
    /// On which of its connections.
    pub epoch: u16,
    /// Of whom.
    pub user: u32,
    /// It was told `offline`.
    pub is_offline: bool,
}

/// An outcome became unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered {
    /// When.
    pub at_us: u64,
    /// Whose send.
    pub client: u32,
    /// Which.
    pub number: u32,
    /// Why.
    pub why: Doubt,
}

/// A fault from its start to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was done.
    pub fault: String,
    /// To what.
    pub target: String,
    /// Since when.
    pub from_us: u64,
    /// Until when; nothing when its end is missing.
    pub to_us: Option<u64>,
    /// How it is known that it did something; empty when it is not.
    pub evidence: String,
}

/// Of a process and a resource.
pub type Resource = (String, String);

/// Everything beside sends and entries.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// In the order told, for each observer.
    pub receipts: Vec<Receipt>,
    /// By client and conversation: the highest place it said was delivered.
    pub confirmed: BTreeMap<(u32, u32), u64>,
    /// By client and conversation: delivered and read as the database has them.
    pub cursor_rows: BTreeMap<(u32, u32), (u64, u64)>,
    /// By client, conversation and place: when an entry came first.
    pub arrivals: HashMap<(u32, u32, u32), u64>,
    /// Those that were answered to the end.
    pub syncs: Vec<Sync>,
    /// All connections, in the order opened.
    pub sessions: Vec<Session>,
    /// The gateways' addresses, by number.
    pub gateways: Vec<String>,
    /// All presence notices, in the order told for each observer.
    pub notices: Vec<Notice>,
    /// How users are at the end, by the server: when asked, whom, and whether offline.
    pub statuses: Vec<(u64, u32, bool)>,
    /// What became unknown.
    pub unanswered: Vec<Unanswered>,
    /// By resource: the most allowed.
    pub bounds: BTreeMap<Resource, u64>,
    /// By resource: the most seen.
    pub peaks: BTreeMap<Resource, u64>,
    /// What was done to the system.
    pub faults: Vec<Fault>,
    /// When the history ends.
    pub end_us: u64,
}

impl Facts {
    /// True while `client` was connected from the one moment to the other without a break.
    pub fn is_connected_throughout(&self, client: u32, from_us: u64, to_us: u64) -> bool {
        let mine = self.sessions.iter().filter(|session| session.client == client);
        mine.into_iter().any(|session| session.opened_us <= from_us && session.closed_us >= to_us)
    }
}
