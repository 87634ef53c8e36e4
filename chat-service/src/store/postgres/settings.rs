//! How Postgres is reached, and what must be true of it.

use std::path::PathBuf;
use std::time::Duration;

use platform::address::{Address, AddressError};
use platform::secret::Secret;
use serde::{Deserialize, Serialize};
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{Connection as _, Postgres};

use super::PostgresStore;
use super::identity::Identity;
use crate::store::connections::Connections;
use crate::store::migrations;

/// That of a sequential page is 1.
const RANDOM_PAGE_COST: &str = "1.1";
/// A connection that was idle for so long is asked whether it lives before it is used.
const ASKED_AFTER_IDLE: Duration = Duration::from_millis(500);

/// How long a connection may take that only is to say why there is none.
const CONNECT: Duration = Duration::from_secs(2);

/// The section `[database]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// Address of Postgres: `postgres://user:password@host:5432/database`.
    pub url: Secret,
    /// File with the address, in place of `url`. Read again within 10 s of a change, so that a new password needs no
    /// restart; while it is unusable the last good address is used.
    pub url_file: Option<PathBuf>,
    /// Number of connections for appending; a worker uses one at a time.
    pub write_connections: u32,
    /// Number of connections for reading.
    pub read_connections: u32,
    /// Maximum wait for a free connection, in milliseconds.
    pub acquire_timeout_ms: u64,
    /// Maximum time of a statement, in milliseconds.
    pub statement_timeout_ms: u64,
    /// Maximum time that a statement may wait for a lock, in milliseconds.
    pub lock_timeout_ms: u64,
    /// How often it is checked whether young tables need new planner statistics, in milliseconds.
    pub statistics_ms: u64,
    /// Whether the tables are migrated at start; otherwise only `migrate` does that.
    pub migrate_at_start: bool,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: Secret::new("postgres://postgres@127.0.0.1:5432/tidings"),
            url_file: None,
            write_connections: 4,
            read_connections: 8,
            acquire_timeout_ms: 2_000,
            statement_timeout_ms: 5_000,
            lock_timeout_ms: 3_000,
            statistics_ms: 5_000,
            migrate_at_start: true,
        }
    }
}

/// Whether a text is the address of a database, or what is wrong with it.
fn check_url(url: &str) -> Result<(), String> {
    options(url).map(|_| ()).map_err(|error| error.to_string())
}

fn options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    // The library takes any scheme.
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        let text = "not like postgres://user:password@host:5432/database";
        return Err(sqlx::Error::Configuration(text.into()));
    }
    url.parse()
}

impl DatabaseConfig {
    /// Where the database is, and finds mistakes that no waiting corrects.
    pub fn address(&self) -> Result<Address, AddressError> {
        Address::open("database", self.url.expose(), self.url_file.as_deref(), check_url)
    }

    /// How each connection is opened.
    fn connection(&self, url: &str) -> Result<PgConnectOptions, sqlx::Error> {
        Ok(options(url)?.application_name("tidings-chat").options([
            ("statement_timeout", self.statement_timeout_ms.to_string()),
            ("lock_timeout", self.lock_timeout_ms.to_string()),
            ("idle_in_transaction_session_timeout", self.statement_timeout_ms.to_string()),
            // Rows are found by key, most of them in memory: the default is that of a spinning disk, with which
            // a few hundred keys are a reason to read a whole table.
            ("random_page_cost", RANDOM_PAGE_COST.to_owned()),
        ]))
    }

    /// Where the database is, without user and password: for logs.
    pub fn place(&self) -> String {
        let url = self.url.expose();
        url.rsplit_once('@')
            .map_or(url, |(_, rest)| rest)
            .split('?')
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

impl PostgresStore {
    /// Prepares the pools. Nothing is connected yet: see [`PostgresStore::check`].
    pub fn new(config: &DatabaseConfig) -> Result<Self, sqlx::Error> {
        let options = config.connection(config.url.expose())?;
        let pool = |connections: u32, identity: Option<Identity>| {
            PgPoolOptions::new()
                .max_connections(connections.max(1))
                .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
                // A ping on every use costs more than the statement, so only those are asked that
                // have been idle: when the server has cut all connections, the dead ones would
                // otherwise be found one by one, each at the cost of somebody's question.
                .test_before_acquire(false)
                .before_acquire(|connection, meta| {
                    Box::pin(async move {
                        if meta.idle_for > ASKED_AFTER_IDLE {
                            connection.ping().await?;
                        }
                        Ok(true)
                    })
                })
                .after_connect(move |connection, _| {
                    let identity = identity.clone();
                    Box::pin(async move {
                        if let Some(identity) = identity {
                            identity.ask_new(connection).await;
                            super::origin::raise(connection).await?;
                        }
                        Ok(())
                    })
                })
                .max_lifetime(Duration::from_mins(30))
                .connect_lazy_with(options.clone())
        };
        let identity = Identity::default();
        Ok(Self {
            writers: Connections::new(pool(config.write_connections, Some(identity.clone()))),
            readers: Connections::new(pool(config.read_connections, None)),
            identity,
        })
    }

    /// Has new connections opened at another address; those that are open stay until they end.
    pub fn connect_to(&self, config: &DatabaseConfig, url: &Secret) {
        match config.connection(url.expose()) {
            Ok(options) => {
                self.writers.pool().set_connect_options(options.clone());
                self.readers.pool().set_connect_options(options);
            }
            Err(error) => tracing::error!(%error, "database.url: not used"),
        }
    }

    /// Why the pool has no connection: it only says that it has none. This one is of no pool, so it may be given
    /// up half-way.
    pub(super) async fn cause(&self, error: sqlx::Error) -> sqlx::Error {
        if !matches!(error, sqlx::Error::PoolTimedOut) {
            return error;
        }
        let options = self.writers.pool().connect_options();
        match tokio::time::timeout(CONNECT, PgConnection::connect_with(&options)).await {
            Ok(Err(cause)) => cause,
            _ => error,
        }
    }

    /// Whether the database answers.
    pub async fn check(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1").execute(&self.writers).await.map(|_| ())
    }

    /// Brings the tables up to date. Replicas that do it at once wait for each other.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        let mut line = self.writers.line().await?;
        migrations::POSTGRES.run::<Postgres>(&mut line).await?;
        line.done();
        super::names::fill(self.writers.pool()).await.map_err(MigrateError::Execute)?;
        // The connections that are open were asked before there was anything to raise.
        let mut line = self.writers.line().await.map_err(MigrateError::Execute)?;
        let raised = super::origin::raise(&mut line).await;
        line.ended(raised).map_err(MigrateError::Execute)
    }

    /// Settings of the server that would make an acknowledgement a lie.
    pub async fn unsafe_settings(&self) -> Result<Vec<String>, sqlx::Error> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT name, setting FROM pg_settings
             WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'",
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(|(name, setting)| format!("{name} = {setting}")).collect())
    }

    /// Whether nobody takes dead rows away and looks at how tables grow.
    pub async fn is_autovacuum_off(&self) -> Result<bool, sqlx::Error> {
        let sql = "SELECT setting = 'off' FROM pg_settings WHERE name = 'autovacuum'";
        Ok(sqlx::query_scalar(sql).fetch_optional(&self.readers).await?.unwrap_or(false))
    }

    /// Closes the pools after what is under way.
    pub async fn close(&self) {
        self.writers.close().await;
        self.readers.close().await;
    }
}
