//! Sessions that are ended, servers that can only be read, too many connections, and errors of every class.

use std::time::{Duration, Instant};

use chat_service::store::postgres::{DatabaseConfig, PostgresStore};
use platform::address::Addresses;
use platform::metrics::Metrics;
use platform::reload::Reload;
use platform::shutdown::{Shutdown, Tasks};
use proto::id::ClientId;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::contract::Writer;
use crate::contract::repeats::send_to;
use crate::contract::worker::{Rig, answers};
use crate::{Keeper, admin_url, fresh, store_at};

async fn told(admin: &mut PgConnection, sql: String) {
    admin.execute(AssertSqlSafe(sql)).await.unwrap();
}

async fn end_sessions(admin: &mut PgConnection, keeper: &Keeper) {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '";
    told(admin, format!("{sql}{}' AND pid <> pg_backend_pid()", keeper.database)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ended_its_sessions_or_could_only_be_read_is_written_to_again() {
    let (store, keeper) = fresh().await;
    let mut admin = PgConnection::connect(&admin_url()).await.unwrap();
    let mut writer = Writer::begin(&store).await;
    end_sessions(&mut admin, &keeper).await;
    writer.is_heard_again().await;

    let set = |value: &str| {
        format!("ALTER DATABASE {} SET default_transaction_read_only = {value}", keeper.database)
    };
    told(&mut admin, set("on")).await;
    end_sessions(&mut admin, &keeper).await;
    writer.is_refused(10).await;
    // Sessions that began meanwhile keep what they were told: none of them may be used any longer.
    told(&mut admin, set("off")).await;
    writer.is_heard_again().await;
    keeper.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_had_no_connection_left_is_written_to_again() {
    let (_, keeper) = fresh().await;
    let mut admin = PgConnection::connect(&admin_url()).await.unwrap();
    let role = format!("{}_role", keeper.database);
    told(&mut admin, format!("CREATE ROLE {role} LOGIN PASSWORD 'only for tests'")).await;
    let mut owner = PgConnection::connect(&keeper.url()).await.unwrap();
    told(&mut owner, format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")).await;
    owner.close().await.unwrap();
    let store = store_at(&keeper.url_as(&role, "only%20for%20tests"));
    let mut writer = Writer::begin(&store).await;
    told(&mut admin, format!("ALTER ROLE {role} CONNECTION LIMIT 0")).await;
    end_sessions(&mut admin, &keeper).await;
    writer.is_refused(10).await;
    told(&mut admin, format!("ALTER ROLE {role} CONNECTION LIMIT -1")).await;
    writer.is_heard_again().await;
    end_sessions(&mut admin, &keeper).await;
    let mut owner = PgConnection::connect(&keeper.url()).await.unwrap();
    told(&mut owner, format!("DROP OWNED BY {role}")).await;
    owner.close().await.unwrap();
    told(&mut admin, format!("DROP ROLE {role}")).await;
    keeper.remove().await;
}

/// The server of these tests may ask nobody for a password. A role that may not log in any more is refused everywhere,
/// like one with another password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_have_the_name_and_password_that_the_file_of_the_address_has_by_then() {
    let (_, keeper) = fresh().await;
    let mut admin = PgConnection::connect(&admin_url()).await.unwrap();
    let [before, after] = ["before", "after"].map(|part| format!("{}_{part}", keeper.database));
    for role in [&before, &after] {
        told(&mut admin, format!("CREATE ROLE {role} LOGIN PASSWORD 'first'")).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, keeper.url_as(&before, "first")).unwrap();
    let mut config = DatabaseConfig {
        url_file: Some(file.clone()),
        acquire_timeout_ms: 500,
        ..DatabaseConfig::default()
    };
    let address = config.address().unwrap();
    config.url = address.last_good();
    let store = PostgresStore::new(&config).unwrap();
    let (metrics, reload, tasks, shutdown) =
        (Metrics::new(), Reload::new(), Tasks::new(), Shutdown::new());
    let followed = store.clone();
    Addresses::new(&metrics, &reload, &tasks, &shutdown)
        .keep(&address, move |url| followed.connect_to(&config, url));
    store.check().await.unwrap();

    told(&mut admin, format!("ALTER ROLE {before} NOLOGIN PASSWORD 'second'")).await;
    end_sessions(&mut admin, &keeper).await;
    store.check().await.unwrap_err();
    std::fs::write(&file, "half of an addr").unwrap();
    reload.ask();
    std::fs::write(&file, keeper.url_as(&after, "first")).unwrap();
    reload.ask();
    let began = Instant::now();
    while let Err(error) = store.check().await {
        assert!(began.elapsed() < Duration::from_secs(5), "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shutdown.force();
    assert_eq!(tasks.join(Duration::from_secs(5)).await, Ok(()));
    store.close().await;
    keeper.remove().await;
    for role in [before, after] {
        told(&mut admin, format!("DROP ROLE {role}")).await;
    }
}

/// What a restore under a running service, or a fail-over to a replica that was behind, does to the newest entries.
async fn go_back(owner: &mut PgConnection, after_seq: u32) {
    for table in ["entries", "client_ids"] {
        told(owner, format!("DELETE FROM {table} WHERE seq > {after_seq}")).await;
    }
    told(owner, "UPDATE store_epoch SET epoch = gen_random_uuid()".to_owned()).await;
}

async fn sent(rig: &mut Rig) -> u64 {
    let told = rig.ask("ann", send_to("bob", ClientId::generate(), r#"{"text":"hi"}"#)).await;
    let answers = answers(&told);
    assert_eq!(answers[0].0, "sent", "{answers:?}");
    answers[0].1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_went_back_under_a_running_service_gets_no_hole_in_its_logs() {
    let (store, keeper) = fresh().await;
    let mut admin = PgConnection::connect(&admin_url()).await.unwrap();
    let mut owner = PgConnection::connect(&keeper.url()).await.unwrap();
    let mut rig = Rig::over(store.clone()).await;
    for seq in 1..=4 {
        assert_eq!(sent(&mut rig).await, seq);
    }
    // A fail-over ends the connections.
    go_back(&mut owner, 2).await;
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tidings-chat' \
               AND datname = '";
    told(&mut admin, format!("{sql}{}'", keeper.database)).await;
    assert_eq!(sent(&mut rig).await, 3);
    assert_eq!(sent(&mut rig).await, 4);
    // A restore need not; then the next beat of the replica finds out.
    go_back(&mut owner, 1).await;
    store.beat("chat-1", Duration::from_secs(10)).await.unwrap();
    assert_eq!(sent(&mut rig).await, 2);
    owner.close().await.unwrap();
    keeper.remove().await;
}

/// Disk full, out of memory, too many connections, an error of input and output, a server that stops, an error
/// within, a lost connection, a deadlock, a time limit.
const STATES: [&str; 9] =
    ["53100", "53200", "53300", "58030", "57P01", "XX000", "08006", "40P01", "57014"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_every_class_are_met_by_no_later_append() {
    let (store, keeper) = fresh().await;
    let mut owner = PgConnection::connect(&keeper.url()).await.unwrap();
    let mut writer = Writer::begin(&store).await;
    for state in STATES {
        let body = format!("BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{state}'; END");
        told(
            &mut owner,
            format!("CREATE OR REPLACE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"),
        )
        .await;
        for table in ["entries", "dead_letters"] {
            let sql = "CREATE TRIGGER planted BEFORE INSERT ON";
            told(&mut owner, format!("{sql} {table} EXECUTE FUNCTION planted()")).await;
        }
        writer.is_refused(10).await;
        for table in ["entries", "dead_letters"] {
            told(&mut owner, format!("DROP TRIGGER planted ON {table}")).await;
        }
        writer.is_heard_again().await;
    }
    owner.close().await.unwrap();
    keeper.remove().await;
}
