//! What the binary `presence-service` reads beyond what the all-in-one has, too: where it is and what it stands on.

use bus::rabbitmq::RabbitConfig;
use platform::grpc::{GrpcClientConfig, GrpcServerTlsConfig};
use platform::monitor::MonitorConfig;
use platform::telemetry::TelemetryConfig;
use serde::{Deserialize, Serialize};

use super::PresenceSettings;
use crate::moments::EventsConfig;
use crate::store::LeaseConfig;
use crate::store::redis::RedisConfig;

/// What the variables of this binary begin with.
pub const ENV_PREFIX: &str = "TIDINGS_PRESENCE__";

/// Everything the binary `presence-service` reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PresenceConfig {
    /// Address on which gRPC listens.
    pub grpc_listen: String,
    /// Whom gRPC takes.
    pub grpc_tls: GrpcServerTlsConfig,
    /// Address on which health and metrics listen.
    pub management_listen: String,
    /// Maximum time of a graceful stop before it is forced, in milliseconds.
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
    /// What other systems are told of users.
    pub events: EventsConfig,
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
            events: EventsConfig::default(),
            telemetry: TelemetryConfig::default(),
            monitor: MonitorConfig::default(),
        }
    }
}
