//! One set of names on the shared backends for each test: a database, an AMQP prefix and a Redis
//! prefix of its own, so that tests and checkouts run beside each other. Dropped at the end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::{Connection, Executor, PgConnection};

use crate::eventually::eventually;

/// Names that belong to one test.
#[derive(Debug, Clone)]
pub struct Names {
    /// AMQP and Redis prefix, and database name: `tidings_e2e_{unix seconds}_{random}`.
    pub prefix: String,
}

/// Databases of crashed runs older than this are removed.
const LEFTOVER_SECS: u64 = 3600;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the suite that reads the environment"
)]
fn env_or(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Where RabbitMQ answers.
pub fn amqp_url() -> String {
    env_or("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f")
}

/// Where Redis answers.
pub fn redis_url() -> String {
    env_or("REDIS_URL", "redis://127.0.0.1:6379")
}

/// Where Postgres answers, with a user that may create databases.
pub fn admin_database_url() -> String {
    env_or("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
}

fn unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

impl Names {
    /// Creates the database and removes what crashed runs left.
    pub async fn create() -> Self {
        let prefix = format!("tidings_e2e_{}_{:08x}", unix_secs(), rand::random::<u32>());
        let mut admin =
            PgConnection::connect(&admin_database_url()).await.expect("Postgres answers");
        sweep(&mut admin).await;
        let create = format!("CREATE DATABASE {prefix}");
        admin.execute(sqlx::AssertSqlSafe(create)).await.expect("may create a database");
        Self { prefix }
    }

    /// The test's own database.
    pub fn database_url(&self) -> String {
        let admin = admin_database_url();
        let base = admin.rsplit_once('/').map_or(admin.as_str(), |(base, _)| base);
        format!("{base}/{}", self.prefix)
    }

    /// How many entries the logs hold, by the database's own account.
    pub async fn stored_entries(&self) -> i64 {
        let mut database =
            PgConnection::connect(&self.database_url()).await.expect("the test's database answers");
        sqlx::query_scalar("SELECT count(*) FROM entries")
            .fetch_one(&mut database)
            .await
            .expect("the table exists")
    }

    /// Waits until so many entries are stored: load enough was seen.
    pub async fn until_stored(&self, entries: i64) {
        eventually("so many entries are stored", Duration::from_mins(2), || async {
            let stored = self.stored_entries().await;
            if stored >= entries { Ok(()) } else { Err(stored) }
        })
        .await;
    }

    /// Removes everything under the test's names. Call it after the processes have ended.
    pub async fn remove(&self) {
        if let Ok(mut admin) = PgConnection::connect(&admin_database_url()).await {
            drop_database(&mut admin, &self.prefix).await;
        }
        remove_redis_keys(&self.prefix).await;
        remove_queues(&self.prefix).await;
    }
}

async fn sweep(admin: &mut PgConnection) {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT datname::text FROM pg_database WHERE datname LIKE 'tidings\\_e2e\\_%'",
    )
    .fetch_all(&mut *admin)
    .await
    .unwrap_or_default();
    for name in names {
        let made = name.split('_').nth(2).and_then(|secs| secs.parse::<u64>().ok()).unwrap_or(0);
        if made + LEFTOVER_SECS < unix_secs() {
            drop_database(admin, &name).await;
            remove_queues(&name).await;
            remove_redis_keys(&name).await;
        }
    }
}

async fn drop_database(admin: &mut PgConnection, name: &str) {
    let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    if let Err(error) = admin.execute(sqlx::AssertSqlSafe(statement)).await {
        eprintln!("could not drop {name}: {error}");
    }
}

async fn remove_redis_keys(prefix: &str) {
    let Ok(client) = redis::Client::open(redis_url()) else { return };
    let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return };
    let mut cursor = 0_u64;
    loop {
        let page: redis::RedisResult<(u64, Vec<String>)> = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(format!("{prefix}:*"))
            .arg("COUNT")
            .arg(1000)
            .query_async(&mut connection)
            .await;
        let Ok((next, keys)) = page else { return };
        if !keys.is_empty() {
            let _: redis::RedisResult<()> =
                redis::cmd("DEL").arg(keys).query_async(&mut connection).await;
        }
        if next == 0 {
            return;
        }
        cursor = next;
    }
}

/// The partition queues outlive their processes on purpose; the gateways' vanish by themselves.
async fn remove_queues(prefix: &str) {
    let properties = lapin::ConnectionProperties::default();
    let Ok(connection) = lapin::Connection::connect(&amqp_url(), properties).await else { return };
    if let Ok(channel) = connection.create_channel().await {
        for lane in ["chat", "presence"] {
            for partition in 0..PARTITIONS {
                let queue = format!("{prefix}.{lane}.{partition}");
                let _ = channel
                    .queue_delete(queue.into(), lapin::options::QueueDeleteOptions::default())
                    .await;
            }
        }
        for exchange in ["frames", "push"] {
            let exchange = format!("{prefix}.{exchange}");
            let _ = channel
                .exchange_delete(exchange.into(), lapin::options::ExchangeDeleteOptions::default())
                .await;
        }
    }
    let _ = connection.close(200, "done".into()).await;
}

/// The default partition count of the services.
const PARTITIONS: u16 = 16;
