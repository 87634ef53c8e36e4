//! How long a store believes a gateway, and how many registrations a user may have in it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::lease::Terms;
use crate::domain::registration::Allowed;

/// More registrations than any user has; Lua's numbers hold it.
const MANY: usize = 1 << 30;

/// The section `[leases]`: how long what is believed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeaseConfig {
    /// Time without a heartbeat after which a gateway counts as dead, in milliseconds.
    pub lease_ms: u64,
    /// Maximum time that a gateway may take to report all of its connections, in milliseconds.
    pub account_ms: u64,
    /// How long the epochs of a stopped gateway are remembered, in seconds.
    pub gateway_memory_secs: u64,
    /// How long the last-seen time and the chosen status of an absent user are kept, in seconds.
    pub last_seen_secs: u64,
    /// Maximum number of connections of one user over all gateways; further ones are refused (4029).
    pub connections_per_user: usize,
    /// Maximum number of registrations of one user, including those reported again after presence lost its data; beyond
    /// it the oldest is removed.
    pub registrations_per_user: usize,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self {
            lease_ms: 10_000,
            account_ms: 3_000,
            gateway_memory_secs: 3_600,
            last_seen_secs: 30 * 24 * 3_600,
            connections_per_user: 5,
            registrations_per_user: 32,
        }
    }
}

impl LeaseConfig {
    /// How many registrations a user may have. What a full account names was admitted before.
    pub fn allowed(&self, is_snapshot: bool) -> Allowed {
        Allowed {
            connections: if is_snapshot { MANY } else { self.connections_per_user.max(1) },
            registrations: self.registrations_per_user,
        }
    }

    /// The terms that it says.
    pub fn terms(&self) -> Terms {
        Terms {
            lease: Duration::from_millis(self.lease_ms),
            account: Duration::from_millis(self.account_ms),
        }
    }
}
