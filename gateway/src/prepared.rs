//! What the binary `gateway` makes of its configuration before it takes a port or connects to anything: the whole
//! of `check-config`, and the beginning of every start.

use platform::config::Mistakes;
use platform::grpc::PreparedClient;
use platform::listen;
use platform::monitor::PreparedMonitor;
use platform::reload::backend::Backend;
use platform::telemetry::PreparedTelemetry;
use platform::token::{Signer, Verifier};
use proto::id::GatewayId;

use crate::balance::config::Servers;
use crate::config::GatewayConfig;
use crate::login::Login;

/// A configuration without mistakes, and what is made of it.
#[derive(Debug)]
pub struct Prepared {
    /// The rest of it.
    pub config: GatewayConfig,
    /// Names the gateway.
    pub gateway_id: GatewayId,
    /// Where the broker is.
    pub amqp: Backend,
    /// Where the chat service is.
    pub chat: PreparedClient,
    /// Where the presence service is.
    pub presence: PreparedClient,
    /// How users of the chat page sign in.
    pub login: Login,
    /// Where clients reach each gateway by itself.
    pub servers: Servers,
    /// Checks tokens.
    pub verifier: Verifier,
    /// Makes development tokens; none where they are off.
    pub dev_signer: Option<Signer>,
    /// Logs and traces.
    pub telemetry: PreparedTelemetry,
    /// What the process says of itself.
    pub monitor: PreparedMonitor,
}

impl Prepared {
    /// Finds every mistake. Call it inside the runtime.
    pub fn of(config: GatewayConfig, mistakes: &mut Mistakes) -> Option<Self> {
        mistakes.keep(listen::check("listen", &config.listen));
        mistakes.keep(listen::check("management_listen", &config.management_listen));
        let amqp = mistakes.keep_all(Backend::open(
            "amqp",
            &config.amqp.url,
            config.amqp.url_file.as_deref(),
            config.amqp.ca_file.as_deref(),
            config.amqp.url_check(),
        ));
        let chat = mistakes.keep_all(config.chat_grpc.prepare("chat_grpc"));
        let presence = mistakes.keep_all(config.presence_grpc.prepare("presence_grpc"));
        let login = mistakes.keep(Login::new(&config.login));
        let servers = mistakes.keep(Servers::new(&config.edge));
        let gateway_id = mistakes.keep(config.gateway_id());
        let verifier = mistakes.keep_all(Verifier::prepare(&config.auth));
        let signer = config.auth.dev_tokens.then(|| Signer::from_config(&config.auth)).transpose();
        let dev_signer = mistakes.keep(signer);
        let telemetry = mistakes.keep_all(config.telemetry.prepare());
        let monitor = mistakes.keep_all(config.monitor.prepare());
        Some(Self {
            gateway_id: gateway_id?,
            amqp: amqp?,
            chat: chat?,
            presence: presence?,
            login: login?,
            servers: servers?,
            verifier: verifier?,
            dev_signer: dev_signer?,
            telemetry: telemetry?,
            monitor: monitor?,
            config,
        })
    }
}
