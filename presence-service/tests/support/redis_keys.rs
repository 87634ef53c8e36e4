//! A key prefix of one test, removed at its end; leftovers of crashed runs are removed at the start.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use redis::aio::MultiplexedConnection;

const BEGINNING: &str = "tidings-presence-test";
/// Keys of crashed runs older than this are removed.
const LEFTOVER_SECS: u64 = 3600;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of these tests that reads the environment"
)]
pub fn redis_url() -> String {
    std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned())
}

/// The server of that URL, without its user and database.
pub async fn redis_address() -> SocketAddr {
    let url = redis_url();
    let place = url.trim_start_matches("redis://").split('/').next().unwrap();
    let host = place.rsplit('@').next().unwrap().to_owned();
    tokio::net::lookup_host(host).await.unwrap().next().unwrap()
}

pub struct Prefix {
    pub name: String,
}

impl Prefix {
    pub async fn fresh() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut connection = connect().await;
        for key in keys(&mut connection, BEGINNING).await {
            let made = key.split('-').nth(3).and_then(|secs| secs.parse::<u64>().ok());
            if made.is_none_or(|made| made + LEFTOVER_SECS < now) {
                let _: () = redis::cmd("DEL").arg(&key).query_async(&mut connection).await.unwrap();
            }
        }
        let random = uuid::Uuid::new_v4().simple();
        Self { name: format!("{BEGINNING}-{now}-{random}") }
    }

    pub async fn set(&self, key: &str, value: &str) {
        let mut connection = connect().await;
        let _: () =
            redis::cmd("SET").arg(key).arg(value).query_async(&mut connection).await.unwrap();
    }

    pub async fn flush(&self) {
        let mut connection = connect().await;
        let keys = keys(&mut connection, &self.name).await;
        if !keys.is_empty() {
            let _: () = redis::cmd("DEL").arg(keys).query_async(&mut connection).await.unwrap();
        }
    }

    /// Every key that there is.
    pub async fn keys(&self) -> Vec<String> {
        keys(&mut connect().await, &self.name).await
    }

    pub async fn remove(self) {
        self.flush().await;
    }
}

async fn connect() -> MultiplexedConnection {
    let client = redis::Client::open(redis_url()).unwrap();
    client.get_multiplexed_async_connection().await.expect("Redis answers at REDIS_URL")
}

async fn keys(connection: &mut MultiplexedConnection, beginning: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = 0_u64;
    loop {
        let (next, page): (u64, Vec<String>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(format!("{beginning}*"))
            .arg("COUNT")
            .arg(1_000)
            .query_async(connection)
            .await
            .unwrap();
        found.extend(page);
        if next == 0 {
            return found;
        }
        cursor = next;
    }
}
