//! What one gateway says it has, in the memory of one process.

use std::collections::{HashSet, VecDeque};

use proto::hash::connection_digest;
use proto::id::UserId;

use crate::domain::account::{AccountStamp, Tally};
use crate::domain::registration::{Connected, Disconnected};
use crate::store::Report;

/// Earlier epochs of a gateway that are told apart from new ones.
const PAST_EPOCHS: usize = 32;

/// What one gateway says it has, and what remains of its earlier accounts.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) epoch: u64,
    pub(super) past_epochs: VecDeque<u64>,
    pub(super) stamp: AccountStamp,
    pub(super) lease_until_ms: u64,
    /// The lease was found to have ended.
    pub(super) has_ended: bool,
    pub(super) tally: Tally,
    pub(super) live: HashSet<(u64, UserId)>,
    pub(super) superseded: VecDeque<Superseded>,
    pub(super) superseded_until_ms: u64,
}

#[derive(Debug)]
pub(super) struct Superseded {
    pub(super) stamp: AccountStamp,
    pub(super) connection: u64,
    pub(super) user_id: UserId,
}

impl Gateway {
    pub(super) fn new(epoch: u64, stamp: AccountStamp) -> Self {
        Self {
            epoch,
            past_epochs: VecDeque::new(),
            stamp,
            lease_until_ms: 0,
            has_ended: false,
            tally: Tally::default(),
            live: HashSet::new(),
            superseded: VecDeque::new(),
            superseded_until_ms: 0,
        }
    }

    /// Ends the account. Its registrations end at `until_ms`, or earlier if some were to end before.
    pub(super) fn supersede(&mut self, stamp: AccountStamp, until_ms: u64) {
        if self.superseded.is_empty() {
            self.superseded_until_ms = until_ms;
        }
        let ended = self.stamp;
        self.superseded.extend(self.live.drain().map(|(connection, user_id)| Superseded {
            stamp: ended,
            connection,
            user_id,
        }));
        self.stamp = stamp;
        self.tally = Tally::default();
    }

    /// Counts what a report opened and closed.
    pub(super) fn take(&mut self, report: &Report, refused: &[u64]) {
        let refused: HashSet<u64> = refused.iter().copied().collect();
        for Connected { user_id, connection, .. } in &report.connected {
            if !refused.contains(connection) && self.live.insert((*connection, user_id.clone())) {
                self.tally.add(connection_digest(user_id.as_str(), *connection));
            }
        }
        for Disconnected { user_id, connection } in &report.disconnected {
            if self.live.remove(&(*connection, user_id.clone())) {
                self.tally.remove(connection_digest(user_id.as_str(), *connection));
            }
        }
    }

    pub(super) fn begin_epoch(&mut self, epoch: u64) {
        self.follow(self.epoch);
        self.epoch = epoch;
    }

    /// Nothing of this epoch is taken any more.
    pub(super) fn follow(&mut self, epoch: u64) {
        if self.past_epochs.contains(&epoch) {
            return;
        }
        self.past_epochs.push_back(epoch);
        if self.past_epochs.len() > PAST_EPOCHS {
            self.past_epochs.pop_front();
        }
    }
}
