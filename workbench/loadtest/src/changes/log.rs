//! What a device has of one conversation, and what it was shown, for the checker.

use std::collections::BTreeMap;

use serde_json::Value;
use verdict::changes::account::Held;
use verdict::changes::device::{Device, Page, SyncPage};
use verdict::changes::fold::Entry;

/// Entries of its own log that a device keeps.
const KEPT: u64 = 60;

/// One conversation on one device.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// By the rules of the protocol.
    pub(super) device: Device,
    /// The user of the device.
    user: String,
    /// Each entry in the form in which it came first.
    seen: BTreeMap<u64, Entry>,
    /// Entries that came in another form.
    others: Vec<Entry>,
    /// Of each message: whether it is the user's own, and whether it is a reply.
    messages: BTreeMap<u64, (bool, bool)>,
    /// Acknowledged up to here.
    pub(super) told: u64,
}

impl Log {
    pub(super) fn of(user: &str) -> Self {
        Self { user: user.to_owned(), ..Self::default() }
    }

    pub(super) fn is_own(&self, seq: u64) -> bool {
        self.messages.get(&seq).is_some_and(|(is_own, _)| *is_own)
    }

    pub(super) fn is_reply(&self, seq: u64) -> bool {
        self.messages.get(&seq).is_some_and(|(_, is_reply)| *is_reply)
    }

    /// Takes a live entry.
    pub(super) fn live(&mut self, entry: Entry) {
        self.see(&entry);
        self.device.live(entry);
        self.device.trim(KEPT);
    }

    /// Takes a page of a sync; what it says with states.
    pub(super) fn sync(&mut self, frame: &Value) -> Option<Page> {
        let entries: Vec<Entry> = serde_json::from_value(frame["entries"].clone()).ok()?;
        for entry in &entries {
            self.see(entry);
        }
        let as_of = frame["as_of"].as_u64();
        let page = Page {
            as_of: as_of.unwrap_or(0),
            entries,
            states: serde_json::from_value(frame["states"].clone()).unwrap_or_default(),
            range: None,
        };
        self.device.sync(SyncPage {
            page: page.clone(),
            has_states: as_of.is_some(),
            is_reset: frame["reset"] == true,
            skipped_before: frame["skipped_before"].as_u64(),
            skipped_to: frame["skipped"]["to_seq"].as_u64(),
        });
        self.device.trim(KEPT);
        as_of.is_some().then_some(page)
    }

    /// Takes an answer; false when it is to be asked again.
    pub(super) fn answer(&mut self, page: &Page) -> bool {
        for entry in &page.entries {
            self.know(entry);
        }
        self.device.answer(page)
    }

    fn know(&mut self, entry: &Entry) {
        if entry.is_message() {
            let facts = (entry.sender.id == self.user, entry.thread.is_some());
            self.messages.insert(entry.seq, facts);
        }
    }

    fn see(&mut self, entry: &Entry) {
        self.know(entry);
        match self.seen.get(&entry.seq) {
            None => drop(self.seen.insert(entry.seq, entry.clone())),
            Some(first) if first == entry || entry.is_blank() => {}
            Some(_) if self.others.len() < super::book::MOST => self.others.push(entry.clone()),
            Some(_) => {}
        }
    }

    /// What it holds at the end.
    pub(super) fn held(self, name: &str, conversation: usize) -> Held {
        Held {
            name: name.to_owned(),
            conversation,
            cursor: self.device.cursor(),
            messages: self.device.messages().clone(),
            dropped: self.device.dropped().clone(),
            seen: self.seen.into_values().chain(self.others).collect(),
        }
    }
}
