//! The chat store's contract on SQLite.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

mod contract;
#[path = "sqlite/faults.rs"]
mod faults;

use std::sync::Arc;

use chat_service::store::sqlite::SqliteStore;
use chat_service::store::{ChatStore, QueryStore};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

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

mod beside_another_tenant {
    use super::*;

    async fn fresh() -> (Arc<dyn ChatStore>, Keeper) {
        let (store, keeper) = super::fresh().await;
        (Arc::new(contract::beside::Beside(store)), keeper)
    }

    contract::chat_store_contract!(fresh);
}

#[tokio::test]
async fn every_table_of_tenants_has_a_column_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    SqliteStore::open(&path).await.unwrap().close().await;
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let sql = "SELECT name FROM sqlite_master m WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND NOT EXISTS (
        SELECT 1 FROM pragma_table_info(m.name) c WHERE c.name = 'tenant') ORDER BY name";
    let without: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    // The migrations, the tail and who follows it, and which database this is.
    assert_eq!(without, ["_sqlx_migrations", "appends", "followers", "store_epoch"]);
    connection.close().await.unwrap();
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_whose_digest_is_of_another_version_is_taken_for_the_same() {
    let (store, Keeper(folder)) = fresh().await;
    let options = SqliteConnectOptions::new().filename(folder.path().join("chat.db"));
    let store_digests = async |digest: &str| {
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let sql = format!("UPDATE client_ids SET sha256 = x'{digest}'");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    };
    contract::an_operation_whose_digest_is_of_another_version_is_taken_for_the_same(
        store,
        store_digests,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_in_20_000_conversations_misses_none_and_no_answer_grows() {
    let (store, Keeper(folder)) = fresh().await;
    let options = SqliteConnectOptions::new().filename(folder.path().join("chat.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    for sql in contract::crowded::rows("printf('00000000-0000-4000-8000-%012x', {})") {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
    connection.close().await.unwrap();
    contract::crowded::a_user_in_20_000_conversations_misses_none_and_no_answer_grows(store).await;
}
