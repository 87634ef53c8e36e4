//! The configuration of the all-in-one binary: what its three services have in common with the cluster.

use bus::in_process::InProcessConfig;
use chat_service::config::{LaneConfig, QueryConfig};
use gateway::config::LimitsConfig;
use platform::telemetry::TelemetryConfig;
use presence_service::config::PresenceSettings;
use serde::{Deserialize, Serialize};

/// What the variables of this binary begin with.
pub(crate) const ENV_PREFIX: &str = "TIDINGS__";

/// Everything the binary `tidings` reads besides its arguments.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// How long a stop may take before it is forced, in milliseconds.
    pub(crate) stop_grace_ms: u64,
    /// Web pages of these origins may open sockets, besides those of the same host.
    pub(crate) allowed_origins: Vec<String>,
    /// Sockets and REST.
    pub(crate) limits: LimitsConfig,
    /// The queues between the services.
    pub(crate) bus: InProcessConfig,
    /// Appending and delivering.
    pub(crate) lanes: LaneConfig,
    /// Answering questions.
    pub(crate) queries: QueryConfig,
    /// Leases and announcements.
    pub(crate) presence: PresenceSettings,
    /// Logs and traces.
    pub(crate) telemetry: TelemetryConfig,
}

impl Default for Config {
    fn default() -> Self {
        let quiet = TelemetryConfig { log_filter: "warn".to_owned(), ..TelemetryConfig::default() };
        Self {
            stop_grace_ms: 10_000,
            allowed_origins: Vec::new(),
            limits: LimitsConfig::default(),
            bus: InProcessConfig::default(),
            // SQLite has one writer: a second lane would only wait for the first.
            lanes: LaneConfig { lanes: 1, ..LaneConfig::default() },
            queries: QueryConfig::default(),
            presence: PresenceSettings::default(),
            telemetry: quiet,
        }
    }
}
