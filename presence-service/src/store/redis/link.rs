//! One supervised connection: made, watched, made anew. Callers never wait for an attempt to connect:
//! without a connection they are told so at once.

use std::sync::Arc;
use std::time::Duration;

use platform::backend::{Backend, Reached};
use platform::backoff::Backoff;
use platform::readiness::Dependency;
use platform::shutdown::{Shutdown, Tasks};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, TlsCertificates};
use tokio::sync::{Notify, watch};

use super::config::RedisConfig;
use super::scripts::Scripts;

/// A handle to the connection there is.
#[derive(Debug, Clone)]
pub(super) struct Link {
    current: watch::Receiver<Option<MultiplexedConnection>>,
    suspected: Arc<Notify>,
}

impl Link {
    /// Begins to connect, and keeps connecting until stopping is forced.
    pub(super) fn start(
        config: &RedisConfig,
        backend: Backend,
        scripts: Arc<Scripts>,
        dependency: Dependency,
        tasks: &Tasks,
        shutdown: &Shutdown,
    ) -> Self {
        let (sender, current) = watch::channel(None);
        let suspected = Arc::new(Notify::new());
        let supervisor = Supervisor {
            settings: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(Duration::from_millis(config.connect_timeout_ms)))
                .set_response_timeout(Some(Duration::from_millis(config.response_timeout_ms)))
                .set_pipeline_buffer_size(config.queued_commands.max(1))
                .set_concurrency_limit(config.in_flight_commands.max(1)),
            check: Duration::from_millis(config.check_ms.max(10)),
            reconnect_max: Duration::from_millis(config.reconnect_max_ms),
            config: config.clone(),
            backend,
            scripts,
            current: sender,
            suspected: Arc::clone(&suspected),
            dependency,
        };
        let stop = shutdown.clone();
        tasks.spawn("redis link", async move {
            tokio::select! {
                () = supervisor.run() => {}
                // Until the very end: registrations are still taken back while draining.
                () = stop.forced() => {}
            }
        });
        Self { current, suspected }
    }

    /// The connection, if there is one.
    pub(super) fn connection(&self) -> Option<MultiplexedConnection> {
        self.current.borrow().clone()
    }

    /// Waits for a connection that was made after this call.
    pub(super) async fn next_connection(&self, most: Duration) -> Option<MultiplexedConnection> {
        let mut current = self.current.clone();
        current.mark_unchanged();
        let made = async {
            while current.changed().await.is_ok() {
                if let Some(connection) = current.borrow_and_update().clone() {
                    return Some(connection);
                }
            }
            None
        };
        tokio::time::timeout(most, made).await.ok().flatten()
    }

    /// Has the connection checked now: a caller saw it fail.
    pub(super) fn suspect(&self) {
        self.suspected.notify_one();
    }
}

struct Supervisor {
    settings: AsyncConnectionConfig,
    check: Duration,
    reconnect_max: Duration,
    config: RedisConfig,
    backend: Backend,
    scripts: Arc<Scripts>,
    current: watch::Sender<Option<MultiplexedConnection>>,
    suspected: Arc<Notify>,
    dependency: Dependency,
}

impl Supervisor {
    async fn run(self) {
        let mut backoff = Backoff::new(Duration::from_millis(100), self.reconnect_max);
        loop {
            let lost = match self.connect().await {
                Ok(connection) => {
                    backoff.reset();
                    self.current.send_replace(Some(connection.clone()));
                    self.dependency.up();
                    let lost = self.watch(connection).await;
                    self.current.send_replace(None);
                    lost
                }
                Err(error) => error,
            };
            self.dependency.down(format!("Redis at {}: {lost}", self.config.place()));
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let Reached { url, authorities } = self.backend.present();
        let client = match authorities {
            None => Client::open(url.expose())?,
            Some(pem) => {
                let authorities =
                    TlsCertificates { client_tls: None, root_cert: Some(pem.into_bytes()) };
                Client::build_with_tls(url.expose(), authorities)?
            }
        };
        let mut connection =
            client.get_multiplexed_async_connection_with_config(&self.settings).await?;
        for script in self.scripts.all() {
            script.load_async(&mut connection).await?;
        }
        Ok(connection)
    }

    /// Returns when the connection no longer answers, or its server no longer takes writes.
    async fn watch(&self, mut connection: MultiplexedConnection) -> RedisError {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.check) => {}
                () = self.suspected.notified() => {}
            }
            // Loading a script is a write: it also fails on a server that has become a replica.
            let checked: RedisResult<String> =
                self.scripts.choose.load_async(&mut connection).await;
            if let Err(error) = checked {
                return error;
            }
        }
    }
}
