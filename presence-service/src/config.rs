//! The configuration of the presence service.

use bus::rabbitmq::RabbitConfig;
use platform::grpc::GrpcClientConfig;
use platform::telemetry::TelemetryConfig;
use serde::{Deserialize, Serialize};

use crate::store::redis::RedisConfig;

/// What the variables of this binary begin with.
pub const ENV_PREFIX: &str = "TIDINGS_PRESENCE__";

/// Everything the binary `presence-service` reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PresenceConfig {
    /// Where gRPC listens.
    pub grpc_listen: String,
    /// Where health and metrics listen.
    pub management_listen: String,
    /// How long a stop may take before it is forced, in milliseconds.
    pub stop_grace_ms: u64,
    /// The broker.
    pub amqp: RabbitConfig,
    /// Where registrations are kept.
    pub redis: RedisConfig,
    /// Where the chat service is.
    pub chat_grpc: GrpcClientConfig,
    /// Leases and announcements.
    pub presence: PresenceSettings,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
}

impl Default for PresenceConfig {
    fn default() -> Self {
        Self {
            grpc_listen: "127.0.0.1:7002".to_owned(),
            management_listen: "127.0.0.1:9092".to_owned(),
            stop_grace_ms: 10_000,
            amqp: RabbitConfig::default(),
            redis: RedisConfig::default(),
            chat_grpc: GrpcClientConfig {
                urls: vec!["http://127.0.0.1:7001".to_owned()],
                ..GrpcClientConfig::default()
            },
            presence: PresenceSettings::default(),
            telemetry: TelemetryConfig::default(),
        }
    }
}

/// Leases and announcements.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PresenceSettings {
    /// How long a gateway counts as alive after its last heartbeat, in milliseconds.
    pub lease_ms: u64,
    /// How often ended leases are looked for, in milliseconds.
    pub sweep_ms: u64,
    /// Whoever is back within it was never away, in milliseconds.
    pub offline_grace_ms: u64,
    /// Users who are told of one user's change, at most.
    pub contacts: u32,
    /// Changes waiting to be announced; further ones are not told.
    pub announcements: usize,
    /// Changes announced at once.
    pub announce_batch: usize,
    /// How long the question for contacts may take, in milliseconds.
    pub contacts_timeout_ms: u64,
    /// Batches of `status` frames of one partition that are not acknowledged.
    pub prefetch: u16,
}

impl Default for PresenceSettings {
    fn default() -> Self {
        Self {
            lease_ms: 10_000,
            sweep_ms: 1_000,
            offline_grace_ms: 2_000,
            contacts: 256,
            announcements: 10_000,
            announce_batch: 256,
            contacts_timeout_ms: 2_000,
            prefetch: 16,
        }
    }
}
