//! Whether a database takes what is written, and why not. Written once for both databases.
//!
//! # Guarantees (held by the contract suite)
//! 1. `check_writes` commits as many bytes as it was asked to, where no other question finds them, and takes no
//!    more room the next time.
//! 2. After it succeeded the next append that is no larger finds its room, unless somebody else takes that.

use async_trait::async_trait;

use super::fault::StoreError;

/// Whether the database can be written to.
#[async_trait]
pub trait ProbeStore: Send + Sync + 'static {
    /// Writes and commits so many bytes, and reads what names the database.
    async fn check_writes(&self, bytes: usize) -> Result<(), StoreError>;
}

/// A row of no tenant: nobody lists it. Of all replicas it is the same row.
pub(super) const WRITE: &str = "
INSERT INTO dead_letters (tenant, id, kind, reason, bus_partition, user_id, conversation_id, client_id, body,
    times, first_at_ms, last_at_ms)
VALUES ('', 'write check', 'malformed', '', 0, '', '', '', $1, 1, 0, 0)
ON CONFLICT (tenant, id) DO UPDATE SET body = excluded.body, times = dead_letters.times + 1";

/// Bytes that no database makes smaller.
pub(super) fn filling(bytes: usize) -> Vec<u8> {
    let mut state = uuid::Uuid::new_v4().as_u64_pair().0 | 1;
    let mut filling = Vec::with_capacity(bytes + 8);
    while filling.len() < bytes {
        // Xorshift, <https://www.jstatsoft.org/article/view/v008i14>.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        filling.extend_from_slice(&state.to_le_bytes());
    }
    filling.truncate(bytes);
    filling
}

/// Implements [`ProbeStore`] for a store with a writing pool; `cause` finds out more about an error.
macro_rules! probe_store {
    ($store:ty, $writers:ident, $cause:expr) => {
        #[async_trait::async_trait]
        impl crate::store::probe::ProbeStore for $store {
            async fn check_writes(&self, bytes: usize) -> Result<(), StoreError> {
                let written = sqlx::query(crate::store::probe::WRITE)
                    .bind(crate::store::probe::filling(bytes))
                    .execute(&self.$writers)
                    .await;
                if let Err(error) = written {
                    return Err(($cause)(self, error).await.into());
                }
                crate::store::QueryStore::epoch(self).await.map(|_| ())
            }
        }
    };
}

pub(super) use probe_store;
