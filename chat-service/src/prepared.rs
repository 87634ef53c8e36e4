//! What the binary `chat-service` makes of its configuration before it takes a port or connects to anything: the
//! whole of `check-config`, and the beginning of every start.

use platform::config::Mistakes;
use platform::grpc::{PreparedClient, PreparedServerTls};
use platform::listen;
use platform::telemetry::PreparedTelemetry;

use crate::config::ChatConfig;
use crate::store::postgres::PostgresStore;

/// A configuration without mistakes, and what is made of it.
#[derive(Debug)]
pub struct Prepared {
    /// The rest of it.
    pub config: ChatConfig,
    /// Pools that have not connected yet.
    pub store: PostgresStore,
    /// Whom gRPC takes.
    pub grpc_tls: PreparedServerTls,
    /// Where the presence service is.
    pub presence: PreparedClient,
    /// Logs and traces.
    pub telemetry: PreparedTelemetry,
}

impl Prepared {
    /// Finds every mistake. Call it inside the runtime.
    pub fn of(mut config: ChatConfig, mistakes: &mut Mistakes) -> Option<Self> {
        mistakes.keep(listen::check("grpc_listen", &config.grpc_listen));
        mistakes.keep(listen::check("management_listen", &config.management_listen));
        mistakes.keep(config.amqp.prepare());
        let store = mistakes.keep(config.database.prepare());
        let grpc_tls = mistakes.keep_all(config.grpc_tls.prepare());
        let presence = mistakes.keep_all(config.presence_grpc.prepare("presence_grpc"));
        let telemetry = mistakes.keep_all(config.telemetry.prepare());
        Some(Self {
            store: store?,
            grpc_tls: grpc_tls?,
            presence: presence?,
            telemetry: telemetry?,
            config,
        })
    }
}
