//! The stateless edge: sockets, REST, and the chat page.
//!
//! Frames go up over the bus, pushes come down through this gateway's own queue, questions go to the
//! services over gRPC. It keeps nothing that its clients and the store cannot rebuild.

mod admission;
mod balance;
mod clock;
pub mod config;
mod connections;
mod down;
#[cfg(feature = "echo")]
pub mod echo;
mod explain;
mod freeze_detector;
mod http;
mod identity;
mod limits;
mod memory;
pub mod metrics;
mod moments;
mod net;
mod operations;
pub mod planted;
mod presence;
mod rates;
mod rest;
mod session;
pub mod tenants;
mod up;
mod wiring;

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use platform::grpc::GrpcChannel;
use platform::metrics::Metrics;
use platform::readiness::Readiness;
use platform::shutdown::{Shutdown, Tasks};
use platform::token::Verifier;
use platform::trace::Tracer;
use proto::id::GatewayId;
use tokio::net::TcpListener;

use crate::limits::LimitsConfig;
use crate::tenants::{DevSigners, TenantList};

pub use admission::config::AdmissionConfig;
pub use admission::network::Network;
pub use balance::config::{EdgeConfig, RebalanceConfig, Servers, ServersError};
pub use http::api::openapi;
pub use identity::allow::{AllowConfig, Whom};
pub use identity::login::{Login, LoginConfig, LoginError, OidcToken};
pub use moments::EventsConfig;
pub use session::quality::NetworkConfig;

/// What the gateway works with; `main` and the all-in-one binary fill it differently.
pub struct Adapters {
    /// Where frames go and pushes come from.
    pub bus: Arc<dyn Bus>,
    /// To the chat service.
    pub chat: GrpcChannel,
    /// To the presence service.
    pub presence: GrpcChannel,
    /// Checks tokens.
    pub verifier: Arc<Verifier>,
    /// Makes development tokens, of the tenants where they are on.
    pub dev_signers: DevSigners,
    /// The process's registry.
    pub metrics: Metrics,
    /// The process's readiness.
    pub readiness: Readiness,
    /// Makes message spans.
    pub tracer: Tracer,
}

/// What the gateway is told.
#[derive(Debug)]
pub struct Settings {
    /// Names it, stable over its restarts.
    pub gateway_id: GatewayId,
    /// Web pages of these origins may open sockets of the tenant `default`, besides those of the same host.
    pub allowed_origins: Vec<String>,
    /// The other tenants.
    pub tenants: TenantList,
    /// Development tokens of the tenant `default` are for everybody, and not only for programs of this machine.
    pub dev_tokens_for_all: bool,
    /// How far clocks may differ, in seconds: tokens end so much later.
    pub leeway_secs: u64,
    /// Sockets and REST.
    pub limits: LimitsConfig,
    /// Who may come in.
    pub admission: AdmissionConfig,
    /// What users may do to others who do not know them.
    pub allow: AllowConfig,
    /// How users of the chat page sign in.
    pub login: Login,
    /// What other systems are told of connections.
    pub events: EventsConfig,
    /// Clients on weak networks.
    pub network: NetworkConfig,
    /// Moving connections from gateways that have more than their share.
    pub rebalance: RebalanceConfig,
    /// Where clients reach each gateway by itself.
    pub servers: Servers,
    /// Files that this process may open; none when there is no bound.
    pub files: Option<u64>,
}

/// The gateway, ready to run.
pub struct Gateway {
    state: http::HttpState,
    background: wiring::Background,
    listener: TcpListener,
}

/// How long the tasks may take to end after the sockets did.
const JOIN: Duration = Duration::from_secs(10);

/// Wires the gateway. Nothing runs yet.
pub fn build(
    settings: Settings,
    adapters: Adapters,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Gateway {
    let (state, background) = wiring::wire(settings, adapters, shutdown);
    Gateway { state, background, listener }
}

impl Gateway {
    /// Runs until stopping has begun. Then: not ready, no new sockets, the open ones are asked to go
    /// elsewhere, get their answers and in the end 1012; what was taken is published, presence hears who
    /// is gone.
    pub async fn run(self) {
        planted::warn();
        let Self { state, background, listener } = self;
        let shutdown = state.shutdown.clone();
        // These outlive the sockets and end when all is out.
        let links = Tasks::new();
        let (finishing, ended) = background.start(&links);
        let edge = Tasks::new();
        edge.spawn("accept", http::accept::run(state.clone(), listener, edge.clone()));

        shutdown.begun().await;
        state.readiness.set_draining();
        state.sockets.close();
        tracing::info!(sockets = state.sockets.len(), "leaving");
        state.registry.nudge();
        tokio::select! {
            () = state.sockets.wait() => {}
            () = shutdown.forced() => {
                tracing::warn!(sockets = state.sockets.len(), "sockets cut off");
                state.registry.nudge();
            }
        }
        if let Err(late) = edge.join(JOIN).await {
            tracing::warn!(?late, "requests cut off");
        }
        // The last handles on the uplink's and the link's entrances: both finish what they hold.
        drop(state);
        if tokio::time::timeout(JOIN, futures_util::future::join_all(finishing)).await.is_err() {
            tracing::warn!("not everything went out");
        }
        ended.force();
        if let Err(late) = links.join(JOIN).await {
            tracing::warn!(?late, "links did not end");
        }
    }
}
