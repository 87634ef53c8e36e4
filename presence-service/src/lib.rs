//! Who is connected where, and in which state.
//!
//! Gateways report over gRPC and are answered when the store has it; the chat service locates. Changes
//! are announced apart from both. Must not know messages.

#![cfg_attr(
    not(test),
    warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)
)]
#![warn(unreachable_pub)]
#![allow(
    missing_docs,
    reason = "a service is no library: a comment stands where the name does not say it"
)]

mod announce;
mod choices;
pub mod config;
pub mod domain;
mod grpc;
mod intake;
mod metrics;
mod moments;
#[cfg(feature = "cluster")]
pub mod prepared;
pub mod store;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use bus::moments::MomentQueue;
use bus::{Bus, BusState};
use platform::grpc::{GrpcChannel, GrpcErrors, Incoming};
use platform::metrics::Metrics;
use platform::readiness::{Cause, Dependency, Readiness};
use platform::shutdown::{Shutdown, Tasks};
use platform::trace::Tracer;
use proto::chat::chat_client::ChatClient;
use proto::presence::presence_server::PresenceServer;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::announce::{Announcements, Announcer};
use crate::choices::Choices;
use crate::config::PresenceSettings;
use crate::grpc::{CallParts, PresenceCalls};
use crate::intake::Intake;
use crate::metrics::PresenceMetrics;
use crate::moments::UserMoments;
pub use crate::moments::{EventsConfig, UnknownMoment};
use crate::store::PresenceStore;
use crate::sweep::Sweeper;

/// What the service works with; `main` and the all-in-one binary fill it differently.
pub struct Adapters {
    /// Where `status` frames come from and announcements go.
    pub bus: Arc<dyn Bus>,
    /// Where registrations are. It reports its own readiness, if it can be away.
    pub store: Arc<dyn PresenceStore>,
    /// To the chat service.
    pub chat: GrpcChannel,
    pub metrics: Metrics,
    pub readiness: Readiness,
    /// Makes message spans.
    pub tracer: Tracer,
    /// What other systems are told of users.
    pub events: EventsConfig,
}

/// The service, ready to run.
pub struct PresenceService {
    bus: Arc<dyn Bus>,
    calls: PresenceCalls,
    reports: Tasks,
    intake: Intake,
    choices: Choices,
    sweeper: Sweeper,
    announcer: Announcer,
    told: MomentQueue,
    broker: Dependency,
    errors: GrpcErrors,
}

/// Largest report: a full account of 100,000 connections in one message.
const MAX_MESSAGE_BYTES: usize = 32 << 20;
/// How long the tasks may take to end after serving did.
const JOIN: Duration = Duration::from_secs(10);

/// Wires the service. Nothing runs yet.
pub fn build(settings: PresenceSettings, adapters: Adapters) -> PresenceService {
    let Adapters { bus, store, chat, metrics, readiness, tracer, events } = adapters;
    let errors = GrpcErrors::new(&metrics, "tidings_presence", proto::presence::METHODS);
    let registry = metrics;
    let metrics = PresenceMetrics::new(&registry);
    metrics.watch(&registry, settings.announcements);
    let (moments, told) = UserMoments::new(&events, &registry);
    let announcements = Announcements::new(&settings, metrics.clone());
    let reports = Tasks::new();
    let choices = Choices::new(
        chat.clone(),
        Arc::clone(&store),
        announcements.clone(),
        metrics.clone(),
        &settings,
    );
    PresenceService {
        calls: PresenceCalls::new(
            CallParts {
                store: Arc::clone(&store),
                announcements: announcements.clone(),
                choices: choices.clone(),
                metrics: metrics.clone(),
                tracer: tracer.clone(),
                tasks: reports.clone(),
            },
            &settings,
        ),
        reports,
        intake: Intake {
            bus: Arc::clone(&bus),
            store: Arc::clone(&store),
            announcements: announcements.clone(),
            choices: choices.clone(),
            metrics: metrics.clone(),
            settings: settings.clone(),
            tracer,
        },
        choices,
        sweeper: Sweeper {
            store: Arc::clone(&store),
            announcements: announcements.clone(),
            metrics: metrics.clone(),
            settings: settings.clone(),
        },
        announcer: Announcer {
            announcements,
            bus: Arc::clone(&bus),
            store,
            chat: ChatClient::new(chat).max_decoding_message_size(MAX_MESSAGE_BYTES),
            settings,
            metrics,
            moments,
            ended: CancellationToken::new(),
        },
        told,
        broker: readiness.dependency(Cause::Bus),
        errors,
        bus,
    }
}

impl PresenceService {
    /// Runs until stopping has begun. Then, in this order: no new calls, the calls under way end, and
    /// what they changed is told.
    pub async fn run(self, incoming: Incoming, shutdown: Shutdown) {
        let (tasks, telling) = (Tasks::new(), Tasks::new());
        let ended = self.announcer.ended.clone();
        telling.spawn("announce", self.announcer.run());
        // Ends when the announcer has, who alone tells moments.
        let moments =
            bus::moments::publish(self.told, Arc::clone(&self.bus), std::future::pending());
        telling.spawn("moments", moments);
        self.intake.start(&tasks, &shutdown);
        tasks.spawn("choices", self.choices.run(shutdown.clone()));
        tasks.spawn("sweep", self.sweeper.run(shutdown.clone()));
        tasks.spawn("broker watch", watch_bus(self.bus, self.broker, shutdown.clone()));
        let server = PresenceServer::new(self.calls)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        if let Err(error) = platform::grpc::serve(
            self.errors.count(Routes::new(server)),
            incoming,
            shutdown.clone(),
        )
        .await
        {
            tracing::error!(%error, "gRPC ended");
            shutdown.begin();
        }
        let finish = async {
            let mut late = Vec::new();
            late.extend(self.reports.join(JOIN).await.err().into_iter().flatten());
            late.extend(tasks.join(JOIN).await.err().into_iter().flatten());
            ended.cancel();
            late.extend(telling.join(JOIN).await.err().into_iter().flatten());
            late
        };
        let late = tokio::select! {
            late = finish => late,
            () = shutdown.forced() => vec!["forced"],
        };
        if !late.is_empty() {
            tracing::warn!(?late, "not everything has ended; some changes are not told");
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
