//! What the binary `presence-service` makes of its configuration before it takes a port or connects to anything: the
//! whole of `check-config`, and the beginning of every start.

use platform::backend::Backend;
use platform::config::Mistakes;
use platform::grpc::{PreparedClient, PreparedServerTls};
use platform::listen;
use platform::monitor::PreparedMonitor;
use platform::telemetry::PreparedTelemetry;

use crate::config::PresenceConfig;

/// A configuration without mistakes, and what is made of it.
#[derive(Debug)]
pub struct Prepared {
    /// The rest of it.
    pub config: PresenceConfig,
    /// Where the broker is.
    pub amqp: Backend,
    /// Where Redis is.
    pub redis: Backend,
    /// Whom gRPC takes.
    pub grpc_tls: PreparedServerTls,
    /// Where the chat service is.
    pub chat: PreparedClient,
    /// Logs and traces.
    pub telemetry: PreparedTelemetry,
    /// What the process says of itself.
    pub monitor: PreparedMonitor,
}

impl Prepared {
    /// Finds every mistake. Call it inside the runtime.
    pub fn of(config: PresenceConfig, mistakes: &mut Mistakes) -> Option<Self> {
        mistakes.keep(listen::check("grpc_listen", &config.grpc_listen));
        mistakes.keep(listen::check("management_listen", &config.management_listen));
        mistakes.keep(config.events.check());
        let amqp = mistakes.keep_all(Backend::open(
            "amqp",
            &config.amqp.url,
            config.amqp.url_file.as_deref(),
            config.amqp.ca_file.as_deref(),
            config.amqp.url_check(),
        ));
        let redis = mistakes.keep_all(config.redis.backend());
        let grpc_tls = mistakes.keep_all(config.grpc_tls.prepare());
        let chat = mistakes.keep_all(config.chat_grpc.prepare("chat_grpc"));
        let telemetry = mistakes.keep_all(config.telemetry.prepare());
        let monitor = mistakes.keep_all(config.monitor.prepare());
        Some(Self {
            amqp: amqp?,
            redis: redis?,
            grpc_tls: grpc_tls?,
            chat: chat?,
            telemetry: telemetry?,
            monitor: monitor?,
            config,
        })
    }
}
