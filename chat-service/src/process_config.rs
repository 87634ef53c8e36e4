//! What the binary `chat-service` reads beyond what the all-in-one has, too: where it is and what it stands on.

use bus::rabbitmq::RabbitConfig;
use platform::grpc::{GrpcClientConfig, GrpcServerTlsConfig};
use platform::monitor::MonitorConfig;
use platform::telemetry::TelemetryConfig;
use serde::{Deserialize, Serialize};

use crate::config::{MessagesConfig, QueryConfig, RevocationConfig, Role, WorkerConfig};
use crate::followers::webhooks::WebhookSettings;
use crate::followers::{EventConfig, FollowerConfig};
use crate::notices::NoticeConfig;
use crate::push::PushConfig;
use crate::store::postgres::DatabaseConfig;

/// What the variables of this binary begin with.
pub const ENV_PREFIX: &str = "TIDINGS_CHAT__";

/// Everything the binary `chat-service` reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChatConfig {
    /// Address on which gRPC listens.
    pub grpc_listen: String,
    /// Whom gRPC takes.
    pub grpc_tls: GrpcServerTlsConfig,
    /// Address on which health and metrics listen.
    pub management_listen: String,
    /// Maximum time of a graceful stop before it is forced, in milliseconds.
    pub stop_grace_ms: u64,
    /// What this process does: `partitions` appends and delivers, `queries` answers over gRPC, `followers` works on entries
    /// after their commit. Each is to be done by some process. Gateways must find those alone that answer.
    pub roles: Vec<Role>,
    /// The broker.
    pub amqp: RabbitConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// Where the presence service is.
    pub presence_grpc: GrpcClientConfig,
    /// Appending and delivering.
    pub lanes: WorkerConfig,
    /// What may become of messages.
    pub messages: MessagesConfig,
    /// Answering questions.
    pub queries: QueryConfig,
    /// Sessions that were ended.
    pub revocations: RevocationConfig,
    /// What happens with entries after their commit.
    pub followers: FollowerConfig,
    /// Which events are published.
    pub events: EventConfig,
    /// Deliveries of events to receivers of webhooks.
    pub webhooks: WebhookSettings,
    /// What devices are told that are not connected.
    pub push: PushConfig,
    /// Notices of operators.
    pub notices: NoticeConfig,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    /// What the process says of itself where no Prometheus asks.
    pub monitor: MonitorConfig,
}

impl Default for ChatConfig {
    fn default() -> Self {
        Self {
            grpc_listen: "127.0.0.1:7001".to_owned(),
            grpc_tls: GrpcServerTlsConfig::default(),
            management_listen: "127.0.0.1:9091".to_owned(),
            stop_grace_ms: 20_000,
            roles: Role::ALL.to_vec(),
            amqp: RabbitConfig::default(),
            database: DatabaseConfig::default(),
            presence_grpc: GrpcClientConfig {
                urls: vec!["http://127.0.0.1:7002".to_owned()],
                ..GrpcClientConfig::default()
            },
            lanes: WorkerConfig::default(),
            messages: MessagesConfig::default(),
            queries: QueryConfig::default(),
            revocations: RevocationConfig::default(),
            followers: FollowerConfig::default(),
            events: EventConfig::default(),
            webhooks: WebhookSettings::default(),
            push: PushConfig::default(),
            notices: NoticeConfig::default(),
            telemetry: TelemetryConfig::default(),
            monitor: MonitorConfig::default(),
        }
    }
}
