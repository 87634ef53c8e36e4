//! The configuration of the all-in-one binary: the services' own sections over embedded backends.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use bus::in_process::InProcessConfig;
use chat_service::config::{MessagesConfig, QueryConfig, RevocationConfig, WorkerConfig};
use chat_service::followers::webhooks::WebhookSettings;
use chat_service::followers::{EventConfig, FollowerConfig};
use chat_service::notices::NoticeConfig;
use chat_service::push::PushConfig;
use gateway::config::LimitsConfig;
use gateway::tenants::TenantConfig;
use gateway::{AdmissionConfig, AllowConfig, LoginConfig, Network, NetworkConfig};
use platform::monitor::MonitorConfig;
use platform::telemetry::TelemetryConfig;
use platform::token::{AuthConfig, Signer};
use presence_service::config::PresenceSettings;
use presence_service::store::LeaseConfig;
use proto::id::TenantId;
use serde::{Deserialize, Serialize};

use crate::data_folder::{self, DataFolder, DataFolderError};

/// What the variables of this binary begin with.
pub const ENV_PREFIX: &str = "TIDINGS__";

/// Everything the binary `tidings` reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TidingsConfig {
    /// Where the chat page, WebSockets and REST listen.
    pub listen: String,
    /// Address on which health and metrics listen.
    pub management_listen: String,
    /// Folder of the database and of the signing secret.
    pub data: PathBuf,
    /// Maximum time of a graceful stop before it is forced, in milliseconds.
    pub stop_grace_ms: u64,
    /// How tokens are verified; by the secret of the data folder where no key is named.
    pub auth: AuthConfig,
    /// Further applications of this install, apart from each other: a list of tables `[[tenants]]`. Users of the section
    /// `auth` are of the tenant `default`.
    pub tenants: Vec<TenantConfig>,
    /// Origins of web pages that may open sockets for users of the tenant `default`, besides pages of the same host.
    pub allowed_origins: Vec<String>,
    /// Sockets and REST.
    pub limits: LimitsConfig,
    /// Who may come in. This machine's own programs always may.
    pub admission: AdmissionConfig,
    /// What users may do to others who do not know them.
    pub allow: AllowConfig,
    /// How users of the chat page sign in.
    pub login: LoginConfig,
    /// Clients on weak networks.
    pub network: NetworkConfig,
    /// The queues between the services.
    pub bus: InProcessConfig,
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
    /// How long what is believed of connections, and how many a user may have.
    pub leases: LeaseConfig,
    /// Leases and announcements.
    pub presence: PresenceSettings,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    /// What the process says of itself where no Prometheus asks.
    pub monitor: MonitorConfig,
}

impl Default for TidingsConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            management_listen: "127.0.0.1:9090".to_owned(),
            data: "./data".into(),
            stop_grace_ms: 10_000,
            auth: AuthConfig::default(),
            tenants: Vec::new(),
            allowed_origins: Vec::new(),
            limits: LimitsConfig::default(),
            admission: AdmissionConfig {
                exempt_networks: own_machine(),
                ..AdmissionConfig::default()
            },
            allow: AllowConfig::default(),
            login: LoginConfig::default(),
            network: NetworkConfig::default(),
            bus: InProcessConfig::default(),
            // SQLite has one writer: a second lane would only wait for it and sync the disk once more.
            lanes: WorkerConfig { lanes: 1, ..WorkerConfig::default() },
            messages: MessagesConfig::default(),
            queries: QueryConfig::default(),
            revocations: RevocationConfig::default(),
            followers: FollowerConfig::default(),
            events: EventConfig::default(),
            webhooks: WebhookSettings::default(),
            push: PushConfig::default(),
            notices: NoticeConfig::default(),
            leases: LeaseConfig::default(),
            presence: PresenceSettings::default(),
            // What it does is on the terminal already; the log is for what goes wrong.
            telemetry: TelemetryConfig {
                log_filter: "warn".to_owned(),
                ..TelemetryConfig::default()
            },
            monitor: MonitorConfig::default(),
        }
    }
}

/// Trying things out on one machine meets no limits of addresses.
fn own_machine() -> Vec<Network> {
    ["127.0.0.0/8", "::1/128"].iter().filter_map(|text| text.parse().ok()).collect()
}

impl TidingsConfig {
    /// How a server on this folder verifies tokens.
    pub fn auth_for_serving(&self, data: &DataFolder) -> AuthConfig {
        let mut auth = self.auth.clone();
        if !self.auth.names_a_key() {
            auth.hs256_secret_file = Some(data_folder::secret_file(data.path()));
        }
        auth
    }

    /// The same for a command that only looks at a configuration. The first start makes the secret of its folder: until then
    /// another one stands for it.
    pub fn auth_for_checking(&self) -> AuthConfig {
        let mut auth = self.auth.clone();
        if !self.auth.names_a_key() {
            match data_folder::existing_secret_file(&self.data) {
                Ok(file) => auth.hs256_secret_file = Some(file),
                Err(_) => auth.hs256_secret = data_folder::new_secret(),
            }
        }
        auth
    }

    /// Signs tokens that a server with this configuration takes, of one of its tenants.
    pub fn signer(&self, tenant: Option<TenantId>) -> Result<Signer> {
        let Some(tenant) = tenant.filter(|tenant| !tenant.is_default()) else {
            return Ok(Signer::from_config(&self.auth_for_signing()?)?);
        };
        let config = self.tenants.iter().find(|config| config.id == tenant.as_str());
        let config =
            config.with_context(|| format!("the configuration has no tenant `{tenant}`"))?;
        Ok(Signer::of_tenant(tenant.as_str(), &config.auth())?)
    }

    /// The same as for serving, for a command that signs beside a server.
    fn auth_for_signing(&self) -> Result<AuthConfig, DataFolderError> {
        let mut auth = self.auth.clone();
        if !self.auth.names_a_key() {
            auth.hs256_secret_file = Some(data_folder::existing_secret_file(&self.data)?);
        }
        Ok(auth)
    }

    /// Whether anybody may sign in under any name: when asked for, or when only this machine can
    /// reach the page and this server signs at all.
    pub fn gives_dev_tokens(&self, asked: Option<bool>, listening: SocketAddr) -> bool {
        let auth = &self.auth;
        let signs = !self.auth.names_a_key()
            || !auth.hs256_secret.is_empty()
            || auth.hs256_secret_file.is_some();
        asked.unwrap_or(auth.dev_tokens || (signs && listening.ip().is_loopback()))
    }
}

#[cfg(test)]
mod tests;
