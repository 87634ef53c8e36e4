//! Nudges: the process that appended tells all processes over the bus, so that followers look at the tail at once. A nudge that is
//! lost costs the time until the next look.

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use platform::shutdown::{Shutdown, Tasks};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::store::ChatStore;

/// Tells of commits within the process. Clones share it; without followers nobody listens, and a call costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Commits(Arc<Notify>);

impl Commits {
    /// Something was appended.
    pub fn told(&self) {
        self.0.notify_one();
    }
}

/// How long to wait before the bus is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// How often it is asked whether anybody follows.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Tells the other processes of commits, at most once in `least`, while anybody follows.
pub(super) async fn tell(
    commits: Commits,
    store: Arc<dyn ChatStore>,
    bus: Arc<dyn Bus>,
    least: Duration,
    shutdown: Shutdown,
) {
    let (mut is_followed, mut asked) = (true, None::<Instant>);
    loop {
        tokio::select! {
            () = commits.0.notified() => {}
            () = shutdown.begun() => return,
        }
        if asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY) {
            // Without an answer they look by themselves.
            is_followed = store.is_followed().await.unwrap_or(is_followed);
            asked = Some(Instant::now());
        }
        if !is_followed {
            continue;
        }
        // A broker that is away is said elsewhere; followers look by themselves.
        if let Err(error) = bus.nudge().await {
            tracing::debug!(%error, "no nudge");
        }
        tokio::select! {
            () = tokio::time::sleep(least) => {}
            () = shutdown.begun() => return,
        }
    }
}

/// Listens for the nudges of all processes; what it returns changes with each.
pub(super) fn listen(bus: Arc<dyn Bus>, tasks: &Tasks, shutdown: &Shutdown) -> watch::Receiver<()> {
    let (sender, woken) = watch::channel(());
    tasks.spawn("nudges heard", hear(bus, sender, shutdown.clone()));
    woken
}

async fn hear(bus: Arc<dyn Bus>, sender: watch::Sender<()>, shutdown: Shutdown) {
    loop {
        let listener = tokio::select! {
            listener = bus.consume_nudges() => listener,
            () = shutdown.begun() => return,
        };
        match listener {
            Ok(mut listener) => loop {
                let next = tokio::select! {
                    next = listener.next() => next,
                    () = shutdown.begun() => return,
                };
                if next.is_none() {
                    break;
                }
                sender.send_replace(());
            },
            Err(error) => tracing::debug!(%error, "nudges are not heard"),
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = shutdown.begun() => return,
        }
    }
}
