//! The log of one conversation, put together from everything that was seen and told.

use std::collections::{HashMap, HashSet};

use super::Part;
use super::rule::{Findings, Rule, Site};
use crate::history::{History, Mark, Observation};

/// What stands in a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    mark: Mark,
    /// The sending client.
    pub(super) sender: u32,
    /// Which of its sends.
    pub(super) number: u32,
    /// How much it counts.
    pub(super) standing: Standing,
}

/// How much an entry counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The store or an answer to its sender says so.
    Witnessed,
    /// Members saw it.
    Seen,
    /// A phantom, a duplicate, lost, or seen differently with no witness to decide: reported as
    /// such, and expected from nobody.
    Wrong,
}

/// The log as far as it is known.
pub(super) struct Log {
    /// By seq.
    pub(super) places: HashMap<u32, Place>,
    /// The known places, ascending.
    pub(super) seqs: Vec<u32>,
}

/// The sends whose entries the store's log has.
pub(super) fn sends_in(stored: &[Observation]) -> HashSet<(u32, u32)> {
    stored.iter().map(|entry| (entry.sender, entry.number)).collect()
}

impl Log {
    /// Puts the log together: the store's word first, then answers, then what members saw.
    pub(super) fn assemble(
        history: &History,
        conversation: u32,
        part: &Part<'_>,
        findings: &mut Findings,
    ) -> Self {
        let mut assembly = Assembly { conversation, places: HashMap::new(), findings };
        // What the store lacks is a lost write, judged elsewhere, and no contradiction.
        let mut in_store: Option<HashSet<(u32, u32)>> = None;
        for (account, entries) in history.accounts(conversation) {
            for seen in entries {
                assembly.see(seen, Standing::Witnessed, account);
            }
            in_store.get_or_insert_default().extend(sends_in(entries));
        }
        let mut displaced = Vec::new();
        for (sender, number, send) in part.acknowledged(history) {
            let place = Place { mark: send.mark, sender, number, standing: Standing::Witnessed };
            if in_store.as_ref().is_some_and(|sends| !sends.contains(&(sender, number))) {
                displaced.push((send.seq, place));
            } else {
                assembly.tell(send.seq, place, "the answer to the sender");
            }
        }
        for (client, view) in &part.views {
            let observer = format!("client {client}");
            for seen in &view.observations {
                assembly.see(seen, Standing::Seen, &observer);
            }
        }
        let mut places = assembly.places;
        for (seq, place) in displaced {
            places.entry(seq).or_insert(place);
        }
        let mut seqs: Vec<u32> = places.keys().copied().collect();
        seqs.sort_unstable();
        Self { places, seqs }
    }
}

struct Assembly<'a> {
    conversation: u32,
    places: HashMap<u32, Place>,
    findings: &'a mut Findings,
}

impl Assembly<'_> {
    fn see(&mut self, seen: &Observation, standing: Standing, observer: &str) {
        let Observation { mark, sender, number, seq, .. } = *seen;
        self.tell(seq, Place { mark, sender, number, standing }, observer);
        if seen.is_altered {
            let conversation = self.conversation;
            self.findings.add(Rule::AlteredContent, Site::entry(conversation, seq), || {
                format!("conversation {conversation} seq {seq}, as {observer} got it")
            });
        }
    }

    fn tell(&mut self, seq: u32, place: Place, teller: &str) {
        let known = self.places.entry(seq).or_insert(place);
        let key = |place: &Place| (place.mark, place.sender, place.number);
        if key(known) == key(&place) {
            return;
        }
        if known.standing == Standing::Seen {
            known.standing = Standing::Wrong;
        }
        let conversation = self.conversation;
        self.findings.add(Rule::InconsistentOffsets, Site::entry(conversation, seq), || {
            format!("conversation {conversation} seq {seq}: {teller} contradicts the others")
        });
    }
}
