//! What happened, as compact records: who sent what when and was told what, who saw which entry.
//!
//! Records are only appended while the run goes on; [`crate::check`] judges them at the end.

use std::collections::BTreeMap;

use uuid::Uuid;

/// Stands in [`Observation::sender`] for the server's own entries (created, members added).
pub const SYSTEM: u32 = u32::MAX;
/// Stands in [`Observation::sender`] for entries that no client of this run has written.
pub const FOREIGN: u32 = u32::MAX - 1;

/// The entry's id in eight bytes: two ids differ in them but for a chance of 2^-60.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Mark(u64);

impl Mark {
    /// The mark of an entry id.
    pub fn of(id: Uuid) -> Self {
        let (high, low) = id.as_u64_pair();
        Self(high.rotate_left(32) ^ low.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

/// How an entry came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Pushed while connected.
    Live,
    /// In a sync page.
    Sync,
    /// In a page of REST history.
    History,
    /// In the database.
    Table,
}

/// One entry, as one device saw it once. Repeats on the wire are further observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Which entry stood there.
    pub mark: Mark,
    /// The place.
    pub seq: u32,
    /// The sending client, [`SYSTEM`] or [`FOREIGN`].
    pub sender: u32,
    /// Which of the sender's sends.
    pub number: u32,
    /// The device's connection it came on; the first is 1.
    pub connection: u16,
    /// How it came.
    pub via: Via,
    /// Its text, sender or client id is not what was sent.
    pub is_altered: bool,
}

/// What became of a send, as its client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// Never written to a socket.
    #[default]
    Unsent,
    /// Written, and not answered for certain: it may be stored or not.
    Unknown,
    /// Acknowledged: `seq`, `mark` and `acknowledged_us` are set.
    Acknowledged,
    /// Refused for good, and told that nothing was stored.
    Refused,
}

/// One send of a client; its number is its place in [`ClientHistory::sends`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Send {
    /// When it was written first, since it was last told *not stored*; microseconds.
    pub invoked_us: u64,
    /// When it was acknowledged; microseconds.
    pub acknowledged_us: u64,
    /// The acknowledged entry.
    pub mark: Mark,
    /// The conversation's number in the plan.
    pub conversation: u32,
    /// The acknowledged place.
    pub seq: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// An earlier attempt was lost or not answered for certain, and may be stored: a later *not
    /// stored* speaks of the later attempt only.
    pub is_doubtful: bool,
    /// Answered with an error and sent again while later sends were under way: its place among
    /// them is not promised.
    pub is_late: bool,
}

/// What one client saw of one conversation, in the order it saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The conversation's number in the plan.
    pub conversation: u32,
    /// Everything seen.
    pub observations: Vec<Observation>,
    /// Its syncs, where a recorded history tells of them.
    pub synced: Vec<Synced>,
}

/// A sync that ended: what is committed later is pushed to its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synced {
    /// How many observations came before its end.
    pub after: usize,
    /// On which of the device's connections.
    pub connection: u16,
    /// Everything up to this place was told.
    pub reached: u32,
}

/// One client's part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientHistory {
    /// By number.
    pub sends: Vec<Send>,
    /// One for each conversation it is a member of.
    pub views: Vec<View>,
    /// It was connected and up to date when the run ended, so what it lacks is missing.
    pub is_reached: bool,
}

/// What needs no history to be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// A second acknowledgement of one send named another entry or place.
    ChangedAnswer {
        /// The client.
        client: u32,
        /// Its send.
        number: u32,
    },
    /// An entry of a conversation the client is no member of.
    Leak {
        /// The client.
        client: u32,
        /// The conversation.
        conversation_id: Uuid,
    },
    /// An acknowledgement of what the client never sent, or in another conversation.
    StrangeAnswer {
        /// The client.
        client: u32,
    },
    /// A frame the fleet cannot read.
    Unreadable {
        /// The client.
        client: u32,
    },
    /// An entry was shown twice to the user of a device.
    ShownTwice {
        /// The client.
        client: u32,
        /// The conversation.
        conversation: u32,
        /// The entry.
        seq: u32,
    },
}

impl History {
    /// What the store says of a conversation's log, by each account, with the account's name.
    pub fn accounts(
        &self,
        conversation: u32,
    ) -> impl Iterator<Item = (&'static str, &[Observation])> {
        let accounts = [("history", &self.stored), ("the database", &self.tables)];
        accounts
            .into_iter()
            .filter_map(move |(name, logs)| Some((name, logs.get(&conversation)?.as_slice())))
    }

    /// The first and last place of a log that a client is a member at.
    pub fn membership(&self, conversation: u32, client: u32) -> (u32, u32) {
        self.memberships.get(&(conversation, client)).copied().unwrap_or((1, u32::MAX))
    }
}

/// Everything the checker needs.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// How many conversations the plan has.
    pub conversations: u32,
    /// By number.
    pub clients: Vec<ClientHistory>,
    /// The logs as REST history gave them, by conversation, for those that were asked for.
    pub stored: BTreeMap<u32, Vec<Observation>>,
    /// The logs as the database has them, when it was asked.
    pub tables: BTreeMap<u32, Vec<Observation>>,
    /// By conversation and client: the first and last place of the log that it is a member at.
    /// Without a line it is a member throughout.
    pub memberships: BTreeMap<(u32, u32), (u32, u32)>,
    /// Seen at once, at most so many as the run keeps.
    pub oddities: Vec<Oddity>,
}
