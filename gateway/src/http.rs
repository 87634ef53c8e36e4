//! The public port: the accept loop, and the routes to sockets, event streams, REST and pages.
//!
//! Must not decide what operations and services decide: it reads requests, hands them on and writes answers.

pub(crate) mod accept;
pub(crate) mod answers;
pub(crate) mod api;
mod cors;
mod health;
mod pages;
mod refuse;
mod sse;
pub(crate) mod upgrade;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware;
use axum::routing::{get, post};
use bus::Bus;
use platform::grpc::GrpcChannel;
use platform::readiness::Readiness;
use platform::shutdown::Shutdown;
use platform::trace::Tracer;
use proto::chat::audit_client::AuditClient;
use proto::chat::chat_client::ChatClient;
use proto::chat::dead_letters_client::DeadLettersClient;
use proto::chat::events_client::EventsClient;
use proto::chat::followers_client::FollowersClient;
use proto::chat::notices_client::NoticesClient;
use proto::chat::overview_client::OverviewClient;
use proto::chat::push_devices_client::PushDevicesClient;
use proto::chat::revocations_client::RevocationsClient;
use proto::chat::webhooks_client::WebhooksClient;
use proto::presence::presence_client::PresenceClient;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::connections::Registry;
use crate::explain::ask_gateways::AskGateways;
use crate::identity::Access;
use crate::identity::login::Login;
use crate::limits::LimitsConfig;
use crate::metrics::GatewayMetrics;
use crate::net::inflow::MessageBounds;
use crate::operations::Operations;
use crate::rest::RestContext;
use crate::session::SessionContext;
use crate::tenants::DevSigners;

/// The services that questions go to, and the bus.
pub(crate) struct Services {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) chat: ChatClient<GrpcChannel>,
    pub(crate) dead_letters: DeadLettersClient<GrpcChannel>,
    pub(crate) audit: AuditClient<GrpcChannel>,
    pub(crate) events: EventsClient<GrpcChannel>,
    pub(crate) followers: FollowersClient<GrpcChannel>,
    pub(crate) notices: NoticesClient<GrpcChannel>,
    pub(crate) overview: OverviewClient<GrpcChannel>,
    pub(crate) push_devices: PushDevicesClient<GrpcChannel>,
    pub(crate) revocations: RevocationsClient<GrpcChannel>,
    pub(crate) webhooks: WebhooksClient<GrpcChannel>,
    pub(crate) presence: PresenceClient<GrpcChannel>,
}

/// What the handlers of all routes are given; cheap to hand on.
#[derive(Clone)]
pub(crate) struct HttpState(Arc<HttpParts>);

/// See [`HttpState`].
pub(crate) struct HttpParts {
    pub(crate) gateway_id: String,
    /// From when the time that this process has run is counted.
    pub(crate) began: tokio::time::Instant,
    pub(crate) access: Arc<Access>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) rest: RestContext,
    pub(crate) operations: Operations,
    pub(crate) sessions: SessionContext,
    pub(crate) services: Services,
    pub(crate) gateways: AskGateways,
    pub(crate) registry: Arc<Registry>,
    pub(crate) login: Login,
    pub(crate) dev_signers: DevSigners,
    /// Those of the tenant `default`; else they are for programs of this machine. What tenants have is for everybody.
    pub(crate) dev_tokens_for_all: bool,
    /// What messages of sockets may take.
    pub(crate) messages: Arc<MessageBounds>,
    /// The tasks of sockets, which the HTTP library would leave to themselves.
    pub(crate) sockets: TaskTracker,
    pub(crate) limits: Arc<LimitsConfig>,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) tracer: Tracer,
    pub(crate) readiness: Readiness,
    pub(crate) shutdown: Shutdown,
}

impl HttpState {
    pub(crate) fn new(parts: HttpParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for HttpState {
    type Target = HttpParts;

    fn deref(&self) -> &HttpParts {
        &self.0
    }
}

impl FromRef<HttpState> for RestContext {
    fn from_ref(state: &HttpState) -> Self {
        state.rest.clone()
    }
}

impl FromRef<HttpState> for Operations {
    fn from_ref(state: &HttpState) -> Self {
        state.operations.clone()
    }
}

/// All routes of the public port.
fn routes(state: HttpState) -> Router {
    Router::new()
        .route("/ws", get(upgrade::upgrade))
        .route("/ws/{conversation_id}", get(upgrade::upgrade_joined))
        .route("/sse", get(sse::open))
        .route("/sse/{connection_id}", post(sse::post))
        .route("/health", get(health::show))
        .with_state(state.clone())
        .merge(api::router(state.clone()))
        .fallback_service(axum::handler::Handler::with_state(pages::serve, state.clone()))
        .layer(middleware::from_fn_with_state(state.clone(), cors::allow))
        .layer(middleware::from_fn_with_state(state, answers::complete))
}
