//! Whether the store takes and gives what it is asked for: what appends found, and a check of our own while
//! there are none. Readiness hears of both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use platform::readiness::Dependency;
use platform::shutdown::Shutdown;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::ChatStore;

/// From one check to the next while nothing is wrong. Appends tell sooner.
const CALM: Duration = Duration::from_secs(10);
/// From one check to the next while something is.
const ALARMED: Duration = Duration::from_millis(500);
/// What a check writes while nothing is wrong.
const CALM_BYTES: usize = 1;
/// What it writes to find out whether there is room again: a message of the greatest size.
const ALARMED_BYTES: usize = 64 << 10;
/// An append that failed counts for so long, whatever a check says.
const COUNTS: Duration = Duration::from_secs(2);

/// What is known of the store.
#[derive(Debug)]
pub(crate) struct StoreHealth {
    dependency: Dependency,
    /// Looked at after each append.
    is_failing: AtomicBool,
    append_failed: Mutex<Option<Instant>>,
    alarm: Notify,
}

impl StoreHealth {
    /// Nothing is known yet.
    pub(crate) fn new(dependency: Dependency) -> Self {
        Self {
            dependency,
            is_failing: AtomicBool::new(true),
            append_failed: Mutex::new(None),
            alarm: Notify::new(),
        }
    }

    /// An append was committed.
    pub(crate) fn appended(&self) {
        if self.is_failing.load(Ordering::Relaxed) {
            *self.append_failed.lock() = None;
            self.works();
        }
    }

    /// An append was not, and the database is the reason.
    pub(crate) fn failed(&self, reason: &str) {
        *self.append_failed.lock() = Some(Instant::now());
        self.fails(reason);
    }

    fn works(&self) {
        self.is_failing.store(false, Ordering::Relaxed);
        self.dependency.up();
    }

    fn fails(&self, reason: &str) {
        self.is_failing.store(true, Ordering::Relaxed);
        self.dependency.down(reason);
        self.alarm.notify_one();
    }

    /// Checks until the end.
    pub(crate) async fn watch(self: Arc<Self>, store: Arc<dyn ChatStore>, shutdown: Shutdown) {
        loop {
            let is_failing = self.is_failing.load(Ordering::Relaxed);
            let bytes = if is_failing { ALARMED_BYTES } else { CALM_BYTES };
            // Not inside the select: a database future is never cancelled half-way.
            match store.check_writes(bytes).await {
                Ok(()) => {
                    let failed = *self.append_failed.lock();
                    if failed.is_none_or(|at| at.elapsed() >= COUNTS) {
                        self.works();
                    }
                }
                Err(error) => self.fails(&error.to_string()),
            }
            let is_failing = self.is_failing.load(Ordering::Relaxed);
            let pause = if is_failing { ALARMED } else { CALM };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.alarm.notified(), if !is_failing => {}
                () = shutdown.begun() => return,
            }
        }
    }
}
