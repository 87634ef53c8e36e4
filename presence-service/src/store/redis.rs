//! Presence in Redis, for the cluster. How each guarantee of the port is met:
//!
//! - A user's record is one string that one script at a time changes (1, 2, 7, 8), and that `locate`
//!   reads with MGET: a third of the cost of a hash a user.
//! - A gateway's account is a hash and two sets, changed by scripts of its own (3, 4, 5). A connection
//!   is added to the account before the user's record and removed after it: whatever breaks in
//!   between, the account names at least what the records hold, so that a heartbeat shows a loss and
//!   the end of the lease finds every registration.
//! - A replica claims what it sweeps, and a crashed one's claim lapses (6). Should two sweep the same
//!   nevertheless, the user's script tells only one of them of the change.
//! - Each gateway's connections are also in a sorted set, changed by the scripts of its account: walks page by
//!   it (14). What a user has used up of its rates is a key of its own, changed by one script (15).
//! - What gateways say of their load is one hash with the end of each word in it, read and pruned by one script (18).
//! - Leases are measured by Redis's own clock: those of the replicas may disagree.
//!
//! Scripts are repeated by the caller's choice only; reads are repeated once.

mod config;
mod keys;
mod link;
mod listing;
mod loads;
mod packed;
mod scripts;
mod spending;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use platform::backend::Backend;
use platform::readiness::{Cause, Readiness};
use platform::shutdown::{Shutdown, Tasks};
use proto::id::{GatewayId, TenantId, UserId};
use redis::aio::MultiplexedConnection;
use redis::{
    ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Script, ServerErrorKind, cmd,
};

use super::{
    Choice, LeaseConfig, ListPage, ListPlace, Located, PresenceStore, Report, Reported, Session,
    StoreError, Swept, UserState,
};
use crate::domain::account::{HeartbeatOutcome, Tally};
use crate::domain::load::Load;
use crate::domain::registration::{Change, GatewayEpoch};
use crate::domain::rivals::Heard;
use crate::domain::spending::Spent;
use crate::domain::status::Chosen;
pub use config::RedisConfig;
use keys::Keys;
use link::Link;
use scripts::Scripts;

/// The store over Redis. Clones share the connection.
#[derive(Debug, Clone)]
pub struct RedisStore {
    config: RedisConfig,
    leases: LeaseConfig,
    keys: Keys,
    link: Link,
    scripts: Arc<Scripts>,
    place: String,
    /// Tells this replica's claims from those of others.
    owner: String,
}

impl RedisStore {
    /// Begins to connect, and keeps connecting; returns at once.
    pub fn start(
        mut config: RedisConfig,
        backend: Backend,
        leases: LeaseConfig,
        readiness: &Readiness,
        tasks: &Tasks,
        shutdown: &Shutdown,
    ) -> Self {
        let scripts = Arc::new(Scripts::new());
        let dependency = readiness.dependency(Cause::PresenceStore);
        // What is said of it names where it is.
        config.url = backend.last_good().expose().to_owned();
        let link = Link::start(&config, backend, Arc::clone(&scripts), dependency, tasks, shutdown);
        Self {
            keys: Keys::new(&config.prefix),
            place: config.place(),
            owner: uuid::Uuid::new_v4().simple().to_string(),
            config,
            leases,
            link,
            scripts,
        }
    }

    fn unavailable(&self, why: impl std::fmt::Display) -> StoreError {
        StoreError::Unavailable(format!("Redis at {}: {why}", self.place))
    }

    fn connection(&self) -> Result<MultiplexedConnection, StoreError> {
        self.link.connection().ok_or_else(|| self.unavailable("not connected"))
    }

    fn failed(&self, error: &RedisError) -> StoreError {
        self.link.suspect();
        self.unavailable(error)
    }

    /// Sends commands that call scripts, once. Only a server that has forgotten its scripts gets them a
    /// second time: it did nothing the first time.
    async fn write<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, StoreError> {
        let mut connection = self.connection()?;
        let answered = match pipeline.query_async(&mut connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                for script in self.scripts.all() {
                    let loaded = script.load_async(&mut connection).await;
                    loaded.map_err(|error| self.failed(&error))?;
                }
                pipeline.query_async(&mut connection).await
            }
            answered => answered,
        };
        answered.map_err(|error| self.failed(&error))
    }

    /// Reads, on the next connection when this one turns out to be broken.
    async fn read<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, StoreError> {
        let mut connection = self.connection()?;
        let broken = match pipeline.query_async(&mut connection).await {
            Ok(answer) => return Ok(answer),
            Err(error) if error.is_connection_dropped() => error,
            Err(error) => return Err(self.failed(&error)),
        };
        self.link.suspect();
        let wait = Duration::from_millis(self.config.read_retry_ms);
        let Some(mut next) = self.link.next_connection(wait).await else {
            return Err(self.unavailable(broken));
        };
        let answered: RedisResult<T> = pipeline.query_async(&mut next).await;
        answered.map_err(|error| self.failed(&error))
    }

    /// The records of users, in their order; one round trip.
    async fn records(&self, users: &[UserId]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        if users.is_empty() {
            // The sweep asks for nobody, to learn whether Redis is there.
            return self.connection().map(|_| Vec::new());
        }
        let mut pipeline = redis::pipe();
        for chunk in users.chunks(self.config.read_users.max(1)) {
            let mut read = cmd("MGET");
            for user_id in chunk {
                read.arg(self.keys.user(user_id));
            }
            pipeline.add_command(read);
        }
        let chunks: Vec<Vec<Option<Vec<u8>>>> = self.read(&pipeline).await?;
        let records: Vec<_> = chunks.into_iter().flatten().collect();
        if records.len() != users.len() {
            return Err(self.unavailable("answered for other users than were asked for"));
        }
        Ok(records)
    }
}

/// Adds a call of a script to a pipeline.
fn call<'a>(
    pipeline: &'a mut Pipeline,
    script: &Script,
    keys: &[impl AsRef<str>],
) -> &'a mut Pipeline {
    pipeline.cmd("EVALSHA").arg(script.get_hash()).arg(keys.len());
    for key in keys {
        pipeline.arg(key.as_ref());
    }
    pipeline
}

#[async_trait]
impl PresenceStore for RedisStore {
    async fn report(&self, report: &Report) -> Result<Reported, StoreError> {
        self.write_report(report).await
    }

    async fn heartbeat(
        &self,
        gateway: &GatewayEpoch,
        tally: Tally,
    ) -> Result<HeartbeatOutcome, StoreError> {
        let mut pipeline = redis::pipe();
        call(&mut pipeline, &self.scripts.heartbeat, &self.keys.gateway(&gateway.id))
            .arg(format!("{:016x}", gateway.epoch))
            .arg(tally.connections)
            .arg(format!("{:016x}", tally.digest))
            .arg(self.leases.lease_ms)
            .arg(self.leases.gateway_memory_secs * 1_000);
        // Repeated at every heartbeat: a gateway must not be missing where the sweep looks.
        pipeline.cmd("SADD").arg(self.keys.gateways()).arg(gateway.id.as_str()).ignore();
        let (outcome,): (String,) = self.write(&pipeline).await?;
        match outcome.as_str() {
            "agreed" => Ok(HeartbeatOutcome::Agreed),
            "stale" => Err(StoreError::StaleEpoch),
            _ => Ok(HeartbeatOutcome::Resync),
        }
    }

    async fn hear(&self, gateway_id: &GatewayId, process: u64) -> Result<Heard, StoreError> {
        let mut pipeline = redis::pipe();
        call(&mut pipeline, &self.scripts.hear, &[self.keys.speakers(gateway_id)])
            .arg(format!("{process:016x}"))
            .arg(self.leases.lease_ms)
            .arg(self.leases.gateway_memory_secs * 1_000);
        let (heard,): (String,) = self.write(&pipeline).await?;
        Ok(match heard.as_str() {
            "rival" => Heard::Rival,
            "taken_over" => Heard::TakenOver,
            _ => Heard::Alone,
        })
    }

    async fn note_load(
        &self,
        gateway_id: &GatewayId,
        load: Load,
    ) -> Result<Vec<(GatewayId, Load)>, StoreError> {
        self.write_load(gateway_id, load).await
    }

    async fn sign_off(&self, gateway: &GatewayEpoch) -> Result<bool, StoreError> {
        let mut pipeline = redis::pipe();
        call(&mut pipeline, &self.scripts.sign_off, &self.keys.gateway(&gateway.id))
            .arg(format!("{:016x}", gateway.epoch))
            .arg(self.leases.gateway_memory_secs * 1_000);
        let (has_left,): (bool,) = self.write(&pipeline).await?;
        if has_left && let Err(error) = self.forget_load(&gateway.id).await {
            // It has left all the same, and what it said ends with the time of a lease.
            tracing::debug!(%error, "a load is not forgotten");
        }
        Ok(has_left)
    }

    async fn locate(&self, users: &[UserId]) -> Result<Located, StoreError> {
        let records = self.records(users).await?;
        let mut located = Located::with_capacity(users.len());
        for record in &records {
            for registration in packed::registrations(record.as_deref().unwrap_or_default()) {
                located.push(
                    registration.gateway_id,
                    registration.epoch,
                    registration.connection,
                    registration.device_type,
                );
            }
            located.end_user();
        }
        Ok(located)
    }

    async fn states(&self, users: &[UserId]) -> Result<Vec<UserState>, StoreError> {
        let records = self.records(users).await?;
        Ok(records
            .iter()
            .map(|record| packed::state(record.as_deref().unwrap_or_default()))
            .collect())
    }

    async fn choose(&self, choices: &[Choice]) -> Result<Vec<Change>, StoreError> {
        self.write_choices(choices).await
    }

    async fn fill_in(
        &self,
        choices: &[(UserId, Chosen)],
    ) -> Result<Vec<(bool, UserState)>, StoreError> {
        self.write_read_choices(choices).await
    }

    async fn sweep(&self, most: usize) -> Result<Swept, StoreError> {
        self.sweep_gateways(most).await
    }

    async fn gateways(&self) -> Result<Vec<GatewayEpoch>, StoreError> {
        self.list_gateways().await
    }

    async fn sessions(&self, user_id: &UserId) -> Result<Vec<Session>, StoreError> {
        self.list_sessions(user_id).await
    }

    async fn connections(
        &self,
        tenant: TenantId,
        after: Option<&ListPlace>,
        limit: usize,
    ) -> Result<ListPage, StoreError> {
        self.list_connections(tenant, after, limit).await
    }

    async fn spend(&self, spent: &[Spent], time: Duration) -> Result<Vec<Vec<u64>>, StoreError> {
        self.book_spent(spent, time).await
    }
}
