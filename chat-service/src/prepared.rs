//! What the binary `chat-service` makes of its configuration before it takes a port or connects to anything: the
//! whole of `check-config`, and the beginning of every start.

use platform::address::Address;
use platform::backend::Backend;
use platform::config::Mistakes;
use platform::grpc::{PreparedClient, PreparedServerTls};
use platform::listen;
use platform::monitor::PreparedMonitor;
use platform::telemetry::PreparedTelemetry;

use crate::process_config::ChatConfig;
use crate::push::PreparedPush;

/// A configuration without mistakes, and what is made of it.
#[derive(Debug)]
pub struct Prepared {
    /// The rest of it.
    pub config: ChatConfig,
    /// Where the broker is.
    pub amqp: Backend,
    /// Where the database is.
    pub database: Address,
    /// Whom gRPC takes.
    pub grpc_tls: PreparedServerTls,
    /// Where the presence service is.
    pub presence: PreparedClient,
    /// What devices are told that are not connected.
    pub push: PreparedPush,
    /// Logs and traces.
    pub telemetry: PreparedTelemetry,
    /// What the process says of itself.
    pub monitor: PreparedMonitor,
}

impl Prepared {
    /// Finds every mistake. Call it inside the runtime.
    pub fn of(config: ChatConfig, mistakes: &mut Mistakes) -> Option<Self> {
        mistakes.keep(listen::check("grpc_listen", &config.grpc_listen));
        mistakes.keep(listen::check("management_listen", &config.management_listen));
        if config.roles.is_empty() {
            let text = "roles: a process without a role does nothing; name \"partitions\", \"queries\" or \"followers\"";
            mistakes.keep(Err::<(), _>(text));
        }
        mistakes.keep(config.events.patterns());
        mistakes.keep(config.webhooks.check());
        let amqp = mistakes.keep_all(Backend::open(
            "amqp",
            &config.amqp.url,
            config.amqp.url_file.as_deref(),
            config.amqp.ca_file.as_deref(),
            config.amqp.url_check(),
        ));
        let database = mistakes.keep(config.database.address());
        let grpc_tls = mistakes.keep_all(config.grpc_tls.prepare());
        let presence = mistakes.keep_all(config.presence_grpc.prepare("presence_grpc"));
        let push = mistakes.keep_all(config.push.prepare());
        let telemetry = mistakes.keep_all(config.telemetry.prepare());
        let monitor = mistakes.keep_all(config.monitor.prepare());
        Some(Self {
            amqp: amqp?,
            database: database?,
            grpc_tls: grpc_tls?,
            presence: presence?,
            push: push?,
            telemetry: telemetry?,
            monitor: monitor?,
            config,
        })
    }
}
