//! The configuration of the presence service.

#[cfg(feature = "cluster")]
mod process;

use serde::{Deserialize, Serialize};

#[cfg(feature = "cluster")]
pub use process::{ENV_PREFIX, PresenceConfig};

/// Sweeping, announcing, answering.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PresenceSettings {
    /// Interval of the search for expired leases, in milliseconds.
    pub sweep_ms: u64,
    /// Time after a start, or after the store was unavailable, before any lease is expired, in milliseconds; gateways
    /// renew their leases within it. At least a lease.
    pub sweep_after_ms: u64,
    /// Maximum number of registrations removed in one step of that search.
    pub sweep_registrations: usize,
    /// Grace period before a user is announced offline, in milliseconds: a reconnect within it is not announced.
    pub offline_grace_ms: u64,
    /// Maximum number of users whose change waits to be announced; further changes are not announced.
    pub announcements: usize,
    /// Number of users whose changes are announced at a time.
    pub announce_batch: usize,
    /// Maximum number of contacts that are read, located and informed in one step, over all users of a batch; the
    /// remaining ones follow in the next steps.
    pub contacts: u32,
    /// Maximum number of members of a conversation whose members see each other's presence; in larger ones nobody does.
    pub group_members: u32,
    /// Maximum time for reading contacts, in milliseconds.
    pub contacts_timeout_ms: u64,
    /// Maximum time for storing or reading chosen statuses, in milliseconds.
    pub chosen_timeout_ms: u64,
    /// Unacknowledged batches of `status` frames of one partition.
    pub prefetch: u16,
    /// The `retry_after_ms` of a `status` that cannot be stored at the moment, in milliseconds.
    pub retry_after_ms: u64,
    /// Maximum number of calls that are answered at once; further ones are refused as unavailable.
    pub calls: usize,
    /// Maximum number of users in one query.
    pub users_per_call: usize,
    /// Number of connections on one page of the list for operators.
    pub page_connections: usize,
}

impl Default for PresenceSettings {
    fn default() -> Self {
        Self {
            sweep_ms: 1_000,
            sweep_after_ms: 10_000,
            sweep_registrations: 500,
            offline_grace_ms: 2_000,
            announcements: 50_000,
            announce_batch: 128,
            contacts: 32_768,
            group_members: 512,
            contacts_timeout_ms: 2_000,
            chosen_timeout_ms: 1_000,
            prefetch: 16,
            retry_after_ms: 1_000,
            calls: 1_024,
            users_per_call: 10_000,
            page_connections: 500,
        }
    }
}
