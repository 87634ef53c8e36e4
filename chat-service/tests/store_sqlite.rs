//! The chat store's contract on SQLite.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

mod contract;
#[path = "sqlite/faults.rs"]
mod faults;

use std::sync::Arc;

use chat_service::store::sqlite::SqliteStore;
use chat_service::store::{ChatStore, QueryStore};

struct Keeper(tempfile::TempDir);

impl Keeper {
    #[expect(clippy::unused_async, reason = "the contract awaits every keeper")]
    async fn remove(self) {
        self.0.close().unwrap();
    }
}

async fn fresh() -> (Arc<dyn ChatStore>, Keeper) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("chat.db")).await.unwrap();
    (Arc::new(store), Keeper(folder))
}

contract::chat_store_contract!(fresh);

#[tokio::test]
async fn the_same_file_has_the_same_epoch_and_another_has_another() {
    let folder = tempfile::tempdir().unwrap();
    let open = async |name: &str| {
        let store = SqliteStore::open(&folder.path().join(name)).await.unwrap();
        let epoch = store.epoch().await.unwrap();
        store.close().await;
        epoch
    };
    let first = open("one.db").await;
    assert_eq!(open("one.db").await, first);
    assert_ne!(open("two.db").await, first);
}
