//! Who else runs this service: a heartbeat of each replica in the database, for balance only.
//!
//! # Guarantees (held by the contract suite)
//! 1. `beat` returns this replica and every other that has beaten within `gone_after`, by the
//!    database's clock: clocks of replicas are never compared.
//! 2. A replica that left is not returned until it beats again.

use std::time::Duration;

use async_trait::async_trait;

use super::fault::StoreError;

/// A replica that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveReplica {
    pub id: String,
    /// How long ago it beat.
    pub beat_ago: Duration,
}

/// The list of live replicas.
#[async_trait]
pub trait ReplicaStore: Send + Sync + 'static {
    /// Says that a replica lives; all that do.
    async fn beat(
        &self,
        replica_id: &str,
        gone_after: Duration,
    ) -> Result<Vec<LiveReplica>, StoreError>;

    /// Says that a replica goes.
    async fn leave(&self, replica_id: &str) -> Result<(), StoreError>;
}
