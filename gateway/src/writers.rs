//! Writes what was handed out to many connections, where their sessions have lent their lines: a few
//! dozen sockets by one task instead of a wake-up for each.
//!
//! As many of these at once as there are permits, and no more is handed out before one is free: so
//! handing out goes as fast as writing, and what comes meanwhile goes along. A single entry may have
//! them all: somebody waits for it. What takes longer leaves one core to whatever else there is: the rest
//! of a burst, other people's messages. And a long round gives way on its own core, too: it is written by
//! threads that the kernel puts behind all others.

use std::num::NonZero;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::journal::Journal;
use crate::line::earlier;
use crate::metrics::GatewayMetrics;
use crate::pulse::Pulse;
use crate::registry::Connection;
use crate::shared::{Shared, unix_ms};

/// The writers of this process.
pub(crate) struct Writers {
    permits: Arc<Semaphore>,
    /// One fewer; what takes longer wants one of these, too.
    but_one: Arc<Semaphore>,
    tasks: TaskTracker,
    writing: Arc<Writing>,
    patient: Patient,
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
struct Patient(Option<Runtime>);

impl Patient {
    /// The kernel gives a thread of this niceness a tenth of what others get, while they want it.
    const NICENESS: i32 = 10;

    fn new(threads: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("patient-writer")
            .on_thread_start(|| {
                // Of this thread alone. Whoever may not give way is as fast as the others.
                let _ = rustix::process::setpriority_process(None, Self::NICENESS);
            })
            .build();
        if let Err(error) = &runtime {
            tracing::warn!(%error, "long rounds do not give way to others");
        }
        Self(runtime.ok())
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        // What is written is done by then: the tasks are joined with those of the sockets.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// One who is free for a round; at work until this is dropped.
pub(crate) struct Free {
    round: Round,
    _permit: OwnedSemaphorePermit,
    _but_one: Option<OwnedSemaphorePermit>,
}

struct Writing {
    pulse: Arc<Pulse>,
    journal: Arc<Journal>,
    metrics: GatewayMetrics,
}

impl Writers {
    /// At most `count` at once; 0: as many as there are cores.
    pub(crate) fn new(shared: &Shared, count: usize) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        let count = if count == 0 { cores() } else { count };
        let writing = Writing {
            pulse: Arc::clone(&shared.pulse),
            journal: Arc::clone(&shared.journal),
            metrics: shared.metrics.clone(),
        };
        Self {
            permits: Arc::new(Semaphore::new(count)),
            but_one: Arc::new(Semaphore::new((count - 1).max(1))),
            patient: Patient::new((count - 1).max(1)),
            tasks: shared.sockets.clone(),
            writing: Arc::new(writing),
        }
    }

    /// Waits for one who is free. Cancel safe. None never comes: the permits are not closed.
    pub(crate) async fn free(&self, round: Round) -> Option<Free> {
        let but_one = if round.leaves_a_core() {
            Some(Arc::clone(&self.but_one).acquire_owned().await.ok()?)
        } else {
            None
        };
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        Some(Free { round, _permit: permit, _but_one: but_one })
    }

    /// One who is free now.
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
        match &self.patient.0 {
            Some(patient) if is_long => self.tasks.spawn_on(write, patient.handle()),
            _ => self.tasks.spawn(write),
        };
    }
}

impl Writing {
    fn all(&self, connections: &[Arc<Connection>]) {
        let (mut frames, mut bytes, mut oldest_ms, now_ms) = (0, 0, 0, unix_ms());
        for connection in connections {
            if !self.pulse.is_fit() {
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
