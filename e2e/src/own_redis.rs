//! A Redis server of a test's own, so that it may be hurt. Keeps nothing on disk.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::eventually::eventually;
use crate::process::log_folder;

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct OwnRedis {
    port: u16,
    child: Child,
}

impl OwnRedis {
    /// Starts one on a free port of loopback.
    pub async fn start() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let redis = Self { port, child: spawn(port) };
        redis.answers().await;
        redis
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Forgets everything, as a mistaken operator or a fail-over without a copy would.
    pub async fn flush_all(&self) {
        let () = redis::cmd("FLUSHALL")
            .query_async(&mut self.connect().await.expect("it answers"))
            .await
            .expect("it may be flushed");
    }

    /// Kills it and starts it anew at the same place, empty.
    pub async fn restart(&mut self) {
        self.child.kill().await.expect("a child can be killed");
        self.child = spawn(self.port);
        self.answers().await;
    }

    async fn answers(&self) {
        eventually("Redis answers", Duration::from_secs(20), || self.connect()).await;
    }

    async fn connect(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        let mut connection =
            redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
        let () = redis::cmd("PING").query_async(&mut connection).await?;
        Ok(connection)
    }
}

fn spawn(port: u16) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no"])
        .current_dir(log_folder())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server is installed where Redis runs for the tests")
}
