//! What the deliver step notes in the journal: a line for each entry and gateway when the outcome is known.

use std::collections::HashMap;
use std::sync::Arc;

use proto::bus::{GatewayRef, PushOutcome};

use super::address::{Addressed, GatewayKey};
use super::append::unix_ms;
use super::deliver::Missed;
use super::journal::{Journal, PushRecord};
use super::message::Outgoing;

/// The lines of one round of publishes.
pub(super) struct Noted<'a> {
    journal: &'a Journal,
    began_ms: u64,
    records: Vec<PushRecord>,
}

impl<'a> Noted<'a> {
    pub(super) fn begin(journal: &'a Journal) -> Self {
        Self { journal, began_ms: unix_ms(), records: Vec::new() }
    }

    /// An entry that no gateway has a socket for.
    pub(super) fn nowhere(&mut self, outgoing: &Outgoing) {
        if self.journal.is_on() {
            self.records.extend(line(outgoing, PushOutcome::Nobody));
        }
    }

    /// What is about to be published to one gateway.
    pub(super) fn pushes(&mut self, gateway: &GatewayKey, pushes: &[Addressed]) {
        if !self.journal.is_on() {
            return;
        }
        let gateway = Arc::new(GatewayRef { id: gateway.0.clone(), epoch: gateway.1 });
        self.records.extend(pushes.iter().filter_map(|addressed| {
            let (conversation, seq) = addressed.entry?;
            Some(PushRecord {
                conversation,
                seq,
                gateway: Some(Arc::clone(&gateway)),
                connections: addressed.push.connections.len() as u32,
                outcome: PushOutcome::Confirmed,
            })
        }));
    }

    /// Notes all of it with what became of it.
    pub(super) fn end(self, missed: &HashMap<GatewayKey, Missed>) {
        let records = self.records.into_iter().map(|record| {
            let gateway = record.gateway.as_deref().filter(|_| !missed.is_empty());
            let missed = gateway.and_then(|it| missed.get(&(it.id.clone(), it.epoch)));
            let outcome = match missed {
                Some(Missed::Gone) => PushOutcome::Gone,
                Some(Missed::GivenUp) => PushOutcome::GivenUp,
                None => record.outcome,
            };
            PushRecord { outcome, ..record }
        });
        self.journal.note(self.began_ms, records);
    }
}

/// Notes entries that are not pushed: heads are told later.
pub(super) fn owed(journal: &Journal, outgoing: &[Outgoing]) {
    if journal.is_on() {
        let lines = outgoing.iter().filter_map(|outgoing| line(outgoing, PushOutcome::Owed));
        journal.note(unix_ms(), lines);
    }
}

fn line(outgoing: &Outgoing, outcome: PushOutcome) -> Option<PushRecord> {
    let (conversation, seq) = outgoing.entry?;
    Some(PushRecord { conversation, seq, gateway: None, connections: 0, outcome })
}
