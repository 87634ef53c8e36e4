//! The chat store's contract on Postgres: a database of its own for each test, dropped at the end.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

mod contract;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chat_service::store::ChatStore;
use chat_service::store::postgres::{DatabaseConfig, PostgresStore};
use platform::secret::Secret;
use sqlx::{Connection, Executor, PgConnection};

const PREFIX: &str = "tidings_store";
/// Databases of crashed runs older than this are removed.
const LEFTOVER_SECS: u64 = 3600;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of these tests that reads the environment"
)]
fn admin_url() -> String {
    std::env::var("DATABASE_URL")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

fn unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

struct Keeper {
    store: PostgresStore,
    database: String,
}

impl Keeper {
    async fn remove(self) {
        self.store.close().await;
        let mut admin = PgConnection::connect(&admin_url()).await.unwrap();
        drop_database(&mut admin, &self.database).await;
    }
}

async fn drop_database(admin: &mut PgConnection, name: &str) {
    let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    admin.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
}

async fn fresh() -> (Arc<dyn ChatStore>, Keeper) {
    let mut admin =
        PgConnection::connect(&admin_url()).await.expect("Postgres answers at DATABASE_URL");
    let names: Vec<String> =
        sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE $1")
            .bind(format!("{PREFIX}\\_%"))
            .fetch_all(&mut admin)
            .await
            .unwrap();
    for name in names {
        let made = name.split('_').nth(2).and_then(|secs| secs.parse::<u64>().ok()).unwrap_or(0);
        if made + LEFTOVER_SECS < unix_secs() {
            drop_database(&mut admin, &name).await;
        }
    }
    let database = format!("{PREFIX}_{}_{}", unix_secs(), uuid::Uuid::new_v4().simple());
    let statement = format!("CREATE DATABASE {database}");
    admin.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    let base = admin_url();
    let base = base.rsplit_once('/').unwrap().0;
    let config = DatabaseConfig {
        url: Secret::new(format!("{base}/{database}")),
        ..DatabaseConfig::default()
    };
    let store = PostgresStore::new(&config).unwrap();
    store.migrate().await.unwrap();
    (Arc::new(store.clone()), Keeper { store, database })
}

contract::chat_store_contract!(fresh);

#[tokio::test]
async fn a_database_that_is_away_stores_nothing_and_says_where_it_was_looked_for() {
    let config = DatabaseConfig {
        url: Secret::new("postgres://ann:hunter2@127.0.0.1:1/tidings"),
        acquire_timeout_ms: 500,
        ..DatabaseConfig::default()
    };
    assert_eq!(config.place(), "127.0.0.1:1/tidings");
    let store = PostgresStore::new(&config).unwrap();
    let store: Arc<dyn ChatStore> = Arc::new(store);
    let outcome = store.append(&chat_service::store::AppendBatch::default()).await;
    assert!(matches!(outcome, Err(chat_service::store::AppendError::NotStored(_))), "{outcome:?}");
}

#[tokio::test]
async fn what_postgres_cannot_hold_is_invalid_and_nothing_of_its_batch_is_stored() {
    let (store, keeper) = fresh().await;
    let id = proto::id::ConversationId::generate();
    let mut batch = contract::group(id, &["ann"]);
    batch.entries.push(contract::entry(id, 2, "ann"));
    // No text of Postgres holds a NUL.
    batch.entries[1].content = "{\"text\":\"\0\"}".to_owned();
    let refused = store.append(&batch).await;
    assert!(matches!(refused, Err(chat_service::store::AppendError::Invalid(_))), "{refused:?}");
    assert!(store.load(&[id]).await.unwrap()[0].is_none());
    keeper.remove().await;
}

#[tokio::test]
async fn replicas_see_each_other_until_they_leave_or_fall_silent() {
    let gone_after = Duration::from_secs(30);
    let (store, keeper) = fresh().await;
    let ids = async |of: &str, gone_after: Duration| {
        let mut ids: Vec<String> =
            store.beat(of, gone_after).await.unwrap().into_iter().map(|live| live.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids("one", gone_after).await, ["one"]);
    assert_eq!(ids("two", gone_after).await, ["one", "two"]);
    assert_eq!(ids("three", gone_after).await, ["one", "three", "two"]);
    store.leave("two").await.unwrap();
    assert_eq!(ids("one", gone_after).await, ["one", "three"]);

    let silent_for = async || {
        let live = store.beat("one", gone_after).await.unwrap();
        live.into_iter().find(|live| live.id == "three").unwrap().beat_ago
    };
    let impatience = Duration::from_millis(500);
    while silent_for().await <= impatience {}
    // It is gone for whoever has less patience, and its row is still there for the others.
    assert_eq!(ids("one", impatience).await, ["one"]);
    assert_eq!(ids("one", gone_after).await, ["one", "three"]);
    keeper.remove().await;
}
