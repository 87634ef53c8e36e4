//! Requests whose answers went to a queue that is gone. Answers that came back follow their connection to the
//! next queue; those that lay in the old one are lost. So a moment after the next queue is open, whatever was
//! asked before the loss and has no answer is told `unknown`, and does not wait for its own deadline.

use std::sync::Arc;
use std::time::Duration;

use platform::shutdown::Shutdown;
use proto::common::GatewayRef;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::connections::Registry;
use crate::connections::outbox::Failed;
use crate::connections::requests::Requests;

/// How long the answers that came back have for following, from the next queue on.
const PATIENCE: Duration = Duration::from_secs(1);
/// Connections that are told at once; everything else goes on in between.
const SLICE: usize = 1_024;

/// Watches the queue.
pub(crate) struct LostAnswers {
    registry: Arc<Registry>,
    requests: Arc<Requests>,
    gateway: watch::Receiver<Option<GatewayRef>>,
    shutdown: Shutdown,
}

/// How it stands with the queue.
#[derive(Debug, Default)]
struct Watched {
    /// Of the queue there is.
    epoch: Option<u64>,
    /// When one was lost after which nobody was told.
    lost_at: Option<Instant>,
    /// When that is due: a moment after the next one was open.
    due: Option<Instant>,
}

impl Watched {
    fn see(&mut self, epoch: Option<u64>, now: Instant) {
        if self.epoch.is_some() && self.epoch != epoch {
            self.lost_at = Some(now);
        }
        self.epoch = epoch;
        let is_due = epoch.is_some() && self.lost_at.is_some();
        self.due = is_due.then(|| now + PATIENCE);
    }
}

impl LostAnswers {
    /// Tells the connections of a registry, and requests that wait.
    pub(crate) fn new(
        (registry, requests): (Arc<Registry>, Arc<Requests>),
        gateway: watch::Receiver<Option<GatewayRef>>,
        shutdown: Shutdown,
    ) -> Self {
        Self { registry, requests, gateway, shutdown }
    }

    /// Until the end.
    pub(crate) async fn run(mut self) {
        let mut watched = Watched::default();
        loop {
            let due = watched.due.unwrap_or_else(Instant::now);
            tokio::select! {
                changed = self.gateway.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let epoch = self.gateway.borrow_and_update().as_ref().map(|it| it.epoch);
                    watched.see(epoch, Instant::now());
                }
                () = tokio::time::sleep_until(due), if watched.due.is_some() => {
                    watched.due = None;
                    if let Some(lost_at) = watched.lost_at.take() {
                        self.tell(lost_at).await;
                    }
                }
                () = self.shutdown.forced() => return,
            }
        }
    }

    async fn tell(&self, lost_at: Instant) {
        self.requests.lose(lost_at.into_std());
        for slice in self.registry.all().chunks(SLICE) {
            for connection in slice {
                connection.outbox.fail(Failed::Lost { sent_until: lost_at.into_std() });
            }
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_due_a_moment_after_the_next_queue_and_not_before() {
        let (mut watched, start) = (Watched::default(), Instant::now());
        let after = |secs| start + Duration::from_secs(secs);
        watched.see(Some(1), start);
        assert_eq!((watched.lost_at, watched.due), (None, None), "the first queue ends no other");
        watched.see(None, after(5));
        assert_eq!((watched.lost_at, watched.due), (Some(after(5)), None));
        watched.see(Some(2), after(7));
        assert_eq!(watched.due, Some(after(7) + PATIENCE));
        watched.see(None, after(8));
        assert_eq!((watched.lost_at, watched.due), (Some(after(8)), None), "lost once more");
    }

    #[test]
    fn a_queue_that_follows_so_soon_that_none_was_seen_between_is_another_all_the_same() {
        let (mut watched, start) = (Watched::default(), Instant::now());
        watched.see(Some(1), start);
        watched.see(Some(2), start + PATIENCE);
        assert_eq!(watched.lost_at, Some(start + PATIENCE));
        assert_eq!(watched.due, Some(start + PATIENCE * 2));
    }
}
