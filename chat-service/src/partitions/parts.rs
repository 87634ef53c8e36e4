//! What partition workers work with.

use std::sync::Arc;

use bus::Bus;
use bus::moments::Moments;
use platform::readiness::Dependency;
use platform::trace::Tracer;

use crate::append::{AppendParts, DeadLetterWriter, Quotas, Suspects};
use crate::config::{MessagesConfig, WorkerConfig};
use crate::delivery::locate::Directory;
use crate::delivery::{DeliveryParts, MissedPushes, PushLog};
use crate::ephemeral::{Discreet, EphemeralParts, Reads};
use crate::followers::Commits;
use crate::metrics::ChatMetrics;
use crate::store::ChatStore;
use crate::store::health::StoreHealth;

/// What workers stand on.
pub struct WorkerAdapters {
    /// Where frames come from and pushes go.
    pub bus: Arc<dyn Bus>,
    /// Where the log is.
    pub store: Arc<dyn ChatStore>,
    /// Where users are connected.
    pub directory: Arc<dyn Directory>,
    pub metrics: ChatMetrics,
    pub tracer: Tracer,
    /// Whether the store takes what it is given.
    pub database: Dependency,
    /// The process before this one ended without saying so, and its bus with it.
    pub after_unclean_end: bool,
    /// What may become of messages.
    pub messages: MessagesConfig,
}

/// What the workers of a process share.
#[derive(Clone)]
pub struct WorkerParts {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) append: AppendParts,
    pub(crate) delivery: DeliveryParts,
}

impl WorkerParts {
    /// Nothing runs yet.
    pub fn new(config: WorkerConfig, adapters: WorkerAdapters) -> Self {
        Self::telling(config, Reads::default(), Moments::default(), adapters)
    }

    /// The same, with those who are told of what users read, and of what no log holds.
    pub(crate) fn telling(
        config: WorkerConfig,
        reads: Reads,
        moments: Moments,
        adapters: WorkerAdapters,
    ) -> Self {
        let WorkerAdapters { bus, store, directory, metrics, tracer, database, .. } = adapters;
        let push_log = Arc::new(PushLog::new(config.journal_entries));
        let (most, told) = (config.dead_letters, moments.clone());
        let dead_letters = DeadLetterWriter::new(Arc::clone(&store), metrics.clone(), most, told);
        let suspects =
            Suspects::new(Arc::clone(&store), config.poison_deaths, adapters.after_unclean_end);
        let ephemeral = EphemeralParts {
            store: Arc::clone(&store),
            metrics: metrics.clone(),
            push_log: Arc::clone(&push_log),
            reads,
            moments: moments.clone(),
            discreet: Discreet::default(),
            receipt_members: config.receipt_members,
        };
        let quotas = Quotas::new(&config);
        let config = Arc::new(config);
        let delivery = DeliveryParts {
            bus: Arc::clone(&bus),
            store: Arc::clone(&store),
            directory: Arc::clone(&directory),
            metrics: metrics.clone(),
            missed: Arc::new(MissedPushes::new(config.missed_push_users)),
            push_log,
            moments: moments.clone(),
            config: Arc::clone(&config),
        };
        let append = AppendParts {
            partitions: bus.partitions(),
            store,
            directory,
            metrics,
            tracer,
            dead_letters: Arc::new(dead_letters),
            quotas: Arc::new(quotas),
            suspects: Arc::new(suspects),
            health: Arc::new(StoreHealth::new(database)),
            commits: Commits::default(),
            moments,
            ephemeral,
            messages: adapters.messages,
            config,
        };
        Self { bus, append, delivery }
    }
}
