//! What concerns every fleet alike: faults, bounds, and the rows of the database.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::event::{Act, Event, Seen, text_hash};
use crate::facts::{Fault, Resource};

/// The resource that is told for each fault.
const MEMORY: &str = "rss";

/// A row of the database: an entry in its names.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) conversation: Uuid,
    /// With the sender's name beside it: the run knows its number.
    pub(super) entry: Seen,
    pub(super) sender: String,
}

/// How far a member got, in the database's names.
#[derive(Debug, Clone)]
pub(super) struct CursorRow {
    pub(super) conversation: Uuid,
    pub(super) user: String,
    pub(super) delivered: u64,
    pub(super) read: u64,
}

/// What concerns every fleet alike.
#[derive(Debug, Default)]
pub struct CommonLines {
    pub(super) faults: Vec<Fault>,
    pub(super) bounds: BTreeMap<Resource, u64>,
    pub(super) peaks: BTreeMap<Resource, u64>,
    /// When, and how much memory of which process.
    memory: Vec<(u64, String, u64)>,
    pub(super) rows: Vec<Row>,
    pub(super) cursors: Vec<CursorRow>,
    pub(super) are_rows_whole: bool,
    pub(super) end_us: u64,
    /// Lines that make no sense.
    pub doubts: Vec<String>,
}

impl CommonLines {
    pub(super) fn see(&mut self, t: u64) {
        self.end_us = self.end_us.max(t / 1_000);
    }

    /// Takes what concerns every fleet; gives the rest back.
    pub(super) fn take(&mut self, t: u64, event: Event) -> Option<Event> {
        match event {
            Event::Nemesis { fault, target, act, evidence } => {
                self.nemesis(t / 1_000, fault, target, act, evidence.unwrap_or_default());
            }
            Event::Bound { process, what, most } => {
                self.bounds.insert((process, what), most);
            }
            Event::Gauge { process, what, value } => {
                if what == MEMORY {
                    self.memory.push((t / 1_000, process.clone(), value));
                }
                let peak = self.peaks.entry((process, what)).or_default();
                *peak = (*peak).max(value);
            }
            Event::Row { conversation, seq, id, cid, system, sender, text } => {
                let hash = text_hash(text.as_bytes());
                let from = if system { -1 } else { -2 };
                let entry = Seen { conv: 0, seq, id, cid, from, hash };
                self.rows.push(Row { conversation, entry, sender });
            }
            Event::CursorRow { conversation, user, delivered, read } => {
                self.cursors.push(CursorRow { conversation, user, delivered, read });
            }
            Event::RowsEnd {} => self.are_rows_whole = true,
            other => return Some(other),
        }
        None
    }

    fn nemesis(&mut self, at_us: u64, fault: String, target: String, act: Act, evidence: String) {
        match act {
            Act::Start => {
                let fault = Fault { fault, target, from_us: at_us, to_us: None, evidence };
                self.faults.push(fault);
            }
            Act::Stop => {
                let begun = self.faults.iter_mut().rev().find(|open| {
                    open.to_us.is_none() && (&open.fault, &open.target) == (&fault, &target)
                });
                match begun {
                    Some(open) => {
                        open.to_us = Some(at_us);
                        if !evidence.is_empty() && !open.evidence.is_empty() {
                            open.evidence.push_str("; ");
                        }
                        open.evidence.push_str(&evidence);
                    }
                    None => self.doubts.push(format!("{fault} of {target} stops unbegun")),
                }
            }
        }
    }

    /// Faults that nobody can say happened, or that never ended.
    pub fn doubtful_faults(&self) -> Vec<String> {
        let unproven = self.faults.iter().filter(|fault| fault.evidence.is_empty());
        let unproven = unproven.map(|fault| {
            format!("{} of {}: no evidence that it happened", fault.fault, fault.target)
        });
        let open = self.faults.iter().filter(|fault| fault.to_us.is_none());
        let open = open.map(|fault| format!("{} of {} never ended", fault.fault, fault.target));
        let cut = (!self.rows.is_empty() && !self.are_rows_whole)
            .then(|| "the database's rows are cut off".to_owned());
        unproven.chain(open).chain(cut).collect()
    }

    /// What was done, in order.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The most seen of each resource.
    pub fn peaks(&self) -> &BTreeMap<Resource, u64> {
        &self.peaks
    }

    /// The process that used the most memory between two moments, and how much.
    pub fn memory_peak(&self, from_us: u64, to_us: u64) -> Option<(&str, u64)> {
        let within = self.memory.iter().filter(|(at_us, ..)| (from_us..=to_us).contains(at_us));
        within.map(|(_, process, bytes)| (process.as_str(), *bytes)).max_by_key(|(_, bytes)| *bytes)
    }

    /// True when bounds were given.
    pub fn has_bounds(&self) -> bool {
        !self.bounds.is_empty()
    }

    /// True when the database was read.
    pub fn has_rows(&self) -> bool {
        self.are_rows_whole
    }
}
