//! Writes what was handed out to many connections while their session tasks are idle: a few dozen sockets by one task
//! instead of a wake-up for each.
//!
//! As many of these at once as there are permits, and no more is handed out before one is free: so
//! handing out goes as fast as writing, and what comes meanwhile goes along. A single entry may use
//! all permits, because users wait for it. What takes longer leaves one core to other work: the rest
//! of a burst, other conversations. A long round also gives way on its own cores: it is written by
//! threads that the kernel runs after all others.

use std::num::NonZero;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::clock::unix_ms;
use crate::connections::Connection;
use crate::explain::journal::Journal;
use crate::freeze_detector::FreezeDetector;
use crate::metrics::GatewayMetrics;
use crate::net::line::earlier;

/// The writers of this process.
pub(crate) struct Writers {
    permits: Arc<Semaphore>,
    /// One permit fewer; rounds that take longer need one of these, too.
    but_one: Arc<Semaphore>,
    tasks: TaskTracker,
    writing: Arc<Writing>,
    low_priority: LowPriorityRuntime,
}

/// How long it takes to write to all who are to have something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// So short that it may have all cores.
    Short,
    /// Entries one after the other, to few.
    Burst,
    /// To thousands.
    Long,
}

impl Round {
    fn leaves_a_core(self) -> bool {
        self != Self::Short
    }
}

/// Threads that give way to others. None where there cannot be any: then all do the same work.
struct LowPriorityRuntime(Option<Runtime>);

impl LowPriorityRuntime {
    /// The kernel gives a thread of this niceness a tenth of what others get, while they want it.
    const NICENESS: i32 = 10;

    fn new(threads: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("patient-writer")
            .on_thread_start(|| {
                // For this thread alone. Where the kernel refuses it, the thread keeps its usual priority.
                let _ = rustix::process::setpriority_process(None, Self::NICENESS);
            })
            .build();
        if let Err(error) = &runtime {
            tracing::warn!(%error, "long rounds do not give way to others");
        }
        Self(runtime.ok())
    }
}

impl Drop for LowPriorityRuntime {
    fn drop(&mut self) {
        // What is written is done by then: the tasks are joined with those of the sockets.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A writer for one round; it is busy until this is dropped.
pub(crate) struct Free {
    round: Round,
    _permit: OwnedSemaphorePermit,
    _but_one: Option<OwnedSemaphorePermit>,
}

/// How they write, and what they note of it.
pub(super) struct Writing {
    pub(super) freeze: Arc<FreezeDetector>,
    pub(super) journal: Arc<Journal>,
    pub(super) metrics: GatewayMetrics,
}

impl Writers {
    /// At most `count` at once; 0: as many as there are cores.
    pub(crate) fn new(writing: Writing, tasks: TaskTracker, count: usize) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        let count = if count == 0 { cores() } else { count };
        Self {
            permits: Arc::new(Semaphore::new(count)),
            but_one: Arc::new(Semaphore::new((count - 1).max(1))),
            low_priority: LowPriorityRuntime::new((count - 1).max(1)),
            tasks,
            writing: Arc::new(writing),
        }
    }

    /// Waits for a free writer. Cancel safe. Never returns None: the permits are not closed.
    pub(crate) async fn free(&self, round: Round) -> Option<Free> {
        let but_one = if round.leaves_a_core() {
            Some(Arc::clone(&self.but_one).acquire_owned().await.ok()?)
        } else {
            None
        };
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        Some(Free { round, _permit: permit, _but_one: but_one })
    }

    /// A writer that is free now.
    pub(crate) fn free_now(&self, round: Round) -> Option<Free> {
        let but_one = if round.leaves_a_core() {
            Some(Arc::clone(&self.but_one).try_acquire_owned().ok()?)
        } else {
            None
        };
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        Some(Free { round, _permit: permit, _but_one: but_one })
    }

    /// Has what waits for these connections written.
    pub(crate) fn write(&self, free: Free, connections: Vec<Arc<Connection>>) {
        let is_long = free.round == Round::Long;
        let writing = Arc::clone(&self.writing);
        let write = async move {
            writing.all(&connections);
            drop(free);
        };
        match &self.low_priority.0 {
            Some(runtime) if is_long => self.tasks.spawn_on(write, runtime.handle()),
            _ => self.tasks.spawn(write),
        };
    }
}

impl Writing {
    fn all(&self, connections: &[Arc<Connection>]) {
        let (mut frames, mut bytes, mut oldest_ms, now_ms) = (0, 0, 0, unix_ms());
        for connection in connections {
            if !self.freeze.is_fit() {
                // It waits until the gateway has begun anew.
                connection.outbox.wake();
                continue;
            }
            let written = connection.outbox.write();
            frames += written.frames;
            bytes += written.bytes;
            oldest_ms = earlier(oldest_ms, written.oldest_ms);
            if !written.entries.is_empty() {
                let Connection { number, user_hash, .. } = **connection;
                self.journal.written(number, user_hash, written.entries.iter(), now_ms);
            }
        }
        self.metrics.frames_out.inc_by(frames);
        self.metrics.bytes_out.inc_by(bytes);
        self.metrics.entries_written(oldest_ms, now_ms);
    }
}
