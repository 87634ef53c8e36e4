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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    const HEAD: &str = "# Configuration

Every key with its default, generated from the code. A binary reads its defaults, then one TOML file
(`--config FILE`), then the environment: `amqp.url` of the gateway is `TIDINGS_GATEWAY__AMQP__URL`. An unknown
key is an error that names it, and all mistakes are shown at once. Units stand in the names; what a bound
does when it is reached is said in `config.rs` of each service. Secrets are never printed.
";

    fn section<T: Serialize + Default>(text: &mut String, binary: &str, prefix: &str) {
        write!(text, "\n## {binary} (`{prefix}`)\n\n| key | default |\n|---|---|\n").unwrap();
        for (key, default) in platform::config::keys::<T>() {
            writeln!(text, "| `{key}` | `{default}` |").unwrap();
        }
    }

    #[test]
    fn the_committed_list_of_keys_is_the_one_in_the_code() {
        let mut text = HEAD.to_owned();
        section::<gateway::config::GatewayConfig>(
            &mut text,
            "gateway",
            gateway::config::ENV_PREFIX,
        );
        section::<chat_service::config::ChatConfig>(
            &mut text,
            "chat-service",
            chat_service::config::ENV_PREFIX,
        );
        section::<presence_service::config::PresenceConfig>(
            &mut text,
            "presence-service",
            presence_service::config::ENV_PREFIX,
        );
        section::<Config>(&mut text, "tidings (all-in-one)", ENV_PREFIX);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        if std::fs::read_to_string(path).unwrap_or_default() != text {
            let fresh = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/configuration.md");
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")).unwrap();
            std::fs::write(fresh, &text).unwrap();
            panic!("docs/configuration.md is out of date: copy target/configuration.md over it");
        }
    }
}
