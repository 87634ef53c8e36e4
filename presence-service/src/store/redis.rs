//! Presence in Redis. Keys, all under `{prefix}:{tenant}:`
//!
//! - `u:{user}` text: the user's devices, one packed line each; read by MGET in every look-up
//! - `s:{user}` hash: `status`, `last_seen_ms`
//! - `c:{gateway}:{epoch}` hash: connection → user, for one incarnation
//! - `leases` hash: gateway → `epoch expires_at_ms`
//!
//! User ids stand in hash tags, so that a script's keys share a slot in a Redis cluster. Every command
//! here may be repeated.

use std::time::Duration;

use async_trait::async_trait;
use proto::id::{DEFAULT_TENANT, UserId};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{FromRedisValue, Pipeline, RedisError, RedisResult};
use serde::{Deserialize, Serialize};

use platform::secret::Secret;

use super::{PresenceStore, StoreError};
use crate::domain::device::{Change, Device, Gateway, Registration, unpack_all};
use crate::domain::status::{Chosen, Known};

const REGISTER: &str = include_str!("redis/register.lua");
const UNREGISTER: &str = include_str!("redis/unregister.lua");
const TAKE_EXPIRED: &str = include_str!("redis/take_expired.lua");

/// The section `[redis]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// Where Redis is: `redis://user:password@host:6379/0`.
    pub url: Secret,
    /// Begins all keys.
    pub prefix: String,
    /// How long an answer may take, in milliseconds.
    pub response_timeout_ms: u64,
    /// How long a connection may take, in milliseconds.
    pub connect_timeout_ms: u64,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: Secret::new("redis://127.0.0.1:6379"),
            prefix: "tidings".to_owned(),
            response_timeout_ms: 1_000,
            connect_timeout_ms: 1_000,
        }
    }
}

impl RedisConfig {
    /// Where Redis is, without user and password: for logs.
    pub fn place(&self) -> String {
        let url = self.url.expose();
        url.rsplit_once('@')
            .map_or_else(|| url.rsplit('/').next().unwrap_or(url), |(_, rest)| rest)
            .to_owned()
    }
}

/// Presence in Redis.
#[derive(Clone)]
pub struct RedisStore {
    connection: ConnectionManager,
    prefix: String,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Prepares the connection; it is made at the first command, and again whenever it is lost.
    pub fn new(config: &RedisConfig) -> Result<Self, RedisError> {
        let client = redis::Client::open(config.url.expose())?;
        let settings = ConnectionManagerConfig::new()
            .set_response_timeout(Some(Duration::from_millis(config.response_timeout_ms)))
            .set_connection_timeout(Some(Duration::from_millis(config.connect_timeout_ms)))
            // A failed command fails at once and says so; callers know whether to repeat it.
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_secs(1));
        let connection = ConnectionManager::new_lazy_with_config(client, settings)?;
        Ok(Self { connection, prefix: format!("{}:{DEFAULT_TENANT}", config.prefix) })
    }

    fn devices_key(&self, user_id: &UserId) -> String {
        format!("{}:u:{{{user_id}}}", self.prefix)
    }

    fn known_key(&self, user_id: &UserId) -> String {
        format!("{}:s:{{{user_id}}}", self.prefix)
    }

    fn connections_key(&self, gateway: &Gateway) -> String {
        format!("{}:c:{}:{:x}", self.prefix, gateway.id, gateway.epoch)
    }

    fn leases_key(&self) -> String {
        format!("{}:leases", self.prefix)
    }

    async fn run<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, StoreError> {
        let mut connection = self.connection.clone();
        let answer: RedisResult<T> = pipeline.query_async(&mut connection).await;
        answer.map_err(|error| StoreError(error.to_string()))
    }
}

fn lease_text(gateway: &Gateway, expires_at_ms: u64) -> String {
    format!("{:x} {expires_at_ms}", gateway.epoch)
}

fn parse_lease(text: &str) -> Option<(u64, u64)> {
    let (epoch, expires_at_ms) = text.split_once(' ')?;
    Some((u64::from_str_radix(epoch, 16).ok()?, expires_at_ms.parse().ok()?))
}

#[async_trait]
impl PresenceStore for RedisStore {
    async fn register(&self, connections: &[Registration]) -> Result<Vec<Change>, StoreError> {
        let mut pipeline = redis::pipe();
        for Registration { user_id, device } in connections {
            // The text instead of its hash: Redis may have been flushed since the last time.
            pipeline.cmd("EVAL").arg(REGISTER).arg(1).arg(self.devices_key(user_id));
            pipeline.arg(device.pack()).arg(&device.device_id);
            let field = format!("{:x}", device.connection);
            pipeline.hset(self.connections_key(&device.gateway), field, user_id.as_str()).ignore();
        }
        let answers: Vec<(u32, u32, String)> = self.run(&pipeline).await?;
        // A replaced connection is no longer its incarnation's.
        let mut cleaning = redis::pipe();
        let mut changes = Vec::with_capacity(connections.len());
        for ((before, after, older), registration) in answers.into_iter().zip(connections) {
            let replaced = Device::unpack(&older).filter(|older| *older != registration.device);
            if let Some(older) = &replaced {
                cleaning
                    .hdel(self.connections_key(&older.gateway), format!("{:x}", older.connection))
                    .ignore();
            }
            changes.push(Change { user_id: registration.user_id.clone(), before, after, replaced });
        }
        if !cleaning.is_empty() {
            self.run::<()>(&cleaning).await?;
        }
        Ok(changes)
    }

    async fn unregister(
        &self,
        gateway: &Gateway,
        connections: &[(UserId, u64)],
        now_ms: u64,
    ) -> Result<Vec<Change>, StoreError> {
        let mut pipeline = redis::pipe();
        for (user_id, connection) in connections {
            pipeline
                .cmd("EVAL")
                .arg(UNREGISTER)
                .arg(2)
                .arg(self.devices_key(user_id))
                .arg(self.known_key(user_id));
            pipeline.arg(Device::prefix(gateway, *connection)).arg(now_ms);
            pipeline.hdel(self.connections_key(gateway), format!("{connection:x}")).ignore();
        }
        let answers: Vec<(u32, u32)> = self.run(&pipeline).await?;
        let changed =
            answers.into_iter().zip(connections).filter(|((before, after), _)| after < before);
        Ok(changed
            .map(|((before, after), (user_id, _))| Change {
                user_id: user_id.clone(),
                before,
                after,
                replaced: None,
            })
            .collect())
    }

    async fn locate(&self, users: &[UserId]) -> Result<Vec<Vec<Device>>, StoreError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = users.iter().map(|user| self.devices_key(user)).collect();
        let mut connection = self.connection.clone();
        let values: RedisResult<Vec<Option<String>>> =
            redis::cmd("MGET").arg(keys).query_async(&mut connection).await;
        let values = values.map_err(|error| StoreError(error.to_string()))?;
        Ok(values
            .into_iter()
            .map(|value| unpack_all(value.as_deref().unwrap_or_default()))
            .collect())
    }

    async fn choose(&self, user_id: &UserId, chosen: Chosen) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.hset(self.known_key(user_id), "status", chosen.as_str()).ignore();
        self.run(&pipeline).await
    }

    async fn known(&self, users: &[UserId]) -> Result<Vec<Known>, StoreError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        for user in users {
            pipeline.get(self.devices_key(user));
            pipeline.cmd("HMGET").arg(self.known_key(user)).arg("status").arg("last_seen_ms");
        }
        let answers: Vec<redis::Value> = self.run(&pipeline).await?;
        let read = |pair: &[redis::Value]| -> RedisResult<Known> {
            let devices: Option<String> = redis::from_redis_value_ref(&pair[0])?;
            let (status, last_seen_ms): (Option<String>, Option<u64>) =
                redis::from_redis_value_ref(&pair[1])?;
            Ok(Known {
                devices: unpack_all(devices.as_deref().unwrap_or_default()).len() as u32,
                chosen: status.and_then(|word| Chosen::parse(&word)).unwrap_or_default(),
                last_seen_ms: last_seen_ms.unwrap_or(0),
            })
        };
        let known: RedisResult<Vec<Known>> = answers.chunks_exact(2).map(read).collect();
        known.map_err(|error| StoreError(error.to_string()))
    }

    async fn renew(
        &self,
        gateway: &Gateway,
        expires_at_ms: u64,
    ) -> Result<Option<Gateway>, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        pipeline.hget(self.leases_key(), &gateway.id);
        pipeline.hset(self.leases_key(), &gateway.id, lease_text(gateway, expires_at_ms)).ignore();
        let (held,): (Option<String>,) = self.run(&pipeline).await?;
        let earlier = held.as_deref().and_then(parse_lease).map(|(epoch, _)| epoch);
        Ok(earlier
            .filter(|epoch| *epoch != gateway.epoch)
            .map(|epoch| Gateway { id: gateway.id.clone(), epoch }))
    }

    async fn take_expired(&self, now_ms: u64) -> Result<Vec<Gateway>, StoreError> {
        let mut reading = redis::pipe();
        reading.hgetall(self.leases_key());
        let (leases,): (Vec<(String, String)>,) = self.run(&reading).await?;
        let mut taken = Vec::new();
        for (id, text) in leases {
            // A lease that cannot be read holds nothing.
            let (epoch, expires_at_ms) = parse_lease(&text).unwrap_or((0, 0));
            if expires_at_ms > now_ms {
                continue;
            }
            let mut taking = redis::pipe();
            taking.cmd("EVAL").arg(TAKE_EXPIRED).arg(1).arg(self.leases_key()).arg(&id).arg(&text);
            let (is_ours,): (bool,) = self.run(&taking).await?;
            if is_ours {
                taken.push(Gateway { id, epoch });
            }
        }
        Ok(taken)
    }

    async fn connections_of(&self, gateway: &Gateway) -> Result<Vec<(UserId, u64)>, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.hgetall(self.connections_key(gateway));
        let (fields,): (Vec<(String, String)>,) = self.run(&pipeline).await?;
        let read = |(connection, user): (String, String)| {
            Some((UserId::parse(&user).ok()?, u64::from_str_radix(&connection, 16).ok()?))
        };
        Ok(fields.into_iter().filter_map(read).collect())
    }
}
