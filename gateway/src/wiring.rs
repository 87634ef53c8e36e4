//! Makes a gateway of its folders: each is given the handles that it needs and no others. Nothing runs yet.
//!
//! Must not decide anything at run time.

mod background;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use platform::grpc::GrpcChannel;
use platform::readiness::{Cause, Readiness};
use platform::shares::Shares;
use platform::shutdown::Shutdown;
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
use proto::common::GatewayRef;
use proto::id::GatewayId;
use proto::presence::presence_client::PresenceClient;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::admission::config::AdmissionConfig;
use crate::admission::fullness::Fullness;
use crate::balance::Balance;
use crate::connections::Registry;
use crate::connections::requests::Requests;
use crate::down::Down;
use crate::down::epoch::Epoch;
use crate::down::heads::HeadsLink;
use crate::down::relief::Relief;
use crate::explain::ask_gateways::AskGateways;
use crate::explain::journal::Journal;
use crate::freeze_detector::FreezeDetector;
use crate::http::{HttpParts, HttpState, Services};
use crate::identity::Access;
use crate::identity::revocations::Revocations;
use crate::identity::revocations::notes::Notes;
use crate::limits::LimitsConfig;
use crate::memory::Budgets;
use crate::metrics::GatewayMetrics;
use crate::moments::ConnectionMoments;
use crate::net::inflow::MessageBounds;
use crate::operations::{OperationParts, Operations};
use crate::presence::{self, PresenceLink};
use crate::rates::Rates;
use crate::rest::{RestContext, RestParts};
use crate::session::quality::NetworkConfig;
use crate::session::unacknowledged::Patience;
use crate::session::{SessionContext, SessionParts};
use crate::tenants::Tenants;
use crate::up::Up;
use crate::up::load_limit::LoadLimit;
use crate::up::notice_cursors::NoticeCursors;
use crate::up::uplink::Uplink;
use crate::{Adapters, Settings};
pub(super) use background::Background;

/// Largest message over gRPC: a page of the longest texts, a snapshot of all connections.
const MAX_MESSAGE_BYTES: usize = 32 << 20;

/// What both the handlers of clients and the tasks in the background are made of.
struct Common {
    gateway_id: GatewayId,
    /// From when moments that connections share are counted.
    began: Instant,
    bus: Arc<dyn Bus>,
    chat: ChatClient<GrpcChannel>,
    presence: PresenceClient<GrpcChannel>,
    revocation_list: RevocationsClient<GrpcChannel>,
    notices: NoticesClient<GrpcChannel>,
    /// The incarnation that pushes are addressed to; none while there is no queue.
    gateway: Arc<watch::Sender<Option<GatewayRef>>>,
    registry: Arc<Registry>,
    requests: Arc<Requests>,
    journal: Arc<Journal>,
    access: Arc<Access>,
    admission: Arc<Admission>,
    budgets: Budgets,
    down: Down,
    balance: Arc<Balance>,
    freeze: Arc<FreezeDetector>,
    /// The tasks of sockets.
    sockets: TaskTracker,
    limits: Arc<LimitsConfig>,
    metrics: GatewayMetrics,
    readiness: Readiness,
    shutdown: Shutdown,
}

/// What answers clients, and what runs beside it.
pub(super) fn wire(
    settings: Settings,
    adapters: Adapters,
    shutdown: Shutdown,
) -> (HttpState, Background) {
    let metrics = GatewayMetrics::new(&adapters.metrics);
    let limits = Arc::new(settings.limits.clone());
    let partitions = adapters.bus.partitions();
    let held = metrics.held("uplink", limits.memory.uplink_bytes);
    let (uplink, frames) = Uplink::new(partitions, &limits, held.clone());
    let load_limit = LoadLimit::new(&limits, partitions, metrics.unanswered_limit.clone());
    let cursors = Arc::new(NoticeCursors::new(limits.notice_cursors));
    let up = Up::new(uplink, load_limit, Arc::clone(&cursors), limits.reported_profiles);
    let (presence, arrivals) = PresenceLink::new();
    let (heads, asks) = HeadsLink::new();
    let (notes, noted) = Notes::new(settings.admission.noted_tokens);
    let common = Common::new(&settings, &adapters, (heads, notes), (limits, metrics), shutdown);
    let gateway_id = common.gateway_id.to_string();
    let (moments, told) = ConnectionMoments::new(&settings.events, gateway_id, &adapters.metrics);
    let entrances = background::Entrances { frames, held, arrivals, asks, noted, cursors, told };
    let background = background::of(&common, entrances, &adapters);
    let operations = operations(&common, &adapters, up.clone());
    let from_clients = (operations.clone(), up.clone(), presence);
    let sessions = sessions(&common, &adapters, from_clients, (moments, settings.network));
    let gateways = AskGateways {
        bus: Arc::clone(&common.bus),
        gateway: common.gateway.subscribe(),
        requests: Arc::clone(&common.requests),
        uplink: up.uplink,
        presence: common.presence.clone(),
    };
    let state = HttpState::new(HttpParts {
        gateway_id: common.gateway_id.to_string(),
        began: common.began,
        rest: rest(&common),
        services: services(&common, &adapters),
        messages: MessageBounds::new(&common.limits, common.budgets.messages.clone()),
        access: common.access,
        admission: common.admission,
        operations,
        sessions,
        gateways,
        registry: common.registry,
        login: settings.login,
        dev_signers: adapters.dev_signers,
        dev_tokens_for_all: settings.dev_tokens_for_all,
        sockets: common.sockets,
        limits: common.limits,
        metrics: common.metrics,
        tracer: adapters.tracer,
        readiness: common.readiness,
        shutdown: common.shutdown,
    });
    (state, background)
}

impl Common {
    fn new(
        settings: &Settings,
        adapters: &Adapters,
        (heads, notes): (HeadsLink, Notes),
        (limits, metrics): (Arc<LimitsConfig>, GatewayMetrics),
        shutdown: Shutdown,
    ) -> Self {
        let registry = Arc::new(Registry::default());
        let outbox_bytes = limits.memory.outbox_bytes;
        let relief = Relief::new(outbox_bytes, Arc::clone(&registry), metrics.clone());
        metrics.outbox_limit.set(outbox_bytes as i64);
        let most = connections_of(&settings.admission, limits.connections, settings.files);
        let requests = Requests::new(Arc::clone(&registry), limits.unanswered.max(1));
        let admission =
            Admission::new(settings.admission.clone(), limits.connections, settings.files);
        let balance = Balance::new(
            settings.gateway_id.to_string(),
            (settings.rebalance.clone(), settings.servers.clone()),
            presence::heartbeat(&limits),
            metrics.clone(),
        );
        let chat = ChatClient::new(adapters.chat.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let access = access(settings, adapters, (&registry, notes), (&chat, &metrics));
        Self {
            gateway_id: settings.gateway_id.clone(),
            began: Instant::now(),
            bus: Arc::clone(&adapters.bus),
            chat,
            presence: PresenceClient::new(adapters.presence.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            revocation_list: RevocationsClient::new(adapters.chat.clone()),
            notices: NoticesClient::new(adapters.chat.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            gateway: Arc::new(watch::Sender::new(None)),
            registry,
            requests: Arc::new(requests),
            journal: Arc::new(Journal::new(limits.journal_writes)),
            access: Arc::new(access),
            admission: Arc::new(admission),
            budgets: Budgets::new(&limits.memory, &metrics),
            down: Down {
                heads,
                epoch: Arc::new(Epoch::default()),
                notices: Arc::default(),
                relief: Arc::new(relief),
            },
            balance: Arc::new(balance),
            freeze: freeze_detector(&adapters.readiness, &metrics, limits.frozen_ms, most),
            sockets: TaskTracker::new(),
            limits,
            metrics,
            readiness: adapters.readiness.clone(),
            shutdown,
        }
    }
}

fn access(
    settings: &Settings,
    adapters: &Adapters,
    (registry, notes): (&Arc<Registry>, Notes),
    (chat, metrics): (&ChatClient<GrpcChannel>, &GatewayMetrics),
) -> Access {
    let origins = settings.allowed_origins.clone();
    Access {
        verifier: Arc::clone(&adapters.verifier),
        leeway_secs: settings.leeway_secs,
        tenants: Tenants::new(&settings.tenants, origins, &adapters.metrics),
        revocations: Arc::new(Revocations::new(Arc::clone(registry) as _)),
        notes,
        rates: Arc::new(Rates::new(&settings.admission)),
        allow: settings.allow,
        chat: chat.clone(),
        metrics: metrics.clone(),
    }
}

fn sessions(
    common: &Common,
    adapters: &Adapters,
    (operations, up, presence): (Operations, Up, PresenceLink),
    (moments, network): (ConnectionMoments, NetworkConfig),
) -> SessionContext {
    SessionContext::new(SessionParts {
        gateway_id: common.gateway_id.to_string(),
        began: common.began,
        access: Arc::clone(&common.access),
        registry: Arc::clone(&common.registry),
        operations,
        up,
        down: common.down.clone(),
        presence,
        balance: Arc::clone(&common.balance),
        journal: Arc::clone(&common.journal),
        freeze: Arc::clone(&common.freeze),
        chat: common.chat.clone(),
        notices: common.notices.clone(),
        bus: Arc::clone(&common.bus),
        request_memory: common.budgets.requests.clone(),
        network,
        patience: Patience::from(&*common.limits),
        limits: Arc::clone(&common.limits),
        metrics: common.metrics.clone(),
        moments,
        tracer: adapters.tracer.clone(),
        shutdown: common.shutdown.clone(),
    })
}

fn rest(common: &Common) -> RestContext {
    RestContext::new(RestParts {
        access: Arc::clone(&common.access),
        admission: Arc::clone(&common.admission),
        budgets: common.budgets.clone(),
        limits: Arc::clone(&common.limits),
        metrics: common.metrics.clone(),
    })
}

fn operations(common: &Common, adapters: &Adapters, up: Up) -> Operations {
    Operations::new(OperationParts {
        access: Arc::clone(&common.access),
        up,
        requests: Arc::clone(&common.requests),
        posts: Shares::new(common.limits.in_flight),
        chat: common.chat.clone(),
        limits: Arc::clone(&common.limits),
        metrics: common.metrics.clone(),
        tracer: adapters.tracer.clone(),
    })
}

fn services(common: &Common, adapters: &Adapters) -> Services {
    Services {
        bus: Arc::clone(&common.bus),
        chat: common.chat.clone(),
        dead_letters: DeadLettersClient::new(adapters.chat.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES),
        audit: AuditClient::new(adapters.chat.clone()),
        events: EventsClient::new(adapters.chat.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES),
        followers: FollowersClient::new(adapters.chat.clone()),
        notices: common.notices.clone(),
        overview: OverviewClient::new(adapters.chat.clone()),
        push_devices: PushDevicesClient::new(adapters.chat.clone()),
        revocations: common.revocation_list.clone(),
        webhooks: WebhooksClient::new(adapters.chat.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES),
        presence: common.presence.clone(),
    }
}

/// Most connections, by the limit and by the files that the process may open.
fn connections_of(admission: &AdmissionConfig, connections: usize, files: Option<u64>) -> usize {
    let by_files = admission.connections_by_files(files);
    if by_files < connections {
        tracing::warn!(
            connections,
            by_files,
            files,
            "the file limit of this process is below limits.connections: raise it (ulimit -n)"
        );
    }
    connections.min(by_files)
}

/// Notices that this process stood still. Load balancers send no further clients meanwhile, nor while there are
/// `most` connections, or were and not enough of them have gone.
fn freeze_detector(
    readiness: &Readiness,
    metrics: &GatewayMetrics,
    frozen_ms: u64,
    most: usize,
) -> Arc<FreezeDetector> {
    readiness.count_connections(metrics.connections.clone());
    metrics.connections_limit.set(i64::try_from(most).unwrap_or(i64::MAX));
    let (open, fullness) = (metrics.connections.clone(), Fullness::of(most));
    let is_full = move || fullness.with(usize::try_from(open.get()).unwrap_or_default());
    readiness.serves_unless(Cause::Full, is_full);
    let detector = Arc::new(FreezeDetector::new(Duration::from_millis(frozen_ms), metrics.clone()));
    let watched = Arc::clone(&detector);
    readiness.serves_unless(Cause::Frozen, move || !watched.is_fit());
    detector
}
