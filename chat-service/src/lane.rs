//! A lane: takes what has piled up in its partitions, appends it as one batch, and hands it to
//! delivery. The next append overlaps the delivery of the batch before; deliveries stay in order.
//!
//! All frames of a conversation go through one lane of a process. That is for order, not for safety:
//! another process may still write the same conversation, and the store settles it.

mod address;
mod append;
pub mod aside;
mod attempt;
mod cache;
mod deliver;
mod ephemeral;
mod guarded;
pub mod journal;
mod message;
mod newcomers;
mod noted;
pub mod owed;
mod pile;
pub mod quotas;
mod repeats;
mod signal;
pub mod suspects;

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, FrameAcker, FrameDelivery};
use platform::shutdown::Tasks;
use platform::trace::Tracer;
use prometheus_client::metrics::gauge::Gauge;
use proto::partition::Partition;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::LaneConfig;
use crate::directory::Directory;
use crate::domain::letter::LetterKey;
use crate::followers::Commits;
use crate::metrics::ChatMetrics;
use crate::store::ChatStore;
use crate::store_health::StoreHealth;

pub use append::{Appended, Appender};
use aside::Aside;
pub use deliver::Deliverer;
use journal::Journal;
use owed::Owed;
use pile::{Acks, Pile};
use quotas::Quotas;
use suspects::{Care, Suspects};

/// What lanes work with.
#[derive(Clone)]
pub struct LaneParts {
    /// Where pushes go.
    pub bus: Arc<dyn Bus>,
    /// Where the log is.
    pub store: Arc<dyn ChatStore>,
    /// Where users are.
    pub directory: Arc<dyn Directory>,
    /// What is counted.
    pub metrics: ChatMetrics,
    /// What is traced.
    pub tracer: Tracer,
    /// Those whom a push did not reach.
    pub owed: Arc<Owed>,
    /// Where frames go that cannot be worked on.
    pub aside: Arc<Aside>,
    /// What was pushed where lately.
    pub journal: Arc<Journal>,
    /// What users have used of their bounds today.
    pub quotas: Arc<Quotas>,
    /// Frames that may have ended a process.
    pub suspects: Arc<Suspects>,
    /// Whether the store takes what it is given.
    pub health: Arc<StoreHealth>,
    /// Whoever follows the log is told of what was appended.
    pub commits: Commits,
    /// The bounds.
    pub config: Arc<LaneConfig>,
}

/// A batch from a partition, with the way to acknowledge it.
pub struct Received {
    /// The batch.
    pub delivery: FrameDelivery,
    /// Where it comes from.
    pub partition: Partition,
    /// Its consumer's.
    pub acker: Arc<dyn FrameAcker>,
    /// It is the first batch since the consumer joined: another replica may have written the
    /// partition's conversations meanwhile.
    pub has_joined: bool,
}

/// Deliveries that an append may run ahead of: one under way and one waiting.
const AHEAD: usize = 1;

/// Starts a lane. It ends when all senders of `inbox` are gone and everything is delivered; then
/// `done` is cancelled.
pub fn start(
    parts: LaneParts,
    inbox: mpsc::Receiver<Received>,
    tasks: &Tasks,
    done: CancellationToken,
) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let appender = Appender::new(parts.clone());
    let deliverer = Deliverer::new(parts);
    tasks.spawn("lane append", append_all(appender, inbox, sender));
    tasks.spawn("lane deliver", async move {
        deliverer.run(receiver).await;
        done.cancel();
    });
}

async fn append_all(
    mut appender: Appender,
    mut inbox: mpsc::Receiver<Received>,
    deliveries: mpsc::Sender<Delivery>,
) {
    let busy = appender.lanes_busy();
    while let Some(first) = inbox.recv().await {
        let at_work = AtWork::begin(&busy);
        let pile = Pile::take(first, &mut inbox, appender.batch_frames());
        appender.forget(&pile.joined);
        let delivery = match appender.care(&pile.batches).await {
            Care::Together { marks } => {
                let appended = guarded::step(&mut appender, pile.batches).await;
                Delivery { appended, acks: pile.acks, marks, delivered: None }
            }
            Care::Alone => {
                guarded::one_by_one(&mut appender, pile.batches, &deliveries).await;
                Delivery { acks: pile.acks, ..Delivery::default() }
            }
        };
        drop(at_work);
        if deliveries.send(delivery).await.is_err() {
            // The process stops: nothing is acknowledged, so all of it comes again.
            return;
        }
    }
}

/// A lane is at work on a batch as long as this is there.
struct AtWork<'a>(&'a Gauge);

impl<'a> AtWork<'a> {
    fn begin(busy: &'a Gauge) -> Self {
        busy.inc();
        Self(busy)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A batch that is appended, on its way to the deliver step.
#[derive(Default)]
pub struct Delivery {
    appended: Appended,
    acks: Acks,
    /// Marks that are cleared when it is acknowledged.
    marks: Vec<LetterKey>,
    /// Told then.
    delivered: Option<oneshot::Sender<()>>,
}

/// Waits of a retry inside a lane.
fn retry_backoff() -> platform::backoff::Backoff {
    platform::backoff::Backoff::new(Duration::from_millis(20), Duration::from_millis(500))
}
