//! What users have used up of their rates, in the memory of one process.

use std::collections::HashMap;

use proto::id::UserId;

use crate::domain::spending::{Spent, book};

/// Of each user the moments, in microseconds, at which all that was granted is paid off.
#[derive(Debug, Default)]
pub(super) struct Spending(HashMap<UserId, Vec<u64>>);

impl Spending {
    /// Adds what was granted, and answers what is used up. Of more than so many users those are forgotten who have used
    /// up nothing, and then those who have used up least.
    pub(super) fn book(
        &mut self,
        spent: &[Spent],
        most_us: u64,
        now_us: u64,
        users_max: usize,
    ) -> Vec<Vec<u64>> {
        let booked = spent.iter().map(|Spent { user_id, micros }| {
            let paid_at = self.0.entry(user_id.clone()).or_default();
            book(paid_at, micros, most_us, now_us)
        });
        let used = booked.collect();
        self.forget(now_us, users_max);
        used
    }

    fn forget(&mut self, now_us: u64, users_max: usize) {
        if self.0.len() <= users_max {
            return;
        }
        let latest = |paid_at: &Vec<u64>| paid_at.iter().copied().max().unwrap_or(0);
        self.0.retain(|_, paid_at| latest(paid_at) > now_us);
        if self.0.len() > users_max {
            let mut all: Vec<u64> = self.0.values().map(latest).collect();
            all.sort_unstable();
            // A tenth more, so that it is paid rarely.
            let place = (self.0.len() - users_max + users_max / 10).min(all.len() - 1);
            let least = all[place];
            self.0.retain(|_, paid_at| latest(paid_at) >= least);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
