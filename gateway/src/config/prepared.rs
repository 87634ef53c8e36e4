//! What the binary `gateway` makes of its configuration before it takes a port or connects to anything: the whole
//! of `check-config`, and the beginning of every start.

use std::sync::Arc;

use platform::backend::Backend;
use platform::config::Mistakes;
use platform::grpc::PreparedClient;
use platform::listen;
use platform::monitor::PreparedMonitor;
use platform::telemetry::PreparedTelemetry;
use platform::token::{Signer, Verifier};
use proto::id::{GatewayId, TenantId};

use super::GatewayConfig;
use crate::balance::config::Servers;
use crate::identity::login::Login;
use crate::tenants::{DevSigners, TenantConfig, TenantList};

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
    /// The tenants besides the one of the section `auth`.
    pub tenants: TenantList,
    /// Makes development tokens, of the tenants where they are on.
    pub dev_signers: DevSigners,
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
        mistakes.keep(config.events.check());
        let gateway_id = mistakes.keep(config.gateway_id());
        let tenants = mistakes.keep_all(TenantList::new(&config.tenants));
        let keys = TenantConfig::keys(&config.tenants);
        let verifier = mistakes.keep_all(Verifier::prepare(&config.auth, &keys));
        let signer = config.auth.dev_tokens.then(|| Signer::from_config(&config.auth)).transpose();
        let signer = mistakes.keep(signer);
        let signers = tenants.as_ref().map(TenantList::dev_signers).transpose();
        let signers = mistakes.keep_all(signers).flatten();
        let dev_signers = signer.zip(signers).map(|(signer, mut signers)| {
            if let Some(signer) = signer {
                signers.add(TenantId::DEFAULT, Arc::new(signer));
            }
            signers
        });
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
            tenants: tenants?,
            dev_signers: dev_signers?,
            telemetry: telemetry?,
            monitor: monitor?,
            config,
        })
    }
}
