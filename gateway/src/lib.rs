//! The stateless edge: sockets, REST, and the chat page.
//!
//! Frames go up over the bus, pushes come down through this gateway's own queue, questions go to the
//! services over gRPC. It keeps nothing that its clients and the store cannot rebuild.

mod accept;
mod admission;
mod allow;
mod api;
mod ask;
mod balance;
mod broadcast;
mod channels;
pub mod config;
mod connection;
mod credential;
mod doubts;
mod downlink;
pub mod dropped;
#[cfg(feature = "echo")]
pub mod echo;
mod epoch;
mod events;
mod figures;
mod frame;
mod fullness;
mod heads;
mod inquiry;
mod journal;
mod line;
mod login;
mod memory;
pub mod metrics;
mod outbox;
mod own_status;
mod pages;
pub mod planted;
#[cfg(feature = "cluster")]
pub mod prepared;
mod presence_link;
mod pulse;
mod rate_link;
mod rates;
mod registry;
mod relief;
mod revocations;
mod rival;
mod shared;
mod socket;
pub mod tenants;
mod transport;
mod unanswered;
mod uplink;
mod watches;
mod wiring;
mod writers;

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use platform::grpc::GrpcChannel;
use platform::metrics::Metrics;
use platform::readiness::{Cause, Dependency, Readiness};
use platform::shares::Shares;
use platform::shutdown::{Shutdown, Tasks};
use platform::token::Verifier;
use platform::trace::Tracer;
use proto::chat::chat_client::ChatClient;
use proto::chat::dead_letters_client::DeadLettersClient;
use proto::chat::overview_client::OverviewClient;
use proto::chat::revocations_client::RevocationsClient;
use proto::id::GatewayId;
use proto::presence::presence_client::PresenceClient;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::channels::Channels;
use crate::config::LimitsConfig;
use crate::connection::unacknowledged::Patience;
use crate::doubts::Doubts;
use crate::heads::{HeadsAsks, HeadsLink};
use crate::inquiry::{Answerer, InquiryLink};
use crate::journal::Journal;
use crate::memory::Budgets;
use crate::metrics::GatewayMetrics;
use crate::presence_link::{PresenceEvents, PresenceLink};
use crate::rates::Rates;
use crate::registry::Registry;
use crate::relief::Relief;
use crate::revocations::Revocations;
use crate::revocations::notes::Notes;
use crate::shared::{Parts, Shared};
use crate::socket::MessageBounds;
use crate::tenants::{DevSigners, TenantList, Tenants};
use crate::unanswered::Unanswered;
use crate::uplink::{Uplink, UplinkFrames};
use crate::wiring::EndedSessions;

pub use admission::config::AdmissionConfig;
pub use admission::network::Network;
pub use allow::{AllowConfig, Whom};
pub use api::openapi;
pub use balance::config::{EdgeConfig, RebalanceConfig, Servers, ServersError};
pub use connection::quality::NetworkConfig;
pub use login::{Login, LoginConfig, LoginError, OidcToken};

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
    shared: Shared,
    adapters: Adapters,
    gateway_id: GatewayId,
    listener: TcpListener,
    frames: UplinkFrames,
    events: PresenceEvents,
    asks: HeadsAsks,
    ends: EndedSessions,
    broker: Dependency,
    queue: Dependency,
}

/// Largest message over gRPC: a page of the longest texts, a snapshot of all connections.
const MAX_MESSAGE_BYTES: usize = 32 << 20;
/// How long the tasks may take to end after the sockets did.
const JOIN: Duration = Duration::from_secs(10);

/// Wires the gateway. Nothing runs yet.
pub fn build(
    settings: Settings,
    adapters: Adapters,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Gateway {
    let Settings {
        gateway_id,
        allowed_origins,
        tenants,
        dev_tokens_for_all,
        leeway_secs,
        limits,
        admission,
        allow,
        login,
        network,
        rebalance,
        servers,
        files,
    } = settings;
    let partitions = adapters.bus.partitions();
    let (presence_link, events) = PresenceLink::new();
    let (heads, asks) = HeadsLink::new();
    let metrics = GatewayMetrics::new(&adapters.metrics);
    let held = metrics.held("uplink", limits.memory.uplink_bytes);
    let (uplink, frames) = Uplink::new(partitions, &limits, held);
    let most = connections_of(&admission, limits.connections, files);
    let pulse = wiring::pulse(&adapters.readiness, &metrics, limits.frozen_ms, most);
    let unanswered = Unanswered::new(&limits, partitions, metrics.unanswered_limit.clone());
    let registry = Arc::new(Registry::default());
    let revocations = Revocations::new(Arc::clone(&registry));
    let relief = Relief::new(limits.memory.outbox_bytes, Arc::clone(&registry), metrics.clone());
    metrics.outbox_limit.set(limits.memory.outbox_bytes as i64);
    let budgets = Budgets::new(&limits.memory, &metrics);
    let balance = wiring::balance(&gateway_id, rebalance, servers, (&limits, &metrics));
    let (notes, noted) = Notes::new(admission.noted_tokens);
    let shared = Shared::new(Parts {
        began: tokio::time::Instant::now(),
        revocations: Arc::new(revocations),
        notes,
        sessions: RevocationsClient::new(adapters.chat.clone()),
        gateway_id: gateway_id.to_string(),
        tenants: Tenants::new(&tenants, allowed_origins, &adapters.metrics),
        leeway_secs,
        verifier: Arc::clone(&adapters.verifier),
        dev_signers: adapters.dev_signers.clone(),
        dev_tokens_for_all,
        bus: Arc::clone(&adapters.bus),
        registry,
        journal: Arc::new(Journal::new(limits.journal_writes)),
        gateway: Arc::new(watch::Sender::new(None)),
        uplink,
        unanswered: Arc::new(unanswered),
        messages: MessageBounds::new(&limits, budgets.messages.clone()),
        budgets,
        relief: Arc::new(relief),
        posts: Shares::new(limits.in_flight),
        presence_link,
        balance,
        heads,
        epoch: Arc::default(),
        chat: chat_client(&adapters.chat),
        overview: OverviewClient::new(adapters.chat.clone()),
        dead_letters: DeadLettersClient::new(adapters.chat.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES),
        presence: presence_client(&adapters.presence),
        pulse,
        metrics,
        tracer: adapters.tracer.clone(),
        readiness: adapters.readiness.clone(),
        shutdown,
        sockets: TaskTracker::new(),
        profiles: quick_cache::sync::Cache::new(limits.reported_profiles.max(1)),
        patience: Patience::from(&limits),
        network,
        allow,
        login,
        rates: Arc::new(Rates::new(&admission)),
        admission: Admission::new(admission, limits.connections, files),
        limits,
    });
    let broker = adapters.readiness.dependency(Cause::Bus);
    let queue = adapters.readiness.dependency(Cause::AnswerQueue);
    let ends = EndedSessions { noted, heard: adapters.readiness.latch("ended sessions") };
    Gateway { shared, adapters, gateway_id, listener, frames, events, asks, ends, broker, queue }
}

fn chat_client(channel: &GrpcChannel) -> ChatClient<GrpcChannel> {
    ChatClient::new(channel.clone())
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

fn presence_client(channel: &GrpcChannel) -> PresenceClient<GrpcChannel> {
    PresenceClient::new(channel.clone())
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
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

impl Gateway {
    /// Runs until stopping has begun. Then: not ready, no new sockets, the open ones are asked to go
    /// elsewhere, get their answers and in the end 1012; what was taken is published, presence hears who
    /// is gone.
    pub async fn run(self) {
        planted::warn();
        let Self {
            shared,
            adapters,
            gateway_id,
            listener,
            frames,
            events,
            asks,
            ends,
            broker,
            queue,
        } = self;
        let shutdown = shared.shutdown.clone();
        let gateway = shared.gateway.subscribe();
        let (link, inquiries) = InquiryLink::new();
        let edge = Tasks::new();
        // These outlive the sockets and end when all is out.
        let links = Tasks::new();
        let ended = Shutdown::new();
        links.spawn(
            "uplink",
            uplink::run(wiring::uplink_parts(&shared, &adapters, &gateway), frames),
        );
        let broadcasts = wiring::broadcasts(&shared, &adapters, gateway_id.clone(), &ended);
        links.spawn("broadcasts", broadcasts.run());
        let downlink = wiring::downlink(&shared, &adapters, gateway_id, link, &ended);
        links.spawn("downlink", downlink.run(Channels::new(&shared)));
        let registry = Arc::clone(&shared.registry);
        links.spawn("doubts", Doubts::new(registry, gateway.clone(), ended.clone()).run());
        links.spawn("inquiries", Answerer::new(&shared, &ended).run(inquiries));
        links
            .spawn("presence link", wiring::reporter(&shared, gateway.clone(), &ended).run(events));
        links.spawn("mover", wiring::mover(&shared).run());
        links.spawn("tenants", Arc::clone(&shared.tenants).rank(ended.clone()));
        links.spawn("rate link", wiring::rate_link(&shared, &ended).run());
        ends.start(&shared, &links, &ended);
        links.spawn("pulse", Arc::clone(&shared.pulse).run(ended.clone()));
        let epoch = Arc::clone(&shared.epoch).learn(shared.chat.clone(), shutdown.clone());
        links.spawn("epoch", epoch);
        links.spawn("heads", wiring::teller(&shared, &ended).run(asks));
        links.spawn(
            "broker watch",
            watches::bus(Arc::clone(&adapters.bus), broker, shutdown.clone()),
        );
        links.spawn("queue watch", watches::queue(gateway.clone(), queue, shutdown.clone()));
        // Within one process it is there whenever this is.
        if let Some(serving) = adapters.chat.serving() {
            let chat = shared.readiness.dependency(Cause::ChatService);
            links.spawn("chat watch", watches::service(serving, chat, shutdown.clone()));
        }
        edge.spawn("accept", accept::run(shared.clone(), listener, edge.clone()));

        shutdown.begun().await;
        shared.readiness.set_draining();
        shared.sockets.close();
        tracing::info!(sockets = shared.sockets.len(), "leaving");
        shared.registry.nudge();
        tokio::select! {
            () = shared.sockets.wait() => {}
            () = shutdown.forced() => {
                tracing::warn!(sockets = shared.sockets.len(), "sockets cut off");
                shared.registry.nudge();
            }
        }
        if let Err(late) = edge.join(JOIN).await {
            tracing::warn!(?late, "requests cut off");
        }
        // The last handles on the uplink's and the link's entrances: both finish what they hold.
        drop(shared);
        let finish = tokio::time::timeout(JOIN, async {
            while links.is_running("uplink") || links.is_running("presence link") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        if finish.await.is_err() {
            tracing::warn!("not everything went out");
        }
        ended.force();
        if let Err(late) = links.join(JOIN).await {
            tracing::warn!(?late, "links did not end");
        }
    }
}
