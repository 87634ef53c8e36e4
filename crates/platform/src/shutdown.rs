//! Stopping in two steps: first everything finishes what it has, then what is left is cut off.

mod hangup;

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::reload::Reload;
use hangup::{Hangup, Wish};

/// Tells every part when to finish and when to give up. Handed around, never global.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    begun: CancellationToken,
    forced: CancellationToken,
}

impl Shutdown {
    /// Nothing has begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every part to take nothing new and finish what it has.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// Cuts off what is left.
    pub fn force(&self) {
        self.begun.cancel();
        self.forced.cancel();
    }

    /// Resolves once stopping has begun.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Resolves once parts are to give up.
    pub async fn forced(&self) {
        self.forced.cancelled().await;
    }

    /// True once stopping has begun.
    pub fn is_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// True once parts are to give up.
    pub fn is_forced(&self) -> bool {
        self.forced.is_cancelled()
    }

    /// Begins at SIGTERM or SIGINT, or when the terminal goes away; forces at a second signal or after
    /// `grace`. Any other SIGHUP asks for files to be read again. From the return of this call on no
    /// signal ends the process unasked; call it inside the runtime.
    pub fn on_signals(&self, tasks: &Tasks, grace: Duration, reload: &Reload) {
        let shutdown = self.clone();
        let mut signals = Signals::watch(reload.clone());
        tasks.spawn("signals", async move {
            tokio::select! {
                signal = signals.next() => tracing::info!(signal, "stopping; a second signal forces"),
                () = shutdown.begun() => {}
            }
            shutdown.begin();
            // Some supervisors signal the process and then its whole group: that is one wish.
            let again = async {
                let begun = tokio::time::Instant::now();
                loop {
                    let signal = signals.next().await;
                    if begun.elapsed() >= SAME_WISH {
                        return signal;
                    }
                }
            };
            tokio::select! {
                signal = again => tracing::warn!(signal, "forced to stop"),
                () = tokio::time::sleep(grace) => tracing::warn!(grace_ms = crate::number::whole_ms(grace), "the grace time is over"),
                () = shutdown.forced() => {}
            }
            shutdown.force();
        });
    }
}

/// Signals closer together than this are one: nobody presses a key twice that fast.
const SAME_WISH: Duration = Duration::from_millis(200);

/// SIGTERM, SIGINT and SIGHUP, watched from the moment this is made.
struct Signals {
    watched: Option<[Signal; 3]>,
    hangup: Hangup,
    reload: Reload,
}

impl Signals {
    fn watch(reload: Reload) -> Self {
        let hangup = Hangup::look();
        let watch = || -> std::io::Result<[Signal; 3]> {
            Ok([
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
                signal(SignalKind::hangup())?,
            ])
        };
        let watched = watch().inspect_err(|error| {
            tracing::error!(%error, "signals cannot be watched; they end the process at once");
        });
        Self { watched: watched.ok(), hangup, reload }
    }

    /// The next one that asks for a stop.
    async fn next(&mut self) -> &'static str {
        let Some([term, int, hup]) = &mut self.watched else { return std::future::pending().await };
        loop {
            tokio::select! {
                _ = term.recv() => return "SIGTERM",
                _ = int.recv() => return "SIGINT",
                _ = hup.recv() => match self.hangup.wish() {
                    Wish::Stop => return "SIGHUP",
                    Wish::Reload => {
                        tracing::info!("SIGHUP: key files are read again");
                        self.reload.ask();
                    }
                }
            }
        }
    }
}

/// Panics of all tasks of this process: a fact of the process, like its memory.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// How many tasks of this process have panicked; for its metrics.
pub fn task_panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Runs a part of a task that ends by itself when it panics: none then. The panic is logged with the name
/// and counted like that of a task.
pub async fn guarded<F: Future>(name: &'static str, future: F) -> Option<F::Output> {
    let outcome = AssertUnwindSafe(future).catch_unwind().await;
    if outcome.is_err() {
        PANICS.fetch_add(1, Ordering::Relaxed);
        tracing::error!(task = name, "a task panicked");
    }
    outcome.ok()
}

/// The tasks of one part, by name: joined at the end, and heard when they panic.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    panics: Arc<AtomicU64>,
}

impl Tasks {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a future to its end. A panic is logged with the name and counted; it ends the task only.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        *self.running.lock().entry(name).or_insert(0) += 1;
        let (running, panics) = (Arc::clone(&self.running), Arc::clone(&self.panics));
        // Leaves the account also when the task is aborted.
        let account = Account { name, running };
        self.tracker.spawn(async move {
            let _account = account;
            if guarded(name, future).await.is_none() {
                panics.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    /// How many tasks panicked so far.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// True while a task of this name has not ended.
    pub fn is_running(&self, name: &str) -> bool {
        self.running.lock().contains_key(name)
    }

    /// Waits for all tasks. After the deadline: the names of those that still run.
    pub async fn join(&self, deadline: Duration) -> Result<(), Vec<&'static str>> {
        self.tracker.close();
        match tokio::time::timeout(deadline, self.tracker.wait()).await {
            Ok(()) => Ok(()),
            Err(_elapsed) => Err(self.running.lock().keys().copied().collect()),
        }
    }
}

struct Account {
    name: &'static str,
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl Drop for Account {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        if let Some(count) = running.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                running.remove(self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn joining_names_the_tasks_that_do_not_end() {
        let (tasks, shutdown) = (Tasks::new(), Shutdown::new());
        let polite = shutdown.clone();
        tasks.spawn("polite", async move { polite.begun().await });
        let stubborn = shutdown.clone();
        tasks.spawn("stubborn", async move { stubborn.forced().await });
        shutdown.begin();
        assert_eq!(tasks.join(Duration::from_secs(1)).await, Err(vec!["stubborn"]));
        shutdown.force();
        assert_eq!(tasks.join(Duration::from_secs(1)).await, Ok(()));
    }

    #[tokio::test]
    async fn a_task_is_running_from_its_start_to_its_end() {
        let (tasks, shutdown) = (Tasks::new(), Shutdown::new());
        let (one, two) = (shutdown.clone(), shutdown.clone());
        let handle = tasks.spawn("waiting", async move { one.begun().await });
        tasks.spawn("waiting", async move { two.forced().await });
        assert!(tasks.is_running("waiting") && !tasks.is_running("other"));
        shutdown.begin();
        handle.await.unwrap();
        assert!(tasks.is_running("waiting"), "the second of that name");
        shutdown.force();
        assert_eq!(tasks.join(Duration::from_secs(5)).await, Ok(()));
        assert!(!tasks.is_running("waiting"));
    }

    #[tokio::test]
    async fn a_panic_ends_its_task_only_and_is_counted() {
        let tasks = Tasks::new();
        tasks.spawn("clumsy", async { panic!("on purpose") });
        tasks.spawn("steady", async {});
        assert_eq!(tasks.join(Duration::from_secs(5)).await, Ok(()));
        assert_eq!(tasks.panics(), 1);
    }

    #[tokio::test]
    async fn an_aborted_task_is_not_waited_for() {
        let tasks = Tasks::new();
        tasks.spawn("endless", std::future::pending()).abort();
        assert_eq!(tasks.join(Duration::from_secs(5)).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_time_ends_by_force() {
        let (tasks, shutdown) = (Tasks::new(), Shutdown::new());
        shutdown.on_signals(&tasks, Duration::from_secs(20), &Reload::new());
        let stubborn = shutdown.clone();
        tasks.spawn("stubborn", async move { stubborn.forced().await });
        shutdown.begin();
        assert_eq!(
            tasks.join(Duration::from_secs(19)).await,
            Err(vec!["signals", "stubborn"]),
            "there is still time"
        );
        assert_eq!(tasks.join(Duration::from_secs(2)).await, Ok(()));
        assert!(shutdown.is_forced());
    }

    #[tokio::test]
    async fn forcing_also_begins() {
        let shutdown = Shutdown::new();
        shutdown.force();
        assert!(shutdown.is_begun() && shutdown.is_forced());
    }
}
