//! Live replicas on SQLite: a file has one process, so there is never another.

use std::time::Duration;

use async_trait::async_trait;

use super::SqliteStore;
use crate::store::StoreError;
use crate::store::replicas::{LiveReplica, ReplicaStore};

#[async_trait]
impl ReplicaStore for SqliteStore {
    async fn beat(
        &self,
        replica_id: &str,
        _gone_after: Duration,
    ) -> Result<Vec<LiveReplica>, StoreError> {
        Ok(vec![LiveReplica { id: replica_id.to_owned(), beat_ago: Duration::ZERO }])
    }

    async fn leave(&self, _replica_id: &str) -> Result<(), StoreError> {
        Ok(())
    }
}
