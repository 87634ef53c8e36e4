//! What users have handed in today to be stored, and how many memberships they have made: counted in the memory of
//! the process, so that it costs no message a round trip. A process that starts counts from nothing.

use std::collections::HashMap;

use parking_lot::Mutex;
use proto::error_code::ErrorCode;
use proto::id::UserId;

use crate::config::WorkerConfig;
use crate::domain::conversation::Refusal;
use crate::operations::Operation;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// What an entry takes beside its texts, about.
const ENTRY_BYTES: u64 = 256;

/// The counts of a process, for all of its partition workers.
#[derive(Debug)]
pub(crate) struct Quotas {
    today: Mutex<Today>,
    most: Used,
    most_users: usize,
}

#[derive(Debug, Default)]
struct Today {
    day: u64,
    users: HashMap<UserId, Used>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Used {
    bytes: u64,
    memberships: u64,
}

impl Quotas {
    /// With the bounds of the configuration.
    pub(crate) fn new(config: &WorkerConfig) -> Self {
        let most =
            Used { bytes: config.user_bytes_a_day, memberships: config.user_memberships_a_day };
        Self { today: Mutex::default(), most, most_users: config.counted_users.max(1) }
    }

    /// Counts operations; of each that is beyond a bound the refusal, by its index.
    pub(super) fn take(&self, operations: &[Operation], now_ms: u64) -> Vec<(usize, Refusal)> {
        let mut today = self.today.lock();
        if today.day != now_ms / DAY_MS {
            *today = Today { day: now_ms / DAY_MS, users: HashMap::new() };
        }
        let mut refused = Vec::new();
        for (place, operation) in operations.iter().enumerate() {
            let asked = used(operation);
            // Most users are there already: no copy of the id.
            let used = match today.users.get_mut(&operation.actor) {
                Some(used) => used,
                None => {
                    self.make_room(&mut today.users);
                    today.users.entry(operation.actor.clone()).or_default()
                }
            };
            if used.bytes + asked.bytes > self.most.bytes {
                let text =
                    format!("you may store {} bytes a day; go on tomorrow (UTC)", self.most.bytes);
                refused.push((place, Refusal::new(ErrorCode::QuotaExceeded, text)));
            } else if used.memberships + asked.memberships > self.most.memberships {
                let text = format!(
                    "you may add {} members a day; go on tomorrow (UTC)",
                    self.most.memberships
                );
                refused.push((place, Refusal::new(ErrorCode::QuotaExceeded, text)));
            } else {
                used.bytes += asked.bytes;
                used.memberships += asked.memberships;
            }
        }
        refused
    }

    /// Forgets those who used least: half of them at least, so that it is paid rarely.
    fn make_room(&self, users: &mut HashMap<UserId, Used>) {
        if users.len() < self.most_users {
            return;
        }
        let share = |used: &Used| {
            let of = |part: u64, most: u64| part as f64 / most.max(1) as f64;
            of(used.bytes, self.most.bytes).max(of(used.memberships, self.most.memberships))
        };
        let mut shares: Vec<f64> = users.values().map(share).collect();
        shares.sort_unstable_by(f64::total_cmp);
        let median = shares[shares.len() / 2];
        users.retain(|_, used| share(used) > median);
    }
}

fn used(operation: &Operation) -> Used {
    let size = operation.action.rule().size();
    Used { bytes: size.bytes as u64 + ENTRY_BYTES, memberships: size.memberships as u64 }
}
