//! What is revoked, in memory.

use std::collections::HashMap;

use crate::store::Revoked;

/// The list, bounded by the caller's number.
#[derive(Debug, Default)]
pub(super) struct RevokedList {
    until: HashMap<Vec<u8>, u64>,
    changes: u64,
}

impl RevokedList {
    /// Adds; beyond `most` those go that end soonest.
    pub(super) fn add(&mut self, revoked: &[Revoked], most: usize, now_ms: u64) {
        self.until.retain(|_, until_ms| *until_ms > now_ms);
        for Revoked { until_ms, what } in revoked {
            let until = self.until.entry(what.clone()).or_default();
            *until = (*until).max(*until_ms);
        }
        if self.until.len() > most.max(1) {
            let mut ends: Vec<u64> = self.until.values().copied().collect();
            ends.sort_unstable();
            let last = ends[self.until.len() - most.max(1) - 1];
            self.until.retain(|_, until_ms| *until_ms > last);
        }
        self.changes += 1;
    }

    pub(super) fn list(&self, now_ms: u64) -> (Vec<Revoked>, String) {
        let living = self.until.iter().filter(|(_, until_ms)| **until_ms > now_ms);
        let list =
            living.map(|(what, until)| Revoked { until_ms: *until, what: what.clone() }).collect();
        (list, self.version())
    }

    pub(super) fn version(&self) -> String {
        self.changes.to_string()
    }
}
