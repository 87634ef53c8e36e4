//! Tells those who may know about changes, apart from everything that anybody waits for.
//!
//! Registering only notes a change, in memory and without waiting. One task takes what has piled up,
//! asks the chat service who may know, looks those up and hands each gateway one batch; who has many
//! contacts is told to them in several steps. What cannot be told now is told later. Only what finds no room is
//! dropped, and counted: presence is wrong for these users until their next change. Must not change a registration.

mod compose;
mod rounds;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, PublishError};
use futures_util::future::join_all;
use parking_lot::Mutex;
use platform::grpc::GrpcChannel;
use platform::number::{fitted, whole_ms};
use proto::bus::{Push, PushBatch, Replaced, push::Body};
use proto::chat::chat_client::ChatClient;
use proto::common::GatewayRef;
use proto::id::UserId;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::PresenceSettings;
use crate::domain::pending::{Added, Announcement, Pending};
use crate::domain::registration::{Change, Place};
use crate::metrics::{AnnouncementOutcome, PresenceMetrics};
use crate::moments::UserMoments;
use crate::store::PresenceStore;

/// The longest pause between two batches.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Takes changes without ever waiting for anybody. Clones share what waits.
#[derive(Debug, Clone)]
pub(crate) struct Announcements(Arc<Waiting>);

#[derive(Debug)]
struct Waiting {
    queues: Mutex<Queues>,
    noted: Notify,
    since: Instant,
    bound: usize,
    metrics: PresenceMetrics,
}

#[derive(Debug)]
struct Queues {
    changes: Pending,
    replaced: VecDeque<Place>,
}

impl Announcements {
    /// Nothing waits.
    pub(crate) fn new(settings: &PresenceSettings, metrics: PresenceMetrics) -> Self {
        let grace = Duration::from_millis(settings.offline_grace_ms);
        let changes = Pending::new(grace, settings.announcements);
        Self(Arc::new(Waiting {
            queues: Mutex::new(Queues { changes, replaced: VecDeque::new() }),
            noted: Notify::new(),
            since: Instant::now(),
            bound: settings.announcements,
            metrics,
        }))
    }

    pub(crate) fn note(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let now_ms = self.now_ms();
        let mut queues = self.0.queues.lock();
        let (mut suppressed, mut dropped) = (0, 0);
        for mut change in changes {
            let room = self.0.bound.saturating_sub(queues.replaced.len());
            queues.replaced.extend(change.replaced.drain(..).take(room));
            match queues.changes.add(change, now_ms) {
                Added::Taken => {}
                Added::Suppressed => suppressed += 1,
                Added::Dropped => dropped += 1,
            }
        }
        self.0.metrics.waiting.set(fitted(queues.changes.len()));
        drop(queues);
        self.0.metrics.announced(AnnouncementOutcome::Suppressed, suppressed);
        self.0.metrics.announced(AnnouncementOutcome::Dropped, dropped);
        self.0.noted.notify_one();
    }

    /// Takes back what could not be told, to be told later.
    fn put_back(&self, told: Vec<Announcement>, why: AnnouncementOutcome) {
        self.0.metrics.announced(why, told.len());
        let now_ms = self.now_ms();
        let mut queues = self.0.queues.lock();
        let put_back = told.into_iter().map(|told| queues.changes.put_back(told, now_ms));
        let dropped = put_back.filter(|added| *added == Added::Dropped).count();
        self.0.metrics.waiting.set(fitted(queues.changes.len()));
        drop(queues);
        self.0.metrics.announced(AnnouncementOutcome::Dropped, dropped);
    }

    fn now_ms(&self) -> u64 {
        whole_ms(self.0.since.elapsed())
    }

    fn take(&self, most: usize) -> (Vec<Announcement>, Vec<Place>) {
        let mut queues = self.0.queues.lock();
        let taken = queues.changes.take(self.now_ms(), most.max(1));
        let count = queues.replaced.len().min(most.max(1));
        let replaced = queues.replaced.drain(..count).collect();
        self.0.metrics.waiting.set(fitted(queues.changes.len()));
        (taken, replaced)
    }

    /// Waits until something may be due.
    async fn due(&self) {
        let due = self.0.queues.lock().changes.next_due_ms();
        let wait = due.map(|due_ms| self.0.since + Duration::from_millis(due_ms));
        tokio::select! {
            () = self.0.noted.notified() => {}
            () = async {
                match wait {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    }
}

/// Tells what was noted.
pub(crate) struct Announcer {
    pub(crate) announcements: Announcements,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn PresenceStore>,
    pub(crate) chat: ChatClient<GrpcChannel>,
    pub(crate) settings: PresenceSettings,
    pub(crate) metrics: PresenceMetrics,
    pub(crate) moments: UserMoments,
    /// Nothing is noted any more.
    pub(crate) ended: CancellationToken,
}

impl Announcer {
    /// Runs until nothing can be noted any more; then tells what waits, without waiting for returns.
    pub(crate) async fn run(self) {
        while !self.ended.is_cancelled() {
            tokio::select! {
                () = self.announcements.due() => {}
                () = self.ended.cancelled() => {}
            }
            loop {
                let began = Instant::now();
                let taken = self.step().await;
                if taken == 0 {
                    break;
                }
                if taken >= self.settings.announce_batch {
                    self.pause(began).await;
                }
            }
        }
        self.announcements.0.queues.lock().changes.release_held();
        while self.step().await > 0 {}
    }

    /// Tells one batch. Answers how many of a kind it was at most; 0 when nothing was due.
    async fn step(&self) -> usize {
        let (batch, replaced) = self.announcements.take(self.settings.announce_batch);
        let taken = batch.len().max(replaced.len());
        if taken == 0 {
            return 0;
        }
        self.close(replaced).await;
        let batch = self.still_true(batch).await;
        if !batch.is_empty() {
            self.tell(batch).await;
        }
        taken
    }

    /// Has gateways close connections whose device has connected again elsewhere.
    async fn close(&self, replaced: Vec<Place>) {
        let mut connections: HashMap<_, Vec<u64>> = HashMap::new();
        for Place { gateway, connection } in replaced {
            connections.entry(gateway).or_default().push(connection);
        }
        let batches = connections.into_iter().map(|(gateway, connections)| {
            let gateway = GatewayRef { id: gateway.id.to_string(), epoch: gateway.epoch };
            (gateway, vec![Body::Replaced(Replaced { connections }).into()])
        });
        self.publish(batches.collect()).await;
    }

    /// Leaves out those who are to be told offline and are back, perhaps through another replica.
    async fn still_true(&self, batch: Vec<Announcement>) -> Vec<Announcement> {
        let gone: Vec<UserId> = batch
            .iter()
            .filter(|told| told.after.devices == 0)
            .map(|told| told.user_id.clone())
            .collect();
        if gone.is_empty() {
            return batch;
        }
        let states = match self.store.states(&gone).await {
            Ok(states) => states,
            Err(error) => {
                tracing::debug!(%error, users = batch.len(), "changes are told later");
                self.announcements.put_back(batch, AnnouncementOutcome::WithoutPlaces);
                return Vec::new();
            }
        };
        let back: BTreeSet<UserId> = gone
            .into_iter()
            .zip(states)
            .filter(|(_, state)| state.standing.devices > 0)
            .map(|(user_id, _)| user_id)
            .collect();
        self.metrics.announced(AnnouncementOutcome::Suppressed, back.len());
        batch.into_iter().filter(|told| !back.contains(&told.user_id)).collect()
    }

    /// Where there is more to tell, half of the time is left to those who use the same services for
    /// messages: thousands who leave at once, or one who has thousands of contacts, would slow all down.
    async fn pause(&self, began: Instant) {
        let pause = began.elapsed().min(LONGEST_PAUSE);
        let _ = tokio::time::timeout(pause, self.ended.cancelled()).await;
    }

    /// One batch a gateway. A gateway that is gone or full misses it; false when the bus is away.
    async fn publish(&self, batches: Vec<(GatewayRef, Vec<Push>)>) -> bool {
        let published = join_all(batches.into_iter().map(|(gateway, pushes)| async move {
            let published = self.bus.publish_pushes(&gateway, PushBatch { pushes }).await;
            published.map_err(|error| (gateway.id, error))
        }));
        let mut is_there = true;
        for (gateway_id, error) in published.await.into_iter().filter_map(Result::err) {
            tracing::debug!(gateway.id = gateway_id, %error, "presence is not told to a gateway");
            self.metrics.push_failures.inc();
            is_there &= !matches!(error, PublishError::Unavailable(_) | PublishError::Unknown(_));
        }
        is_there
    }
}
