//! A device that shows one conversation: what it holds of the log and of each message, by the rules of docs/protocol.md.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::fold::{Entry, State};

/// A message, as the device holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The last entry that is taken account of.
    pub as_of: u64,
    /// What changes have made of it.
    pub state: State,
    /// What it said when it was sent; `{}` once it is gone.
    pub content: Value,
}

/// An answer with states.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Page {
    /// How far it goes.
    pub as_of: u64,
    /// Its entries, or a part of them.
    pub entries: Vec<Entry>,
    /// States by message, as they were said.
    pub states: BTreeMap<u64, Value>,
    /// Of an answer to `changes`: it speaks of the messages from the first place to before the second one, and names those that
    /// were changed after the third.
    pub range: Option<(u64, u64, u64)>,
}

impl Page {
    /// A message's state.
    pub fn state(&self, seq: u64) -> State {
        self.states.get(&seq).map(State::said).unwrap_or_default()
    }
}

/// A page of a sync.
#[derive(Debug, Clone, Default)]
pub struct SyncPage {
    /// Entries and states; without `as_of` it says nothing of states.
    pub page: Page,
    /// It has states.
    pub has_states: bool,
    /// What is held is to be forgotten.
    pub is_reset: bool,
    /// Entries before this one are not part of it.
    pub skipped_before: Option<u64>,
    /// The last entry of those that are left out behind the cursor.
    pub skipped_to: Option<u64>,
}

/// The device's part of one conversation.
#[derive(Debug, Clone, Default)]
pub struct Device {
    cursor: u64,
    last: Option<Uuid>,
    /// Entries that came before those in front of them.
    early: BTreeMap<u64, Entry>,
    /// Its own log, without holes, to the cursor.
    log: BTreeMap<u64, Entry>,
    /// The first entry of it.
    from: u64,
    /// Messages with a lower `as_of` are stale.
    stale_below: u64,
    /// The last entry that a page skipped.
    skipped_through: u64,
    messages: BTreeMap<u64, Message>,
    /// Entries that came and that it need not hold: a page skipped them before they were taken, or began the log anew.
    dropped: BTreeSet<u64>,
}

/// Entries that may come too early; beyond them a sync is what helps.
const MOST_EARLY: usize = 500;

impl Device {
    /// Up to here it has everything.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// The entry there.
    pub fn last(&self) -> Option<Uuid> {
        self.last
    }

    /// Entries are missing before one that came.
    pub fn has_gap(&self) -> bool {
        !self.early.is_empty()
    }

    /// What it holds of messages.
    pub fn messages(&self) -> &BTreeMap<u64, Message> {
        &self.messages
    }

    /// Entries that came and that it need not hold.
    pub fn dropped(&self) -> &BTreeSet<u64> {
        &self.dropped
    }

    /// The messages that it has to ask for before it shows them, in order.
    pub fn stale(&self) -> Vec<u64> {
        let stale =
            |(seq, message): (&u64, &Message)| (message.as_of < self.stale_below).then_some(*seq);
        self.messages.iter().filter_map(stale).collect()
    }

    /// Takes a live entry, or one that `sent` stands for.
    pub fn live(&mut self, entry: Entry) {
        if entry.seq > self.cursor && self.early.len() < MOST_EARLY {
            self.early.insert(entry.seq, entry);
        } else if entry.seq <= self.skipped_through && !self.messages.contains_key(&entry.seq) {
            // A page skipped it before it came.
            self.dropped.insert(entry.seq);
        }
        self.catch_up();
    }

    fn catch_up(&mut self) {
        while let Some(entry) = self.early.remove(&(self.cursor + 1)) {
            let as_of = entry.seq;
            self.take(entry, as_of, State::default());
        }
        let later = self.early.split_off(&(self.cursor + 1));
        let passed = std::mem::replace(&mut self.early, later);
        let is_lacking = |seq: &u64| !self.messages.contains_key(seq);
        self.dropped.extend(passed.into_keys().filter(is_lacking));
    }

    /// The entry behind the cursor.
    fn take(&mut self, entry: Entry, as_of: u64, state: State) {
        self.cursor = entry.seq;
        self.last = Some(entry.id);
        if entry.is_message() {
            let content = if state.is_gone() { json!({}) } else { entry.content.clone() };
            let message = Message { as_of, state, content };
            self.messages.entry(entry.seq).or_insert(message);
        }
        for seq in entry.changes() {
            self.apply(seq, &entry);
        }
        if self.log.is_empty() {
            self.from = entry.seq;
        }
        self.log.insert(entry.seq, entry);
    }

    fn apply(&mut self, seq: u64, entry: &Entry) {
        let stale_below = self.stale_below;
        let Some(message) = self.messages.get_mut(&seq) else { return };
        // What is blank is left out: it changes nothing, and what made it so comes behind it.
        let is_left_out = entry.is_blank() && !entry.is_message();
        if message.as_of < stale_below || entry.seq <= message.as_of || is_left_out {
            return;
        }
        message.state.apply(entry);
        message.as_of = entry.seq;
        if message.state.is_gone() {
            message.content = json!({});
        }
    }

    /// Takes a page of a sync, or of a redelivery.
    pub fn sync(&mut self, page: SyncPage) {
        if page.is_reset {
            let mut dropped = std::mem::take(&mut self.dropped);
            dropped.extend(self.messages.keys().chain(self.early.keys()));
            *self = Self { dropped, ..Self::default() };
        }
        let is_new = self.cursor == 0 && self.log.is_empty();
        if let Some(before) = page.skipped_before.filter(|_| is_new) {
            self.cursor = before.saturating_sub(1);
            self.skipped_through = self.cursor;
        }
        if let Some(to) = page.skipped_to.filter(|to| *to > self.cursor) {
            self.cursor = to;
            self.stale_below = self.stale_below.max(to);
            self.skipped_through = to;
            self.log.clear();
        }
        let states = page.page.clone();
        for entry in page.page.entries {
            if entry.seq != self.cursor + 1 {
                self.live(entry);
            } else if page.has_states {
                let as_of = states.as_of.max(entry.seq);
                let state = states.state(entry.seq);
                self.take(entry, as_of, state);
            } else {
                let as_of = entry.seq;
                self.take(entry, as_of, State::default());
            }
        }
        self.catch_up();
    }

    /// Takes an answer with states, however late it comes. False when entries that came since are not held any more: it is to
    /// be asked again.
    pub fn answer(&mut self, page: &Page) -> bool {
        if page.as_of < self.cursor && (self.log.is_empty() || page.as_of + 1 < self.from) {
            return false;
        }
        if let Some((from, to, after)) = page.range {
            let held: Vec<u64> = self.messages.range(from..to).map(|(seq, _)| *seq).collect();
            for seq in held {
                self.renew(seq, after, page);
            }
        }
        for entry in page.entries.iter().filter(|entry| entry.is_message()) {
            let message = Message {
                as_of: page.as_of,
                state: page.state(entry.seq),
                content: entry.content.clone(),
            };
            let held = self.messages.get(&entry.seq);
            if held.is_none_or(|held| held.as_of < page.as_of) {
                self.messages.insert(entry.seq, message);
                self.apply_own(entry.seq, page.as_of);
            }
        }
        true
    }

    /// By an answer to `changes`: one that is not named was not changed after the place that was asked for.
    fn renew(&mut self, seq: u64, after: u64, page: &Page) {
        let Some(message) = self.messages.get_mut(&seq) else { return };
        if message.as_of >= page.as_of || message.as_of < after {
            return;
        }
        if page.states.contains_key(&seq) {
            message.state = page.state(seq);
        }
        if message.state.is_gone() {
            message.content = json!({});
        }
        message.as_of = page.as_of;
        self.apply_own(seq, page.as_of);
    }

    fn apply_own(&mut self, seq: u64, as_of: u64) {
        let behind: Vec<Entry> = self
            .log
            .range(as_of + 1..)
            .map(|(_, entry)| entry)
            .filter(|it| it.changes().contains(&seq))
            .cloned()
            .collect();
        for entry in behind {
            self.apply(seq, &entry);
        }
    }

    /// Forgets the beginning of its log.
    pub fn trim(&mut self, keep: u64) {
        let first = (self.cursor + 1).saturating_sub(keep);
        if first > self.from && !self.log.is_empty() {
            self.log = self.log.split_off(&first);
            self.from = first;
        }
    }
}
