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
    /// How often ended leases are looked for, in milliseconds.
    pub sweep_ms: u64,
    /// Presence ends no lease before it could be heard for so long itself, in milliseconds: after it was
    /// away, or its store was, gateways first get the time to renew. At least a lease.
    pub sweep_after_ms: u64,
    /// Registrations ended in one step of a sweep.
    pub sweep_registrations: usize,
    /// Whoever is back within it was never away, in milliseconds.
    pub offline_grace_ms: u64,
    /// Users whose change waits to be told; further ones are not told.
    pub announcements: usize,
    /// Users whose changes are told at once.
    pub announce_batch: usize,
    /// Contacts that are asked for, located and told in one step, of all users of a batch together. Who
    /// has more is told to the rest in the next steps.
    pub contacts: u32,
    /// Members of a conversation who are told of each other's presence; in a larger one nobody is.
    pub group_members: u32,
    /// How long the question for contacts may take, in milliseconds.
    pub contacts_timeout_ms: u64,
    /// How long keeping or reading chosen statuses may take, in milliseconds.
    pub chosen_timeout_ms: u64,
    /// Batches of `status` frames of one partition that are not acknowledged.
    pub prefetch: u16,
    /// What senders of a `status` are told to wait while it cannot be kept, in milliseconds.
    pub retry_after_ms: u64,
    /// Calls answered at once; further ones are refused as unavailable.
    pub calls: usize,
    /// Users of one question.
    pub users_per_call: usize,
    /// Connections of one page of the list for operators.
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
