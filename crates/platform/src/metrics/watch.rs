//! What may be watched: a figure with its name, how it is read, and the alert that it may raise.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A figure as it is read at one moment. What is counted is counted since the process started.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading {
    /// As it stands.
    Level(f64),
    /// So much is used of what there may be.
    Part {
        /// In use.
        used: f64,
        /// What there may be; 0 when that is not known.
        of: f64,
    },
    /// So much so far: shown as a rate.
    Total(f64),
    /// So many were bad of so many so far.
    Bad {
        /// The bad ones.
        bad: u64,
        /// All of them.
        all: u64,
    },
    /// So long did so many take so far, together.
    Took {
        /// All of it, in microseconds.
        micros: u64,
        /// How many.
        count: u64,
    },
    /// Nobody can tell now.
    Unknown,
}

/// By which threshold of the configuration an alert goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// How full something is: `connections_percent`, of [`Reading::Part`].
    Connections,
    /// The share of bad ones: `errors_percent`, of [`Reading::Bad`].
    Errors,
    /// How long one takes on average: `latency_ms`, of [`Reading::Took`].
    Latency,
    /// How much waits: `queue_batches`, of [`Reading::Level`].
    Depth,
    /// How old the oldest is that waits, in seconds: `oldest_ms`, of [`Reading::Level`].
    Age,
    /// Whether anything is missing, of [`Reading::Level`].
    NotReady,
    /// More users than this wait, of [`Reading::Level`].
    Users(u32),
}

impl Rule {
    /// Of its values.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Connections | Self::Errors => "ratio",
            Self::Latency | Self::Age => "seconds",
            Self::Depth => "batches",
            Self::NotReady => "causes",
            Self::Users(_) => "users",
        }
    }
}

/// What is raised when a figure stays beyond its threshold.
#[derive(Debug, Clone, Copy)]
pub struct Alert {
    /// The section of docs/runbook.md that says what to do.
    pub name: &'static str,
    /// Its threshold.
    pub rule: Rule,
    /// What it means, and the first thing to do.
    pub says: &'static str,
}

/// A figure that is read at intervals.
pub struct Watch {
    /// In the log line.
    pub(crate) name: &'static str,
    pub(crate) alert: Option<Alert>,
    read: Box<dyn Fn() -> Reading + Send + Sync>,
}

impl Watch {
    /// `read` must answer at once. It must hold no handle to the registry: the registry holds it.
    pub fn new(name: &'static str, read: impl Fn() -> Reading + Send + Sync + 'static) -> Self {
        Self { name, alert: None, read: Box::new(read) }
    }

    /// Has it raise an alert.
    #[must_use]
    pub fn alert(mut self, alert: Alert) -> Self {
        self.alert = Some(alert);
        self
    }

    pub(crate) fn read(&self) -> Reading {
        (self.read)()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The figures that the parts of one process have given: a handful, and none is ever taken back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watches(Arc<Given>);

#[derive(Debug, Default)]
struct Given {
    all: Mutex<Vec<Arc<Watch>>>,
    more: Notify,
}

impl Watches {
    pub(crate) fn add(&self, watch: Watch) {
        self.0.all.lock().push(Arc::new(watch));
        self.0.more.notify_one();
    }

    /// Resolves when there is one more, for the one monitor there is. Cancel safe.
    pub(crate) async fn more(&self) {
        self.0.more.notified().await;
    }

    /// Those after the first so many.
    pub(crate) fn after(&self, known: usize) -> Vec<Arc<Watch>> {
        self.0.all.lock().iter().skip(known).cloned().collect()
    }
}
