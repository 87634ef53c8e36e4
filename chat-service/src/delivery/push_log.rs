//! The push log: to which gateways the last entries were pushed, and what became of it, for operators who ask.
//!
//! A ring of fixed size in memory. It is lost with the process, and nothing else depends on it.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use proto::bus::{PushOutcome, Pushed, PushedTo};
use proto::common::GatewayRef;
use proto::id::ConversationKey;

use crate::clock::now_ms;

/// Pushes of one answer.
const MAX_PUSHES: usize = 256;

/// One entry to one gateway, or to none.
#[derive(Debug, Clone)]
pub(crate) struct PushRecord {
    pub(crate) conversation: ConversationKey,
    pub(crate) seq: u64,
    /// Where it went; none where it went nowhere.
    pub(crate) gateway: Option<Arc<GatewayRef>>,
    /// Connections that the push named.
    pub(crate) connections: u32,
    /// What became of it.
    pub(crate) outcome: PushOutcome,
}

/// What this process remembers of its pushes.
#[derive(Debug)]
pub(crate) struct PushLog {
    ring: Mutex<Ring>,
    most: usize,
}

#[derive(Debug)]
struct Ring {
    records: VecDeque<(u64, PushRecord)>,
    /// Everything from then on is remembered, in Unix milliseconds.
    since_ms: u64,
}

impl PushLog {
    /// Remembers so many pushes of entries; 0 remembers nothing.
    pub(crate) fn new(most: usize) -> Self {
        Self::from(most, now_ms())
    }

    fn from(most: usize, since_ms: u64) -> Self {
        Self { ring: Mutex::new(Ring { records: VecDeque::new(), since_ms }), most }
    }

    /// False when nothing is remembered: then there is nothing to note, either.
    pub(crate) fn is_on(&self) -> bool {
        self.most > 0
    }

    /// Notes what was pushed at a moment, the batch in one go. What is oldest makes room.
    pub(crate) fn note(&self, at_ms: u64, records: impl IntoIterator<Item = PushRecord>) {
        if !self.is_on() {
            return;
        }
        let mut ring = self.ring.lock();
        for record in records {
            if ring.records.len() >= self.most
                && let Some((forgotten_ms, _)) = ring.records.pop_front()
            {
                // Others of that moment are forgotten, too, or will be.
                ring.since_ms = ring.since_ms.max(forgotten_ms + 1);
            }
            ring.records.push_back((at_ms, record));
        }
    }

    /// What is remembered of an entry.
    pub(crate) fn find(&self, key: ConversationKey, seq: u64) -> Pushed {
        if !self.is_on() {
            return Pushed::default();
        }
        let ring = self.ring.lock();
        let found = ring.records.iter().filter(|(_, it)| it.seq == seq && it.conversation == key);
        let pushes = found.take(MAX_PUSHES).map(|(at_ms, record)| PushedTo {
            gateway: record.gateway.as_deref().cloned(),
            at_ms: *at_ms,
            outcome: record.outcome as i32,
            connections: record.connections,
        });
        Pushed { pushes: pushes.collect(), remembers_since_ms: ring.since_ms }
    }
}

#[cfg(test)]
mod tests {
    use proto::id::{ConversationId, TenantId};

    use super::*;

    fn id(number: u128) -> ConversationKey {
        let id = ConversationId(uuid::Uuid::from_u128(number));
        ConversationKey::new(TenantId::DEFAULT, id)
    }

    fn record(conversation: u128, seq: u64, gateway: &str) -> PushRecord {
        let gateway = GatewayRef { id: gateway.to_owned(), epoch: 7 };
        PushRecord {
            conversation: id(conversation),
            seq,
            gateway: Some(Arc::new(gateway)),
            connections: 2,
            outcome: PushOutcome::Confirmed,
        }
    }

    #[test]
    fn an_entry_is_found_at_every_gateway_that_it_was_pushed_to() {
        let log = PushLog::from(10, 1_000);
        log.note(1_001, [record(1, 1, "a"), record(1, 1, "b"), record(2, 1, "a")]);
        let gone = PushRecord { outcome: PushOutcome::Gone, ..record(1, 2, "b") };
        log.note(1_002, [gone]);
        let found = log.find(id(1), 1);
        let gateways = found.pushes.iter().filter_map(|push| push.gateway.as_ref());
        assert_eq!(gateways.map(|it| it.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let second = &log.find(id(1), 2).pushes[0];
        assert_eq!((second.at_ms, second.outcome()), (1_002, PushOutcome::Gone));
        assert_eq!(found.remembers_since_ms, 1_000, "since it began");
        let theirs = ConversationKey::new(TenantId::parse("acme").unwrap(), id(1).id);
        assert_eq!(log.find(theirs, 1).pushes, [], "of another tenant");
    }

    #[test]
    fn what_is_forgotten_is_said_to_be_forgotten() {
        let log = PushLog::from(3, 1_000);
        for seq in 1..=5 {
            log.note(1_000 + seq, [record(1, seq, "a")]);
        }
        let found = log.find(id(1), 2);
        assert!(found.pushes.is_empty());
        assert_eq!(found.remembers_since_ms, 1_003);
        assert_eq!(log.find(id(1), 3).pushes.len(), 1);
        assert_eq!(log.ring.lock().records.len(), 3);
    }

    #[test]
    fn a_push_log_that_is_off_keeps_nothing_and_says_so() {
        let log = PushLog::from(0, 1_000);
        log.note(1_001, [record(1, 1, "a")]);
        assert_eq!(log.find(id(1), 1), Pushed::default());
        assert_eq!(log.ring.lock().records.capacity(), 0);
    }
}
