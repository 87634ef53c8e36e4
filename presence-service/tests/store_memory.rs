//! The presence store's contract in memory.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]
#![expect(clippy::unused_async, reason = "the contract awaits what an adapter may need")]

#[macro_use]
mod contract;

use std::sync::Arc;

use presence_service::store::memory::MemoryStore;

struct Keeper;

impl Keeper {
    async fn remove(self) {}
}

async fn fresh() -> (contract::Replicas, Keeper) {
    let store = MemoryStore::with(contract::leases(), 10_000);
    ([Arc::new(store.clone()), Arc::new(store)], Keeper)
}

contract!(fresh);
