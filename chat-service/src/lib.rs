//! Conversations, their logs, and the delivery of what was appended.
//!
//! Frames come from the bus by partition, are appended in batches, and are pushed to the gateways
//! that presence names. Questions come over gRPC. Must not know sockets.

mod balance;
pub mod config;
pub mod directory;
pub mod domain;
pub mod followers;
pub mod grpc;
pub mod lane;
pub mod metrics;
mod partition;
pub mod planted;
#[cfg(feature = "cluster")]
pub mod prepared;
pub mod store;
pub mod store_health;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, BusState};
use platform::grpc::{GrpcChannel, GrpcErrors, Incoming};
use platform::metrics::Metrics;
use platform::readiness::{Cause, Dependency, Readiness};
use platform::shutdown::{Shutdown, Tasks};
use platform::trace::Tracer;
use proto::chat::chat_server::ChatServer;
use proto::chat::chosen_statuses_server::ChosenStatusesServer;
use proto::chat::dead_letters_server::DeadLettersServer;
use proto::chat::overview_server::OverviewServer;
use proto::chat::revocations_server::RevocationsServer;
use tonic::service::Routes;

use crate::config::{LaneConfig, QueryConfig, RevocationConfig};
use crate::directory::GrpcDirectory;
use crate::followers::{Commits, FollowerConfig, FollowerMetrics, FollowerParts};
use crate::grpc::ChatQueries;
use crate::grpc::chosen::ChosenDesk;
use crate::grpc::dead_letters::DeadLetterDesk;
use crate::grpc::overview::OverviewDesk;
use crate::grpc::revocations::{self, RevocationDesk};
use crate::lane::LaneParts;
use crate::lane::aside::Aside;
use crate::lane::journal::Journal;
use crate::lane::owed::{self, Owed};
use crate::lane::quotas::Quotas;
use crate::lane::suspects::Suspects;
use crate::metrics::ChatMetrics;
use crate::partition::depth::Depths;
use crate::store::ChatStore;
use crate::store_health::StoreHealth;

/// What the service works with; `main` and the all-in-one binary fill it differently.
pub struct Adapters {
    /// Where frames come from and pushes go.
    pub bus: Arc<dyn Bus>,
    /// Where the log is.
    pub store: Arc<dyn ChatStore>,
    /// To the presence service.
    pub presence: GrpcChannel,
    /// The process's registry.
    pub metrics: Metrics,
    /// The process's readiness.
    pub readiness: Readiness,
    /// Makes message spans.
    pub tracer: Tracer,
    /// The process before this one ended without saying so, and its bus with it.
    pub after_unclean_end: bool,
    /// What happens with entries after their commit.
    pub followers: FollowerConfig,
}

/// The service, ready to run.
pub struct ChatService {
    parts: LaneParts,
    followers: FollowerParts,
    queries: ChatQueries,
    revocations: RevocationConfig,
    broker: Dependency,
    errors: GrpcErrors,
    readiness: Readiness,
    metrics: Metrics,
}

/// Largest message over gRPC: a page of the longest texts.
const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// How long the tasks may take to end after serving did.
const JOIN: Duration = Duration::from_secs(30);

/// Wires the service. Nothing runs yet.
pub fn build(
    lanes: LaneConfig,
    queries: QueryConfig,
    revocations: RevocationConfig,
    adapters: Adapters,
) -> ChatService {
    let directory = GrpcDirectory::new(
        adapters.presence,
        Duration::from_millis(lanes.locate_timeout_ms),
        lanes.locate_users,
    );
    let metrics = ChatMetrics::new(&adapters.metrics);
    ChatService {
        followers: FollowerParts {
            owner: uuid::Uuid::now_v7().to_string(),
            store: Arc::clone(&adapters.store),
            bus: Arc::clone(&adapters.bus),
            metrics: FollowerMetrics::new(&adapters.metrics),
            config: Arc::new(adapters.followers),
        },
        errors: GrpcErrors::new(&adapters.metrics, "tidings_chat", proto::chat::METHODS),
        queries: ChatQueries::new(Arc::clone(&adapters.store), queries, lanes.receipt_members),
        revocations,
        broker: adapters.readiness.dependency(Cause::Bus),
        readiness: adapters.readiness.clone(),
        metrics: adapters.metrics,
        parts: LaneParts {
            aside: Arc::new(Aside::new(
                Arc::clone(&adapters.store),
                metrics.clone(),
                lanes.dead_letters,
            )),
            suspects: Arc::new(Suspects::new(
                Arc::clone(&adapters.store),
                lanes.poison_deaths,
                adapters.after_unclean_end,
            )),
            bus: adapters.bus,
            store: adapters.store,
            directory: Arc::new(directory),
            metrics,
            tracer: adapters.tracer,
            owed: Arc::new(Owed::new(lanes.owed_users)),
            journal: Arc::new(Journal::new(lanes.journal_entries)),
            health: Arc::new(StoreHealth::new(adapters.readiness.dependency(Cause::Database))),
            quotas: Arc::new(Quotas::new(&lanes)),
            commits: Commits::default(),
            config: Arc::new(lanes),
        },
    }
}

impl ChatService {
    /// Runs until stopping has begun; then finishes the batches under way, acknowledges and leaves.
    pub async fn run(self, incoming: Incoming, shutdown: Shutdown) {
        planted::warn();
        let tasks = Tasks::new();
        let balance = partition::start(&self.parts, &tasks, &shutdown);
        let depths = Box::new(Depths(balance.clone()));
        self.metrics.register(|registry| registry.register_collector(depths));
        watches::watch(&self.metrics, &self.parts, &balance);
        let bus = Arc::clone(&self.parts.bus);
        let overview = OverviewServer::new(OverviewDesk::new(bus, balance, self.readiness));
        followers::start(&self.followers, &self.parts.commits, &tasks, &shutdown);
        tasks.spawn("owed", owed::run(self.parts.clone(), shutdown.clone()));
        tasks.spawn(
            "broker watch",
            watch_bus(Arc::clone(&self.parts.bus), self.broker, shutdown.clone()),
        );
        let (health, store) = (Arc::clone(&self.parts.health), Arc::clone(&self.parts.store));
        tasks.spawn("database watch", health.watch(store, shutdown.clone()));
        let desk = DeadLetterDesk::new(Arc::clone(&self.parts.store), Arc::clone(&self.parts.bus));
        let server = ChatServer::new(self.queries).max_encoding_message_size(MAX_MESSAGE_BYTES);
        let desk = DeadLettersServer::new(desk).max_encoding_message_size(MAX_MESSAGE_BYTES);
        let chosen = ChosenStatusesServer::new(ChosenDesk::new(Arc::clone(&self.parts.store)));
        let revocations = self.parts.revocations(&tasks, self.revocations);
        tasks.spawn("ended", forget_ended(Arc::clone(&self.parts.store), shutdown.clone()));
        let routes = Routes::new(server)
            .add_service(desk)
            .add_service(chosen)
            .add_service(revocations)
            .add_service(overview);
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
}

impl LaneParts {
    fn revocations(
        &self,
        tasks: &Tasks,
        config: RevocationConfig,
    ) -> RevocationsServer<RevocationDesk> {
        RevocationsServer::new(RevocationDesk::new(
            Arc::clone(&self.store),
            Arc::clone(&self.directory),
            Arc::clone(&self.bus),
            tasks.clone(),
            config,
        ))
    }
}

/// How often rows go whose time is over.
const FORGET_ENDED: Duration = Duration::from_mins(10);

async fn forget_ended(store: Arc<dyn ChatStore>, shutdown: Shutdown) {
    loop {
        // Not inside the select: a database future is never cancelled half-way.
        if let Err(error) = store.forget_ended(revocations::now_ms()).await {
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
