//! The rules by their names in the literature (Jepsen's kafka and set-full workloads), and findings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// So many violations are described; all are counted.
const DESCRIBED: usize = 50;

/// What can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// An acknowledged send is not in the log, or another entry stands in its place.
    LostWrite,
    /// An entry that nobody sent.
    Phantom,
    /// An entry of a send that was refused with *not stored* and not sent again.
    AbortedRead,
    /// Two entries of one (sender, client id), or two different answers to it.
    Duplicate,
    /// A place of the log that nothing stands in.
    Gap,
    /// Two observers, or an observer and an answer, disagree about what stands in a place.
    InconsistentOffsets,
    /// Text, sender or client id of an entry is not what was sent.
    AlteredContent,
    /// A sender's later send stands before an earlier one.
    IntSendNonmonotonic,
    /// A send that began after another was acknowledged stands before it.
    StaleAppend,
    /// On one connection a new live entry stood before one already shown.
    NonmonotonicPoll,
    /// On one connection a live entry skipped others, or the first after a sync did (counted only,
    /// unless asked for).
    PollSkip,
    /// A connected member never got an entry of the log.
    Unseen,
    /// A client got an entry of a conversation it is no member of.
    Leak,
    /// A frame that is no frame of the protocol.
    Unreadable,
    /// An entry was shown twice on one device, although devices drop repeats.
    DuplicateDelivery,
    /// A connected device waited longer than allowed for what was acknowledged.
    LateDelivery,
    /// A receipt passed the head or what was confirmed, or the store kept another. Without faults
    /// also one that went back.
    CursorRegress,
    /// A sync after an acknowledgement did not reach what was acknowledged.
    StaleRead,
    /// A sync went on from another entry than the log has there, or had a client forget what the log has.
    WrongResume,
    /// A user was called offline who was connected throughout the grace time.
    FalseOffline,
    /// A user counts as connected long after its last connection ended.
    GhostOnline,
    /// An observer was left with `offline` about a user who has long been back.
    StalePresence,
    /// A process used more than its bound.
    Unbounded,
    /// What is pinned is not what the log says, or an acknowledged pin is not in it.
    PinState,
    /// A graceful stop broke connections, or left outcomes unknown.
    DirtyDrain,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 25] = [
        Self::LostWrite,
        Self::Phantom,
        Self::AbortedRead,
        Self::Duplicate,
        Self::Gap,
        Self::InconsistentOffsets,
        Self::AlteredContent,
        Self::IntSendNonmonotonic,
        Self::StaleAppend,
        Self::NonmonotonicPoll,
        Self::PollSkip,
        Self::Unseen,
        Self::Leak,
        Self::Unreadable,
        Self::DuplicateDelivery,
        Self::LateDelivery,
        Self::CursorRegress,
        Self::StaleRead,
        Self::WrongResume,
        Self::FalseOffline,
        Self::GhostOnline,
        Self::StalePresence,
        Self::Unbounded,
        Self::PinState,
        Self::DirtyDrain,
    ];

    /// The name as it stands in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::LostWrite => "lost-write",
            Self::Phantom => "phantom",
            Self::AbortedRead => "aborted-read",
            Self::Duplicate => "duplicate",
            Self::Gap => "gap",
            Self::InconsistentOffsets => "inconsistent-offsets",
            Self::AlteredContent => "altered-content",
            Self::IntSendNonmonotonic => "int-send-nonmonotonic",
            Self::StaleAppend => "stale-append",
            Self::NonmonotonicPoll => "nonmonotonic-poll",
            Self::PollSkip => "poll-skip",
            Self::Unseen => "unseen",
            Self::Leak => "leak",
            Self::Unreadable => "unreadable",
            Self::DuplicateDelivery => "duplicate-delivery",
            Self::LateDelivery => "late-delivery",
            Self::CursorRegress => "cursor-regress",
            Self::StaleRead => "stale-read",
            Self::WrongResume => "wrong-resume",
            Self::FalseOffline => "false-offline",
            Self::GhostOnline => "ghost-online",
            Self::StalePresence => "stale-presence",
            Self::Unbounded => "unbounded",
            Self::PinState => "pin-state",
            Self::DirtyDrain => "dirty-drain",
        }
    }
}

/// Where a promise was broken, in numbers of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Site {
    /// The conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<u32>,
    /// The place in its log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u32>,
    /// The client: the observer, or the sender where `number` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<u32>,
    /// Which of its sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
}

impl Site {
    /// An entry.
    pub fn entry(conversation: u32, seq: u32) -> Self {
        Self { conversation: Some(conversation), seq: Some(seq), ..Self::default() }
    }

    /// A conversation.
    pub fn conversation(conversation: u32) -> Self {
        Self { conversation: Some(conversation), ..Self::default() }
    }

    /// What a client saw.
    pub fn client(client: u32) -> Self {
        Self { client: Some(client), ..Self::default() }
    }

    /// As a client saw it.
    #[must_use]
    pub fn at(self, client: u32) -> Self {
        Self { client: Some(client), ..self }
    }

    /// Of a client's send.
    #[must_use]
    pub fn sent(self, client: u32, number: u32) -> Self {
        Self { client: Some(client), number: Some(number), ..self }
    }
}

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// Where.
    #[serde(default)]
    pub site: Site,
    /// What, in words.
    pub detail: String,
}

/// What the checker found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Findings {
    /// How often each rule was broken.
    pub violations: BTreeMap<Rule, u64>,
    /// The first of them, described.
    pub examples: Vec<Violation>,
    /// Entries of all logs.
    pub entries: u64,
    /// Entries a device got again; harmless, since devices drop them by their place.
    pub wire_repeats: u64,
    /// Entries that a live entry skipped and that came later, by sync.
    pub live_skips: u64,
    /// Receipts that came after later ones; harmless, since clients keep the highest.
    #[serde(default)]
    pub late_receipts: u64,
    /// Sends that may or may not be stored.
    pub unknown_outcomes: u64,
    /// Clients that were not connected and up to date at the end; what they lack is not judged.
    pub unreached_clients: u64,
    /// Conversations whose log was compared with REST history.
    pub verified_logs: u64,
}

impl Findings {
    /// Adds those of another run.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (rule, count) in &other.violations {
            *self.violations.entry(*rule).or_default() += count;
        }
        let room = DESCRIBED.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.iter().take(room).cloned());
        self.entries += other.entries;
        self.wire_repeats += other.wire_repeats;
        self.live_skips += other.live_skips;
        self.late_receipts += other.late_receipts;
        self.unknown_outcomes += other.unknown_outcomes;
        self.unreached_clients += other.unreached_clients;
        self.verified_logs += other.verified_logs;
    }

    /// Adds what was found of pinned messages.
    pub fn pins_differ(&mut self, conversation: u32, detail: String) {
        self.add(Rule::PinState, Site::conversation(conversation), || detail);
    }

    /// Counts a violation and describes it while there is room.
    pub(super) fn add(&mut self, rule: Rule, site: Site, detail: impl FnOnce() -> String) {
        *self.violations.entry(rule).or_default() += 1;
        if self.examples.len() < DESCRIBED {
            self.examples.push(Violation { rule, site, detail: detail() });
        }
    }
}
