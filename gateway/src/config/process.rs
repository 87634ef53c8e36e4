//! What the binary `gateway` reads beyond what the all-in-one has, too: where it is and what it stands on.

use bus::rabbitmq::RabbitConfig;
use platform::grpc::GrpcClientConfig;
use platform::monitor::MonitorConfig;
use platform::telemetry::TelemetryConfig;
use platform::token::AuthConfig;
use proto::id::{GatewayId, IdError};
use serde::{Deserialize, Serialize};

use crate::admission::config::AdmissionConfig;
use crate::balance::config::{EdgeConfig, RebalanceConfig};
use crate::identity::allow::AllowConfig;
use crate::identity::login::LoginConfig;
use crate::limits::LimitsConfig;
use crate::moments::EventsConfig;
use crate::session::quality::NetworkConfig;
use crate::tenants::TenantConfig;

/// What the variables of this binary begin with.
pub const ENV_PREFIX: &str = "TIDINGS_GATEWAY__";

/// Everything the binary `gateway` reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Name of this gateway, unique and the same after a restart; by default the host name.
    pub gateway_id: String,
    /// Where sockets, REST and the pages listen.
    pub listen: String,
    /// Address on which health and metrics listen.
    pub management_listen: String,
    /// Maximum time of a graceful stop before it is forced, in milliseconds.
    pub stop_grace_ms: u64,
    /// Origins of web pages that may open sockets for users of the tenant `default`, besides pages of the same host.
    pub allowed_origins: Vec<String>,
    /// Who may connect.
    pub auth: AuthConfig,
    /// Further applications of this install, apart from each other: a list of tables `[[tenants]]`. Users of the section
    /// `auth` are of the tenant `default`; beside others it need not name a key.
    pub tenants: Vec<TenantConfig>,
    /// Sockets and REST.
    pub limits: LimitsConfig,
    /// Who may come in.
    pub admission: AdmissionConfig,
    /// What users may do to others who do not know them.
    pub allow: AllowConfig,
    /// How users of the chat page sign in.
    pub login: LoginConfig,
    /// What other systems are told of connections.
    pub events: EventsConfig,
    /// Clients on weak networks.
    pub network: NetworkConfig,
    /// Moving open connections from gateways that have more than their share.
    pub rebalance: RebalanceConfig,
    /// Where clients reach each gateway by itself.
    pub edge: EdgeConfig,
    /// The broker.
    pub amqp: RabbitConfig,
    /// Where the chat service is.
    pub chat_grpc: GrpcClientConfig,
    /// Where the presence service is.
    pub presence_grpc: GrpcClientConfig,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    /// What the process says of itself where no Prometheus asks.
    pub monitor: MonitorConfig,
}

impl GatewayConfig {
    /// The configured id of the gateway, else the name of its host: in a container, that of the pod or container.
    pub fn gateway_id(&self) -> Result<GatewayId, NoGatewayId> {
        let (name, origin) = match self.gateway_id.as_str() {
            "" => (host_name().ok_or(NoGatewayId::NoHostName)?, "the host's name"),
            name => (name.to_owned(), "gateway_id"),
        };
        GatewayId::parse(&name).map_err(|error| NoGatewayId::NotAnId { name, origin, error })
    }
}

/// Why a gateway has no id.
#[derive(Debug, thiserror::Error)]
pub enum NoGatewayId {
    /// Neither is known.
    #[error("gateway_id is not set and the host's name is not known: set gateway_id")]
    NoHostName,
    /// The name cannot be an id.
    #[error("{origin} `{name}` cannot name this gateway: {error}; set gateway_id")]
    NotAnId {
        /// The name.
        name: String,
        /// Where it is from.
        origin: &'static str,
        /// Why not.
        error: IdError,
    },
}

/// As Linux tells it; other systems have to be told.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

impl Default for GatewayConfig {
    fn default() -> Self {
        let grpc = |url: &str| GrpcClientConfig {
            urls: vec![url.to_owned()],
            ..GrpcClientConfig::default()
        };
        Self {
            gateway_id: String::new(),
            listen: "127.0.0.1:8080".to_owned(),
            management_listen: "127.0.0.1:9090".to_owned(),
            stop_grace_ms: 30_000,
            allowed_origins: Vec::new(),
            auth: AuthConfig::default(),
            tenants: Vec::new(),
            limits: LimitsConfig::default(),
            admission: AdmissionConfig::default(),
            allow: AllowConfig::default(),
            login: LoginConfig::default(),
            events: EventsConfig::default(),
            network: NetworkConfig::default(),
            rebalance: RebalanceConfig::default(),
            edge: EdgeConfig::default(),
            amqp: RabbitConfig::default(),
            chat_grpc: grpc("http://127.0.0.1:7001"),
            presence_grpc: grpc("http://127.0.0.1:7002"),
            telemetry: TelemetryConfig::default(),
            monitor: MonitorConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_without_a_configured_id_has_the_name_of_its_host() {
        let config = GatewayConfig::default();
        assert_eq!(config.gateway_id().unwrap().as_str(), host_name().unwrap());
        let named = GatewayConfig { gateway_id: "edge-7".to_owned(), ..config.clone() };
        assert_eq!(named.gateway_id().unwrap().as_str(), "edge-7");
        let wrong = GatewayConfig { gateway_id: "edge 7".to_owned(), ..config };
        let error = wrong.gateway_id().unwrap_err().to_string();
        assert!(error.contains("edge 7") && error.contains("set gateway_id"), "{error}");
    }
}
