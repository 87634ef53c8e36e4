//! The configuration of the gateway.

use std::path::PathBuf;

use bus::rabbitmq::RabbitConfig;
use platform::grpc::GrpcClientConfig;
use platform::secret::Secret;
use platform::telemetry::TelemetryConfig;
use platform::token;
use serde::{Deserialize, Serialize};

/// What the variables of this binary begin with.
pub const ENV_PREFIX: &str = "TIDINGS_GATEWAY__";

/// Everything the binary `gateway` reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Names this gateway, stable over its restarts and different from the others'.
    pub gateway_id: String,
    /// Where sockets, REST and the pages listen.
    pub listen: String,
    /// Where health and metrics listen.
    pub management_listen: String,
    /// How long a stop may take before it is forced, in milliseconds.
    pub stop_grace_ms: u64,
    /// Who may connect.
    pub auth: AuthConfig,
    /// Sockets and REST.
    pub limits: LimitsConfig,
    /// The broker.
    pub amqp: RabbitConfig,
    /// Where the chat service is.
    pub chat_grpc: GrpcClientConfig,
    /// Where the presence service is.
    pub presence_grpc: GrpcClientConfig,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        let grpc = |url: &str| GrpcClientConfig {
            urls: vec![url.to_owned()],
            ..GrpcClientConfig::default()
        };
        Self {
            gateway_id: "gateway-1".to_owned(),
            listen: "127.0.0.1:8080".to_owned(),
            management_listen: "127.0.0.1:9090".to_owned(),
            stop_grace_ms: 20_000,
            auth: AuthConfig::default(),
            limits: LimitsConfig::default(),
            amqp: RabbitConfig::default(),
            chat_grpc: grpc("http://127.0.0.1:7001"),
            presence_grpc: grpc("http://127.0.0.1:7002"),
            telemetry: TelemetryConfig::default(),
        }
    }
}

/// Who may connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Shared secret for HS256; at least 16 bytes.
    pub hs256_secret: Secret,
    /// File with the shared secret; spaces around it are ignored.
    pub hs256_secret_file: Option<PathBuf>,
    /// File with a PEM public key: Ed25519 (EdDSA), P-256 (ES256) or RSA (RS256).
    pub public_key_file: Option<PathBuf>,
    /// File with a JSON Web Key Set; a token's `kid` must match one of its keys exactly.
    pub jwks_file: Option<PathBuf>,
    /// Tokens must name this audience, when set.
    pub audience: Option<String>,
    /// Tokens must name this issuer, when set.
    pub issuer: Option<String>,
    /// How far clocks may differ, in seconds.
    pub leeway_secs: u64,
    /// Anybody gets a token for any name over `POST /api/v1/dev/token`. For trying out only.
    pub dev_tokens: bool,
    /// Web pages of these origins may open sockets, besides those of the same host.
    pub allowed_origins: Vec<String>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        let token::AuthConfig {
            hs256_secret,
            hs256_secret_file,
            public_key_file,
            jwks_file,
            audience,
            issuer,
            leeway_secs,
        } = token::AuthConfig::default();
        Self {
            hs256_secret,
            hs256_secret_file,
            public_key_file,
            jwks_file,
            audience,
            issuer,
            leeway_secs,
            dev_tokens: false,
            allowed_origins: Vec::new(),
        }
    }
}

impl AuthConfig {
    /// The part that verifying needs.
    pub fn verification(&self) -> token::AuthConfig {
        token::AuthConfig {
            hs256_secret: self.hs256_secret.clone(),
            hs256_secret_file: self.hs256_secret_file.clone(),
            public_key_file: self.public_key_file.clone(),
            jwks_file: self.jwks_file.clone(),
            audience: self.audience.clone(),
            issuer: self.issuer.clone(),
            leeway_secs: self.leeway_secs,
        }
    }
}

/// Bounds of sockets, of REST and of what lies between them and the bus.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Connections of this gateway; further ones are refused.
    pub connections: usize,
    /// Largest client frame, in bytes.
    pub frame_bytes: usize,
    /// Requests of one connection that may await their answer.
    pub in_flight: usize,
    /// How long an answer may take before the client is told that the outcome is unknown, in
    /// milliseconds.
    pub answer_timeout_ms: u64,
    /// How often a connection is pinged, in milliseconds.
    pub heartbeat_ms: u64,
    /// Heartbeats without a sign of life that end a connection.
    pub heartbeat_misses: u32,
    /// How long a connection may stay without a token, in milliseconds.
    pub auth_timeout_ms: u64,
    /// How long a registration with presence may take, in milliseconds.
    pub register_timeout_ms: u64,
    /// How long a write to a socket may take, in milliseconds.
    pub write_timeout_ms: u64,
    /// Frames waiting for one socket; then typing and presence are dropped, then it is closed (4009).
    pub outbox_frames: usize,
    /// Bytes waiting for one socket, likewise.
    pub outbox_bytes: usize,
    /// Frames waiting for the bus; then senders are told to come again.
    pub uplink_frames: usize,
    /// Publishes awaiting their confirm; what comes meanwhile is the next batch.
    pub uplink_window: usize,
    /// Frames of one publish.
    pub uplink_batch_frames: usize,
    /// Batches of pushes taken from the bus and not handed out yet.
    pub downlink_prefetch: u16,
    /// How often presence hears of this gateway, in milliseconds.
    pub presence_heartbeat_ms: u64,
    /// What senders are told to wait when a part of the system is away, in milliseconds.
    pub retry_after_ms: u64,
    /// How long a request over REST may take, in milliseconds.
    pub request_timeout_ms: u64,
    /// Users whose name was reported lately and is not reported again.
    pub reported_profiles: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections: 100_000,
            frame_bytes: 1 << 20,
            in_flight: 32,
            answer_timeout_ms: 10_000,
            heartbeat_ms: 30_000,
            heartbeat_misses: 3,
            auth_timeout_ms: 5_000,
            register_timeout_ms: 5_000,
            write_timeout_ms: 10_000,
            outbox_frames: 4_096,
            outbox_bytes: 4 << 20,
            uplink_frames: 20_000,
            uplink_window: 4,
            uplink_batch_frames: 512,
            downlink_prefetch: 64,
            presence_heartbeat_ms: 3_000,
            retry_after_ms: 1_000,
            request_timeout_ms: 15_000,
            reported_profiles: 100_000,
        }
    }
}
