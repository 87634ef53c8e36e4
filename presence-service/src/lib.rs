//! Who is connected where, and in which state.
//!
//! Gateways report over gRPC and are answered when the store has it; the chat service locates. Changes
//! are announced apart from both. Must not know messages.

pub mod announce;
pub mod config;
pub mod domain;
mod grpc;
mod intake;
pub mod metrics;
pub mod registrar;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, BusState};
use platform::grpc::Incoming;
use platform::metrics::Metrics;
use platform::readiness::{Dependency, Readiness};
use platform::shutdown::{Shutdown, Tasks};
use platform::trace::Tracer;
use proto::chat::chat_client::ChatClient;
use proto::presence::presence_server::PresenceServer;
use tonic::service::Routes;
use tonic::transport::Channel;

use crate::announce::{Announcement, Announcements, Announcer};
use crate::config::PresenceSettings;
use crate::grpc::PresenceQueries;
use crate::metrics::PresenceMetrics;
use crate::registrar::Registrar;
use crate::store::PresenceStore;

/// What the service works with; `main` and the all-in-one binary fill it differently.
pub struct Adapters {
    /// Where `status` frames come from and announcements go.
    pub bus: Arc<dyn Bus>,
    /// Where registrations are.
    pub store: Arc<dyn PresenceStore>,
    /// To the chat service.
    pub chat: Channel,
    /// The process's registry.
    pub metrics: Metrics,
    /// The process's readiness.
    pub readiness: Readiness,
    /// Makes message spans.
    pub tracer: Tracer,
}

/// The service, ready to run.
pub struct PresenceService {
    queries: PresenceQueries,
    announcer: Announcer,
    queue: tokio::sync::mpsc::Receiver<Announcement>,
    announcements: Announcements,
    broker: Dependency,
    redis: Dependency,
}

/// Largest report: a snapshot of 100,000 connections.
const MAX_MESSAGE_BYTES: usize = 32 << 20;
/// How often the store is asked whether it answers.
const STORE_CHECK: Duration = Duration::from_secs(2);
/// How long the tasks may take to end after serving did.
const JOIN: Duration = Duration::from_secs(10);

/// Wires the service. Nothing runs yet.
pub fn build(settings: PresenceSettings, adapters: Adapters) -> PresenceService {
    let metrics = PresenceMetrics::new(&adapters.metrics);
    let (announcements, queue) = Announcements::new(&settings, metrics.clone());
    let registrar = Registrar {
        store: Arc::clone(&adapters.store),
        announcements: announcements.clone(),
        settings: settings.clone(),
        metrics: metrics.clone(),
    };
    PresenceService {
        broker: adapters.readiness.dependency("rabbitmq"),
        redis: adapters.readiness.dependency("redis"),
        queries: PresenceQueries {
            store: Arc::clone(&adapters.store),
            registrar,
            tracer: adapters.tracer,
        },
        announcer: Announcer {
            bus: adapters.bus,
            store: adapters.store,
            chat: ChatClient::new(adapters.chat),
            settings,
            metrics,
        },
        queue,
        announcements,
    }
}

impl PresenceService {
    /// Runs until stopping has begun.
    pub async fn run(self, incoming: Incoming, shutdown: Shutdown) {
        let tasks = Tasks::new();
        let (bus, store) = (Arc::clone(&self.announcer.bus), Arc::clone(&self.announcer.store));
        let prefetch = self.announcer.settings.prefetch;
        intake::start(&bus, &store, &self.announcements, prefetch, &tasks, &shutdown);
        tasks.spawn("sweep", self.queries.registrar.clone().sweep_all(shutdown.clone()));
        tasks.spawn("announce", self.announcer.run(self.queue, shutdown.clone()));
        tasks.spawn("broker watch", watch_bus(bus, self.broker, shutdown.clone()));
        tasks.spawn("store watch", watch_store(store, self.redis, shutdown.clone()));
        let server = PresenceServer::new(self.queries)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        if let Err(error) =
            platform::grpc::serve(Routes::new(server), incoming, shutdown.clone()).await
        {
            tracing::error!(%error, "gRPC ended");
            shutdown.begin();
        }
        if let Err(late) = tasks.join(JOIN).await {
            tracing::warn!(?late, "not everything has ended");
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

async fn watch_store(store: Arc<dyn PresenceStore>, dependency: Dependency, shutdown: Shutdown) {
    let nobody: Vec<proto::id::UserId> = proto::id::UserId::parse("nobody").into_iter().collect();
    loop {
        match store.locate(&nobody).await {
            Ok(_) => dependency.up(),
            Err(error) => dependency.down(error.to_string()),
        }
        tokio::select! {
            () = tokio::time::sleep(STORE_CHECK) => {}
            () = shutdown.begun() => return,
        }
    }
}
