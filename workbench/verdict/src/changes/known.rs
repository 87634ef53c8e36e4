//! The log of a conversation as it was before contents were taken away, and the states of its messages at each of its entries.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::account::{Account, Outcome};
use super::fold::{Entry, State};
use crate::scenario::Found;

/// A log that is folded.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By place.
    pub(super) entries: BTreeMap<u64, Entry>,
    /// The states of each message after each of the entries that changed it, in order.
    states: BTreeMap<u64, Vec<State>>,
    /// Messages of whose changes one is not known any more, with the place from which on nothing can be said.
    lost: BTreeMap<u64, u64>,
}

impl Known {
    /// Of a conversation: by its log at the end, by what devices saw, and by what was asked for.
    pub(super) fn of(account: &Account, conversation: usize, found: &mut Found) -> Self {
        let mut known = Self::default();
        let log = &account.conversations[conversation].log;
        for (place, entry) in (1..).zip(log) {
            found.holds(entry.seq == place, "gap", || {
                format!("conversation {conversation}: {} stands in place {place}", entry.seq)
            });
            known.entries.insert(entry.seq, entry.clone());
        }
        let held = account.devices.iter().filter(|held| held.conversation == conversation);
        for (held, seen) in held.flat_map(|held| held.seen.iter().map(move |seen| (held, seen))) {
            known.see(conversation, &held.name, seen, found);
        }
        let contents = contents(account, conversation);
        for entry in known.entries.values_mut().filter(|entry| entry.is_blank()) {
            if let Some(content) = contents.get(&entry.seq) {
                entry.content = (*content).clone();
            }
        }
        known.fold(conversation, found);
        known
    }

    /// What a device saw is what the log has.
    fn see(&mut self, conversation: usize, name: &str, seen: &Entry, found: &mut Found) {
        found.count("entries seen by devices", 1);
        let Some(entry) = self.entries.get_mut(&seen.seq) else {
            found.broken("lost-entry", || {
                format!("conversation {conversation}: {name} saw {}, the log ends before", seen.seq)
            });
            return;
        };
        if entry.is_blank() {
            entry.content = seen.content.clone();
        }
        let mut shown = seen.clone();
        // `sent` stands for an entry at the device that asked for it.
        if shown.is_blank() || entry.says(&shown.content) {
            shown.content = entry.content.clone();
        }
        found.holds(*entry == shown, "disagreement", || {
            format!("conversation {conversation}: {name} saw {shown:?}, the log has {entry:?}")
        });
    }

    fn fold(&mut self, conversation: usize, found: &mut Found) {
        let mut states: BTreeMap<u64, State> = BTreeMap::new();
        for entry in self.entries.values() {
            let is_reply = entry.is_message();
            for seq in entry.changes() {
                let state = states.entry(seq).or_default();
                if entry.is_blank() && !is_reply {
                    // Its content was gone before anybody saw it.
                    self.lost.entry(seq).or_insert(entry.seq);
                    continue;
                }
                let has_changed = state.apply(entry);
                // What came to nothing is not in a log; a reply to what is deleted is a message of its own.
                let may_be_idle = is_reply || self.lost.contains_key(&seq) || entry.kind == "edit";
                found.holds(has_changed || may_be_idle, "idle-change", || {
                    format!(
                        "conversation {conversation}: entry {} ({}) changes nothing of {seq}",
                        entry.seq, entry.kind
                    )
                });
                self.states.entry(seq).or_default().push(state.clone());
            }
        }
        found.count("messages changed", self.states.len() as u64);
    }

    /// The state of a message at a place of the log; `None` when nobody knows any more.
    pub(super) fn state(&self, seq: u64, as_of: u64) -> Option<State> {
        let states = self.states.get(&seq).map_or(&[][..], Vec::as_slice);
        let state = states.iter().rev().find(|state| state.as_of() <= as_of).cloned();
        let state = state.unwrap_or_default();
        let is_lost = self.lost.get(&seq).is_some_and(|from| *from <= as_of);
        (!is_lost || state.is_gone()).then_some(state)
    }

    /// What a message said at first.
    pub(super) fn content(&self, seq: u64) -> Option<&Value> {
        self.entries.get(&seq).filter(|entry| !entry.is_blank()).map(|entry| &entry.content)
    }

    /// The last place.
    pub(super) fn head(&self) -> u64 {
        self.entries.keys().next_back().copied().unwrap_or(0)
    }

    /// The messages that were changed.
    pub(super) fn changed(&self) -> BTreeSet<u64> {
        self.states.keys().copied().collect()
    }
}

/// What acknowledged operations said, by their places.
fn contents(account: &Account, conversation: usize) -> HashMap<u64, &Value> {
    let all = account.operations.iter().filter(|it| it.conversation == conversation);
    all.filter_map(|operation| match operation.outcome {
        Outcome::Stored { seq, .. } => Some((seq, &operation.content)),
        _ => None,
    })
    .collect()
}
