//! What the deliver step writes into the push log: a record for each entry and gateway once the outcome is known.

use std::collections::HashMap;
use std::sync::Arc;

use proto::bus::{PushOutcome, push::Body};
use proto::common::GatewayRef;

use super::address::{Addressed, GatewayKey};
use super::outgoing::Outgoing;
use super::publish::Undelivered;
use super::push_log::{PushLog, PushRecord};
use crate::clock::now_ms;

/// The records of one round of publishes.
pub(super) struct PushRecords<'a> {
    log: &'a PushLog,
    began_ms: u64,
    records: Vec<PushRecord>,
}

impl<'a> PushRecords<'a> {
    pub(super) fn begin(log: &'a PushLog) -> Self {
        Self { log, began_ms: now_ms(), records: Vec::new() }
    }

    /// An entry that no gateway has a socket for.
    pub(super) fn nowhere(&mut self, outgoing: &Outgoing) {
        if self.log.is_on() {
            self.records.extend(record(outgoing, PushOutcome::Nobody));
        }
    }

    /// What is about to be published to one gateway.
    pub(super) fn pushes(&mut self, gateway: &GatewayKey, pushes: &[Addressed]) {
        if !self.log.is_on() {
            return;
        }
        let gateway = Arc::new(GatewayRef { id: gateway.0.clone(), epoch: gateway.1 });
        self.records.extend(pushes.iter().filter_map(|addressed| {
            let (conversation, seq) = addressed.entry?;
            let Some(Body::Entry(entry)) = &addressed.push.body else { return None };
            Some(PushRecord {
                conversation,
                seq,
                gateway: Some(Arc::clone(&gateway)),
                connections: entry.connections.len() as u32,
                outcome: PushOutcome::Confirmed,
            })
        }));
    }

    /// Writes all of them with what became of each push.
    pub(super) fn end(self, missed: &HashMap<GatewayKey, Undelivered>) {
        let records = self.records.into_iter().map(|record| {
            let gateway = record.gateway.as_deref().filter(|_| !missed.is_empty());
            let missed = gateway.and_then(|it| missed.get(&(it.id.clone(), it.epoch)));
            let outcome = match missed {
                Some(Undelivered::Gone) => PushOutcome::Gone,
                Some(Undelivered::GivenUp) => PushOutcome::GivenUp,
                None => record.outcome,
            };
            PushRecord { outcome, ..record }
        });
        self.log.note(self.began_ms, records);
    }
}

/// Writes entries that are not pushed: heads are told later.
pub(super) fn not_pushed(log: &PushLog, outgoing: &[Outgoing]) {
    if log.is_on() {
        let records =
            outgoing.iter().filter_map(|outgoing| record(outgoing, PushOutcome::Postponed));
        log.note(now_ms(), records);
    }
}

fn record(outgoing: &Outgoing, outcome: PushOutcome) -> Option<PushRecord> {
    let (conversation, seq) = outgoing.entry?;
    Some(PushRecord { conversation, seq, gateway: None, connections: 0, outcome })
}
