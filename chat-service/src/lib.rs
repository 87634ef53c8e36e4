//! Conversations, their logs, and the delivery of what was appended.
//!
//! Frames come from the bus by partition, are appended in batches, and are pushed to the gateways
//! that presence names. Questions come over gRPC. Must not know sockets.

#![warn(unreachable_pub)]
#![allow(
    missing_docs,
    reason = "a service is no library: a comment stands where the name does not say it"
)]

mod append;
mod clock;
pub mod config;
pub mod delivery;
pub mod domain;
mod encode;
mod ephemeral;
pub mod events;
pub mod followers;
pub mod metrics;
pub mod notices;
pub mod operations;
mod panics;
pub mod partitions;
mod planted;
#[cfg(feature = "cluster")]
pub mod prepared;
#[cfg(feature = "cluster")]
pub mod process_config;
pub mod push;
pub mod queries;
mod retry;
pub mod store;
mod tallies;
pub mod verify;
pub mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use bus::moments::{MomentQueue, Moments};
use bus::{Bus, BusState};
use platform::grpc::{GrpcChannel, GrpcErrors, Incoming};
use platform::metrics::Metrics;
use platform::readiness::{Cause, Dependency, Readiness};
use platform::shutdown::{Shutdown, Tasks};
use platform::trace::Tracer;
use prometheus_client::metrics::counter::Counter;
use proto::chat::audit_server::AuditServer;
use proto::chat::chat_server::ChatServer;
use proto::chat::chosen_statuses_server::ChosenStatusesServer;
use proto::chat::dead_letters_server::DeadLettersServer;
use proto::chat::events_server::EventsServer;
use proto::chat::followers_server::FollowersServer;
use proto::chat::notices_server::NoticesServer;
use proto::chat::overview_server::OverviewServer;
use proto::chat::push_devices_server::PushDevicesServer;
use proto::chat::revocations_server::RevocationsServer;
use proto::chat::webhooks_server::WebhooksServer;
use tonic::service::Routes;

use crate::config::{MessagesConfig, QueryConfig, RevocationConfig, Role, WorkerConfig};
use crate::delivery::CachedRoutes;
use crate::delivery::locate::{Directory, GrpcDirectory};
use crate::events::{Bounds, EventType, Patterns};
use crate::followers::webhooks::{self as webhook_followers, WebhookParts, WebhookSettings};
use crate::followers::{
    Counts, EventConfig, EventFollower, EventSink, Follower, FollowerConfig, FollowerMetrics,
    FollowerParts, Following, LogSink, Sinks,
};
use crate::metrics::ChatMetrics;
use crate::notices::{NoticeConfig, NoticeMetrics, NoticeParts};
use crate::partitions::balance::Balance;
use crate::partitions::depth::Depths;
use crate::partitions::{WorkerAdapters, WorkerParts, watches};
use crate::push::{OfflinePush, PreparedPush, PushFollower, PushMetrics, PushView};
use crate::queries::ChatQueries;
use crate::queries::audit::AuditDesk;
use crate::queries::chosen::ChosenDesk;
use crate::queries::dead_letters::DeadLetterDesk;
use crate::queries::events::EventDesk;
use crate::queries::followers::FollowerDesk;
use crate::queries::notices::NoticeDesk;
use crate::queries::overview::OverviewDesk;
use crate::queries::push_devices::PushDesk;
use crate::queries::revocations::RevocationDesk;
use crate::queries::webhooks::WebhookDesk;
use crate::store::ChatStore;
use crate::tallies::TallyParts;

/// What the service works with; `main` and the all-in-one binary fill it differently.
pub struct Adapters {
    /// Where frames come from and pushes go.
    pub bus: Arc<dyn Bus>,
    /// Where the log is.
    pub store: Arc<dyn ChatStore>,
    /// To the presence service.
    pub presence: GrpcChannel,
    pub metrics: Metrics,
    pub readiness: Readiness,
    /// Makes message spans.
    pub tracer: Tracer,
    /// The process before this one ended without saying so, and its bus with it.
    pub after_unclean_end: bool,
    /// What the process does.
    pub roles: Vec<Role>,
    /// What happens with entries after their commit.
    pub followers: FollowerConfig,
    /// Which events are published.
    pub events: EventConfig,
    /// Subscribers within the process.
    pub sinks: Vec<Arc<dyn EventSink>>,
    /// Deliveries to receivers of webhooks.
    pub webhooks: WebhookSettings,
    /// What may become of messages.
    pub messages: MessagesConfig,
    /// What devices are told that are not connected.
    pub push: PreparedPush,
    /// Notices of operators.
    pub notices: NoticeConfig,
}

/// The service, ready to run.
pub struct ChatService {
    roles: Vec<Role>,
    parts: WorkerParts,
    followers: FollowerParts,
    events: EventConfig,
    sinks: Vec<Arc<dyn EventSink>>,
    types: Patterns,
    moments: Moments,
    told: MomentQueue,
    /// None where the system has no TLS to ask receivers with.
    webhooks: Option<WebhookParts>,
    push: Arc<PreparedPush>,
    offline: Option<OfflinePush>,
    push_follower: Option<Arc<PushFollower>>,
    notices: NoticeParts,
    queries: ChatQueries,
    revocations: RevocationConfig,
    broker: Dependency,
    /// Between two conversations whose states are compared with their logs.
    verify_pause: Option<Duration>,
    errors: GrpcErrors,
    readiness: Readiness,
    metrics: Metrics,
}

/// Largest message over gRPC: a page of the longest texts.
const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// How long the tasks may take to end after serving did.
const JOIN: Duration = Duration::from_secs(30);

fn directory(lanes: &WorkerConfig, presence: GrpcChannel) -> Arc<dyn Directory> {
    let timeout = Duration::from_millis(lanes.locate_timeout_ms);
    let directory = GrpcDirectory::new(presence, timeout, lanes.locate_users);
    if planted::CACHED_ROUTE { Arc::new(CachedRoutes::new(directory)) } else { Arc::new(directory) }
}

/// Takes what no log holds, of the types that are wanted.
fn moments(types: &Patterns, metrics: &Metrics) -> (Moments, MomentQueue) {
    let dropped = Counter::<u64>::default();
    metrics.register(|registry| {
        registry.sub_registry_with_prefix("tidings_chat").register(
            "moments_dropped",
            "Events that no log holds and that were dropped, since too many waited for the bus",
            dropped.clone(),
        );
    });
    let wanted = types.moments().map(EventType::as_str).collect();
    Moments::new(wanted, move || {
        dropped.inc();
    })
}

fn patterns(events: &EventConfig) -> Patterns {
    events.patterns().unwrap_or_else(|error| {
        // A start that has checked its configuration does not come here.
        tracing::error!(%error, "no events are published");
        Patterns::default()
    })
}

/// Wires the service. Nothing runs yet.
pub fn build(
    lanes: WorkerConfig,
    queries: QueryConfig,
    revocations: RevocationConfig,
    adapters: Adapters,
) -> ChatService {
    let directory = directory(&lanes, adapters.presence);
    let push = Arc::new(adapters.push);
    let (offline, reads) = OfflinePush::new(
        Arc::clone(&adapters.store),
        Arc::clone(&directory),
        Arc::clone(&push),
        PushMetrics::new(&adapters.metrics),
    );
    let view = PushView::new(Arc::clone(&adapters.store), Arc::clone(&push));
    let types = patterns(&adapters.events);
    let (moments, told) = moments(&types, &adapters.metrics);
    let webhooks = WebhookParts::new(adapters.webhooks, moments.clone());
    ChatService {
        push,
        offline: offline.map(|offline| offline.telling(moments.clone())),
        told,
        push_follower: None,
        types,
        moments: moments.clone(),
        webhooks: webhooks
            .inspect_err(|error| tracing::error!(%error, "no webhook can be asked"))
            .ok(),
        roles: adapters.roles,
        followers: FollowerParts {
            owner: uuid::Uuid::now_v7().to_string(),
            store: Arc::clone(&adapters.store),
            bus: Arc::clone(&adapters.bus),
            metrics: FollowerMetrics::new(&adapters.metrics),
            config: Arc::new(adapters.followers),
        },
        events: adapters.events,
        sinks: adapters.sinks,
        notices: NoticeParts {
            directory: Arc::clone(&directory),
            store: Arc::clone(&adapters.store),
            bus: Arc::clone(&adapters.bus),
            metrics: NoticeMetrics::new(&adapters.metrics),
            config: Arc::new(adapters.notices),
            woken: Arc::default(),
        },
        errors: GrpcErrors::new(&adapters.metrics, "tidings_chat", proto::chat::METHODS),
        queries: ChatQueries::new(Arc::clone(&adapters.store), queries, lanes.receipt_members)
            .with_push(view),
        revocations,
        broker: adapters.readiness.dependency(Cause::Bus),
        verify_pause: Some(Duration::from_millis(adapters.messages.verify_pause_ms))
            .filter(|pause| !pause.is_zero()),
        parts: WorkerParts::telling(
            lanes,
            reads,
            moments,
            WorkerAdapters {
                bus: adapters.bus,
                store: adapters.store,
                directory,
                metrics: ChatMetrics::new(&adapters.metrics),
                tracer: adapters.tracer,
                database: adapters.readiness.dependency(Cause::Database),
                after_unclean_end: adapters.after_unclean_end,
                messages: adapters.messages,
            },
        ),
        readiness: adapters.readiness,
        metrics: adapters.metrics,
    }
}

impl ChatService {
    /// Runs until stopping has begun; then finishes the batches under way, acknowledges and leaves.
    pub async fn run(mut self, incoming: Incoming, shutdown: Shutdown) {
        planted::warn();
        let tasks = Tasks::new();
        if let Some(offline) = self.offline.take() {
            self.push_follower = Some(offline.start(&tasks, &shutdown));
        }
        let (told, bus) = (std::mem::take(&mut self.told), Arc::clone(&self.parts.bus));
        let stopping = shutdown.clone();
        tasks.spawn("moments", async move {
            bus::moments::publish(told, bus, stopping.begun()).await;
        });
        let balance = self.start(&tasks, &shutdown).await;
        let routes =
            if self.has(Role::Queries) { self.routes(balance, &tasks) } else { Routes::default() };
        let routes = self.errors.count(routes);
        if let Err(error) = platform::grpc::serve(routes, incoming, shutdown.clone()).await {
            tracing::error!(%error, "gRPC ended");
            shutdown.begin();
        }
        let joined = tokio::select! {
            joined = tasks.join(JOIN) => joined,
            () = shutdown.forced() => Err(vec!["forced"]),
        };
        if let Err(late) = joined {
            tracing::warn!(
                ?late,
                "not everything has ended; what was not acknowledged comes again"
            );
        }
    }

    fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Starts all that runs beside gRPC.
    async fn start(&self, tasks: &Tasks, shutdown: &Shutdown) -> Balance {
        let (bus, store) = (&self.parts.bus, &self.parts.append.store);
        let mut configured = Vec::new();
        if self.has(Role::Followers) {
            configured = self.configured_followers(tasks, shutdown);
            // A follower may begin late: it waits for an index. What is appended meanwhile is not to be missed.
            let names: Vec<_> = configured.iter().map(|(_, follower)| follower.name()).collect();
            followers::place_all(&self.followers, &names, shutdown).await;
        }
        let balance = if self.has(Role::Partitions) {
            followers::tell(&self.followers, &self.parts.append.commits, tasks, shutdown);
            let catching_up = delivery::catch_up(self.parts.delivery.clone(), shutdown.clone());
            tasks.spawn("missed pushes", catching_up);
            partitions::start(&self.parts, tasks, shutdown)
        } else {
            Balance::new(bus.partitions())
        };
        let depths = Box::new(Depths(balance.clone()));
        self.metrics.register(|registry| registry.register_collector(depths));
        watches::watch(&self.metrics, &self.parts, &balance);
        if self.has(Role::Followers) {
            let following = Following::start(&self.followers, tasks, shutdown);
            for (task, follower) in configured {
                let walk = following.walk(&self.followers, follower);
                tasks.spawn(task, walk.run(shutdown.clone()));
            }
            if let Some(webhooks) = self.webhooks.clone() {
                let (parts, stopping) = (self.followers.clone(), shutdown.clone());
                let running = webhook_followers::run(parts, webhooks, following, stopping);
                tasks.spawn("webhooks", running);
            }
        }
        if self.has(Role::Followers) {
            notices::start(&self.notices, tasks, shutdown);
            let parts = TallyParts {
                store: Arc::clone(store),
                bus: Arc::clone(bus),
                interval: Duration::from_millis(self.parts.append.messages.tally_ms),
            };
            tasks.spawn("tallies", tallies::run(parts, shutdown.clone()));
        }
        let watching = watch_bus(Arc::clone(bus), self.broker.clone(), shutdown.clone());
        tasks.spawn("broker watch", watching);
        let health = Arc::clone(&self.parts.append.health);
        tasks.spawn("database watch", health.watch(Arc::clone(store), shutdown.clone()));
        if let Some(pause) = self.verify_pause {
            let metrics = self.parts.append.metrics.clone();
            let keeping = verify::keep(Arc::clone(store), metrics, pause, shutdown.clone());
            tasks.spawn("verify", keeping);
        }
        tasks.spawn("ended", forget_ended(Arc::clone(store), shutdown.clone()));
        balance
    }

    /// Those that are configured.
    fn configured_followers(
        &self,
        tasks: &Tasks,
        shutdown: &Shutdown,
    ) -> Vec<(&'static str, Arc<dyn Follower>)> {
        let mut followers: Vec<(&'static str, Arc<dyn Follower>)> = Vec::new();
        if self.followers.config.counts {
            followers.push(("follower counts", Arc::new(Counts::default())));
        }
        let types = self.types.clone();
        if types.wants_log() {
            let mut sinks = self.sinks.clone();
            if self.events.log {
                sinks.push(Arc::new(LogSink));
            }
            let (queue, metrics) = (self.events.queue_events, self.followers.metrics.clone());
            let events = EventFollower {
                bus: Arc::clone(&self.parts.bus),
                types,
                bounds: Bounds {
                    events: self.events.batch_events.max(1),
                    bytes: self.events.batch_bytes,
                },
                sinks: Sinks::start(sinks, queue, &metrics, tasks, shutdown),
                metrics,
            };
            followers.push(("follower events", Arc::new(events)));
        }
        if let Some(push) = &self.push_follower {
            followers.push(("follower push", Arc::<PushFollower>::clone(push)));
        }
        followers
    }

    /// What is answered over gRPC.
    fn routes(&self, balance: Balance, tasks: &Tasks) -> Routes {
        let (bus, store) = (&self.parts.bus, &self.parts.append.store);
        let overview = OverviewDesk::new(Arc::clone(bus), balance, self.readiness.clone());
        let revocations = RevocationDesk::new(
            Arc::clone(store),
            Arc::clone(&self.parts.delivery.directory),
            Arc::clone(bus),
            tasks.clone(),
            self.revocations.clone(),
            self.moments.clone(),
        );
        let letters = DeadLetterDesk::new(Arc::clone(store), Arc::clone(bus));
        let letters = DeadLettersServer::new(letters).max_encoding_message_size(MAX_MESSAGE_BYTES);
        let server =
            ChatServer::new(self.queries.clone()).max_encoding_message_size(MAX_MESSAGE_BYTES);
        let mut routes = Routes::new(server);
        if let Some(webhooks) = self.webhooks.clone() {
            let desk = WebhookDesk::new(self.followers.clone(), webhooks);
            let desk = WebhooksServer::new(desk).max_encoding_message_size(MAX_MESSAGE_BYTES);
            routes = routes.add_service(desk);
        }
        routes
            .add_service(letters)
            .add_service(AuditServer::new(AuditDesk::new(Arc::clone(store))))
            .add_service(ChosenStatusesServer::new(ChosenDesk::new(Arc::clone(store))))
            .add_service(RevocationsServer::new(revocations))
            .add_service(OverviewServer::new(overview))
            .add_service(PushDevicesServer::new(PushDesk::new(
                Arc::clone(store),
                Arc::clone(&self.push),
            )))
            .add_service(NoticesServer::new(NoticeDesk::new(
                self.notices.clone(),
                self.push.is_on(),
                tasks.clone(),
            )))
            .add_service(
                EventsServer::new(EventDesk::new(Arc::clone(store)))
                    .max_encoding_message_size(MAX_MESSAGE_BYTES),
            )
            .add_service(FollowersServer::new(FollowerDesk::new(Arc::clone(store))))
    }
}

/// How often rows go whose time is over.
const FORGET_ENDED: Duration = Duration::from_mins(10);

async fn forget_ended(store: Arc<dyn ChatStore>, shutdown: Shutdown) {
    loop {
        // Not inside the select: a database future is never cancelled half-way.
        if let Err(error) = store.forget_ended(clock::now_ms()).await {
            tracing::debug!(%error, "what has ended stays in its table for now");
        }
        tokio::select! {
            () = tokio::time::sleep(FORGET_ENDED) => {}
            () = shutdown.begun() => return,
        }
    }
}

async fn watch_bus(bus: Arc<dyn Bus>, broker: Dependency, shutdown: Shutdown) {
    let mut state = bus.state();
    loop {
        match &*state.borrow_and_update() {
            BusState::Up => broker.up(),
            BusState::Down(reason) => broker.down(reason.clone()),
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            () = shutdown.begun() => return,
        }
    }
}
