//! The configuration of the presence service.

use bus::rabbitmq::RabbitConfig;
use platform::grpc::{GrpcClientConfig, GrpcServerTlsConfig};
use platform::monitor::MonitorConfig;
use platform::telemetry::TelemetryConfig;
use serde::{Deserialize, Serialize};

use crate::store::LeaseConfig;
use crate::store::redis::RedisConfig;

/// What the variables of this binary begin with.
pub const ENV_PREFIX: &str = "TIDINGS_PRESENCE__";

/// Everything the binary `presence-service` reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PresenceConfig {
    /// Where gRPC listens.
    pub grpc_listen: String,
    /// Whom gRPC takes.
    pub grpc_tls: GrpcServerTlsConfig,
    /// Where health and metrics listen.
    pub management_listen: String,
    /// How long a stop may take before it is forced, in milliseconds.
    pub stop_grace_ms: u64,
    /// The broker.
    pub amqp: RabbitConfig,
    /// Where registrations are kept.
    pub redis: RedisConfig,
    /// How long what is believed.
    pub leases: LeaseConfig,
    /// Where the chat service is.
    pub chat_grpc: GrpcClientConfig,
    /// Sweeping, announcing, answering.
    pub presence: PresenceSettings,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    /// What the process says of itself where no Prometheus asks.
    pub monitor: MonitorConfig,
}

impl Default for PresenceConfig {
    fn default() -> Self {
        Self {
            grpc_listen: "127.0.0.1:7002".to_owned(),
            grpc_tls: GrpcServerTlsConfig::default(),
            management_listen: "127.0.0.1:9092".to_owned(),
            stop_grace_ms: 10_000,
            amqp: RabbitConfig::default(),
            redis: RedisConfig::default(),
            leases: LeaseConfig::default(),
            chat_grpc: GrpcClientConfig {
                urls: vec!["http://127.0.0.1:7001".to_owned()],
                ..GrpcClientConfig::default()
            },
            presence: PresenceSettings::default(),
            telemetry: TelemetryConfig::default(),
            monitor: MonitorConfig::default(),
        }
    }
}

/// Sweeping, announcing, answering.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PresenceSettings {
    /// How often ended leases are looked for, in milliseconds.
    pub sweep_ms: u64,
    /// Presence ends no lease before it could be heard for so long itself, in milliseconds: after it was
    /// away, or its store was, gateways first get the time to renew. At least a lease.
    pub sweep_after_ms: u64,
    /// Registrations ended in one step of a sweep.
    pub sweep_registrations: usize,
    /// Whoever is back within it was never away, in milliseconds.
    pub offline_grace_ms: u64,
    /// Users whose change waits to be told; further ones are not told.
    pub announcements: usize,
    /// Users whose changes are told at once.
    pub announce_batch: usize,
    /// Contacts that are asked for, located and told in one step, of all users of a batch together. Who
    /// has more is told to the rest in the next steps.
    pub contacts: u32,
    /// Members of a conversation who are told of each other's presence; in a larger one nobody is.
    pub group_members: u32,
    /// How long the question for contacts may take, in milliseconds.
    pub contacts_timeout_ms: u64,
    /// How long keeping or reading chosen statuses may take, in milliseconds.
    pub chosen_timeout_ms: u64,
    /// Batches of `status` frames of one partition that are not acknowledged.
    pub prefetch: u16,
    /// What senders of a `status` are told to wait while it cannot be kept, in milliseconds.
    pub retry_after_ms: u64,
    /// Calls answered at once; further ones are refused as unavailable.
    pub calls: usize,
    /// Users of one question.
    pub users_per_call: usize,
    /// Connections of one page of the list for operators.
    pub page_connections: usize,
}

impl Default for PresenceSettings {
    fn default() -> Self {
        Self {
            sweep_ms: 1_000,
            sweep_after_ms: 10_000,
            sweep_registrations: 500,
            offline_grace_ms: 2_000,
            announcements: 50_000,
            announce_batch: 128,
            contacts: 32_768,
            group_members: 512,
            contacts_timeout_ms: 2_000,
            chosen_timeout_ms: 1_000,
            prefetch: 16,
            retry_after_ms: 1_000,
            calls: 1_024,
            users_per_call: 10_000,
            page_connections: 500,
        }
    }
}
