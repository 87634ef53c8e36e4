//! The chat store's contract on Postgres: a database of its own for each test, dropped at the end.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

#[path = "postgres/bounded.rs"]
mod bounded;
mod contract;
#[path = "postgres/equal_work.rs"]
mod equal_work;
#[path = "postgres/faults.rs"]
mod faults;
#[path = "postgres/tail.rs"]
mod tail;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chat_service::store::ChatStore;
use chat_service::store::postgres::{DatabaseConfig, PostgresStore};
use platform::secret::Secret;
use sqlx::{Connection, Executor, PgConnection};
use tokio::sync::OnceCell;

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
    /// The database, as a role that may do everything.
    fn url(&self) -> String {
        format!("{}/{}", admin_url().rsplit_once('/').unwrap().0, self.database)
    }

    /// The same as somebody else.
    fn url_as(&self, user: &str, password: &str) -> String {
        let url = self.url();
        let place = url.rsplit_once('@').map_or_else(
            || url.split_once("://").unwrap().1.to_owned(),
            |(_, place)| place.to_owned(),
        );
        format!("postgres://{user}:{password}@{place}")
    }

    async fn remove(self) {
        self.store.close().await;
        let mut admin = PgConnection::connect(&admin_url()).await.unwrap();
        drop_database(&mut admin, &self.database).await;
    }
}

fn store_at(url: &str) -> Arc<dyn ChatStore> {
    let config = DatabaseConfig { url: Secret::new(url), ..DatabaseConfig::default() };
    Arc::new(PostgresStore::new(&config).unwrap())
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
    let template = TEMPLATE.get_or_init(|| template(&mut admin)).await;
    let database = database_name();
    let statement = format!("CREATE DATABASE {database} TEMPLATE {template}");
    admin.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    let store = store_of(&database);
    (Arc::new(store.clone()), Keeper { store, database })
}

/// The tables as the migrations make them, copied for each test: to make them anew takes several times as long.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

async fn template(admin: &mut PgConnection) -> String {
    let database = database_name();
    let statement = format!("CREATE DATABASE {database}");
    admin.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    let store = store_of(&database);
    store.migrate().await.unwrap();
    store.build_indexes().await.unwrap();
    // A database to which somebody is connected cannot be copied.
    store.close().await;
    database
}

/// When it was made stands in it: what a crashed run left is removed later, and so is the template.
fn database_name() -> String {
    format!("{PREFIX}_{}_{}", unix_secs(), uuid::Uuid::new_v4().simple())
}

fn store_of(database: &str) -> PostgresStore {
    let base = admin_url();
    let base = base.rsplit_once('/').unwrap().0;
    let config = DatabaseConfig {
        url: Secret::new(format!("{base}/{database}")),
        ..DatabaseConfig::default()
    };
    PostgresStore::new(&config).unwrap()
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
    let (_, keeper) = fresh().await;
    let mut connection = PgConnection::connect(&keeper.url()).await.unwrap();
    let sql = "SELECT table_name::text FROM information_schema.tables t
        WHERE table_schema = current_schema() AND NOT EXISTS (
            SELECT 1 FROM information_schema.columns c WHERE c.table_schema = t.table_schema
                AND c.table_name = t.table_name AND c.column_name = 'tenant')
        ORDER BY 1";
    let without: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    // The migrations, which replicas live, who follows the tail and where it begins, and which database this is.
    let of_the_store =
        ["_sqlx_migrations", "chat_replicas", "followers", "store_epoch", "store_origin"];
    assert_eq!(without, of_the_store);
    connection.close().await.unwrap();
    keeper.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_whose_digest_is_of_another_version_is_taken_for_the_same() {
    let (store, keeper) = fresh().await;
    let url = keeper.url();
    let store_digests = async |digest: &str| {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let sql = format!("UPDATE client_ids SET sha256 = '\\x{digest}'");
        connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
        connection.close().await.unwrap();
    };
    contract::an_operation_whose_digest_is_of_another_version_is_taken_for_the_same(
        store,
        store_digests,
    )
    .await;
    keeper.remove().await;
}

/// What sqlx keeps of migration 1.
async fn first_sum(keeper: &Keeper, becomes: Option<&str>) -> String {
    let mut connection = PgConnection::connect(&keeper.url()).await.unwrap();
    if let Some(sum) = becomes {
        let sql = format!("UPDATE _sqlx_migrations SET checksum = '\\x{sum}' WHERE version = 1");
        connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    }
    let sql = "SELECT encode(checksum, 'hex') FROM _sqlx_migrations WHERE version = 1";
    let sum = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    sum
}

#[tokio::test]
async fn a_database_of_before_0012_is_opened_for_good_and_one_of_somebody_else_is_not() {
    let (_, keeper) = fresh().await;
    let now = first_sum(&keeper, None).await;
    let before = "de04a11349fdbee370bfc570d3faca2556795b108ad5dc9331bbeec284ec812c\
        0aebc5aa4df0bcf8125f1edeadb8f138";
    assert_ne!(now, before);
    first_sum(&keeper, Some(before)).await;
    keeper.store.migrate().await.unwrap();
    assert_eq!(first_sum(&keeper, None).await, now);
    first_sum(&keeper, Some("00")).await;
    let refused = keeper.store.migrate().await.unwrap_err().to_string();
    assert_eq!(refused, "migration 1 was previously applied but has been modified");
    // Who was refused keeps no lock.
    first_sum(&keeper, Some(&now)).await;
    keeper.store.migrate().await.unwrap();
    keeper.remove().await;
}

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
    batch.entries[1].body.cut(|_| "{\"text\":\"\0\"}".to_owned());
    let refused = store.append(&batch).await;
    assert!(matches!(refused, Err(chat_service::store::AppendError::Invalid(_))), "{refused:?}");
    assert!(store.load(&[contract::keyed(id)]).await.unwrap()[0].is_none());
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
    // It is gone for a reader that waits less, and its row is still there for the others.
    assert_eq!(ids("one", impatience).await, ["one"]);
    assert_eq!(ids("one", gone_after).await, ["one", "three"]);
    keeper.remove().await;
}

/// Rows of `members` that were read and that were changed, of all sessions. Sessions tell it now and then.
async fn read_and_changed(admin: &mut PgConnection) -> (i64, i64) {
    sqlx::query_as(
        "SELECT (COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0))::bigint, n_tup_upd
         FROM pg_stat_user_tables WHERE relname = 'members'",
    )
    .fetch_one(admin)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_table_that_grew_from_nothing_is_not_read_whole_for_a_few_keys() {
    let (store, keeper) = fresh().await;
    let ids: Vec<_> = (0..300).map(|_| proto::id::ConversationId::generate()).collect();
    for id in &ids {
        store.append(&contract::group(*id, &["ann", "bob"])).await.unwrap();
    }
    let keys: Vec<_> = ids.iter().map(|id| contract::keyed(*id)).collect();
    let cursors = |seq| {
        let user_id = proto::id::UserId::parse_qualified("bob").unwrap();
        let cursor = move |id: &_| chat_service::domain::entry::CursorRow {
            conversation_id: *id,
            user_id: user_id.clone(),
            delivered_seq: seq,
            read_seq: 0,
        };
        ids.iter().map(cursor).collect::<Vec<_>>()
    };
    let mut seq = 1;
    let mut say_more = async || {
        let mut batch = chat_service::store::AppendBatch::default();
        seq += 1;
        batch.entries.extend(ids.iter().map(|id| contract::entry(*id, seq, "ann")));
        store.append(&batch).await.unwrap();
        assert_eq!(store.advance_cursors(&cursors(seq)).await.unwrap().len(), ids.len());
        assert!(store.load(&keys).await.unwrap().iter().all(Option::is_some));
    };
    // After five times on a connection Postgres keeps a plan.
    for _ in 0..40 {
        say_more().await;
    }
    let base = admin_url();
    let url = format!("{}/{}", base.rsplit_once('/').unwrap().0, keeper.database);
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let grown = "INSERT INTO members (tenant, conversation_id, user_id, role, from_seq, delivered_seq, read_seq)
        SELECT m.tenant, gen_random_uuid(), 'user-' || n, 1, 1, 0, 0
        FROM members m, generate_series(1, 200) n WHERE m.user_id = 'ann'";
    admin.execute(grown).await.unwrap();
    let is_known =
        "SELECT n_live_tup > 50000 AND n_mod_since_analyze < 1000 FROM pg_stat_user_tables
        WHERE relname = 'members'";
    while !sqlx::query_scalar::<_, bool>(is_known).fetch_one(&mut admin).await.unwrap() {
        keeper.store.analyze_young_tables().await.unwrap();
    }
    let before = read_and_changed(&mut admin).await;
    let told_of = async |admin: &mut PgConnection| {
        let now = read_and_changed(admin).await;
        (now.0 - before.0, now.1 - before.1)
    };
    let mut told = (0, 0);
    while told.1 < 3_000 {
        say_more().await;
        told = told_of(&mut admin).await;
    }
    assert!(told.0 < told.1 * 20, "{} rows read for {} changed", told.0, told.1);
    admin.close().await.unwrap();
    keeper.remove().await;
}
