//! A webhook as a follower: what it is given goes to a worker that delivers, so that a slow receiver holds up nobody but
//! itself; the cursor follows what the worker has done.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use platform::shutdown::Tasks;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::chosen::items;
use super::progress::Progress;
use super::wanted::Wanted;
use super::worker::{Page, Worker};
use super::{KIND, WebhookParts};
use crate::domain::webhook::Webhook;
use crate::followers::FollowerParts;
use crate::followers::follower::{Follower, WorkError};
use crate::store::tail::{Position, TailPage};

/// How long a page waits for room at the worker before it is given again.
const PATIENCE: Duration = Duration::from_secs(1);

/// One webhook.
pub(super) struct WebhookFollower {
    name: String,
    parts: FollowerParts,
    webhooks: WebhookParts,
    webhook: Webhook,
    wanted: Wanted,
    tasks: Tasks,
    running: Mutex<Option<Running>>,
}

/// While this process has it.
struct Running {
    pages: mpsc::Sender<Page>,
    progress: Arc<Progress>,
    stop: CancellationToken,
    worker: JoinHandle<()>,
}

impl WebhookFollower {
    pub(super) fn new(
        parts: FollowerParts,
        webhooks: WebhookParts,
        webhook: Webhook,
        tasks: Tasks,
    ) -> Self {
        let (name, wanted) = (webhook.key.follower(), Wanted::new(&webhook));
        Self { name, parts, webhooks, webhook, wanted, tasks, running: Mutex::default() }
    }

    fn progress(&self) -> Option<Arc<Progress>> {
        self.running.lock().as_ref().map(|running| Arc::clone(&running.progress))
    }
}

#[async_trait]
impl Follower for WebhookFollower {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn begin(&self, from: Position) {
        let progress = Arc::new(Progress::from(from));
        let (pages, waiting) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let worker = Worker::new(
            self.parts.clone(),
            self.webhooks.clone(),
            self.webhook.clone(),
            Arc::clone(&progress),
            from,
        );
        // Joined by `end`, which follows each `begin`.
        let worker = self.tasks.spawn("webhook worker", worker.run(waiting, stop.clone()));
        *self.running.lock() = Some(Running { pages, progress, stop, worker });
    }

    async fn end(&self) {
        let Some(running) = self.running.lock().take() else { return };
        running.stop.cancel();
        // Its panic was counted where it happened.
        let _ = running.worker.await;
    }

    fn pause(&self) -> Option<Duration> {
        self.progress()?.pause()
    }

    async fn work(&self, page: &TailPage) -> Result<Position, WorkError> {
        let items = items(&*self.parts.store, &self.wanted, page.rows.iter()).await;
        let items = items.map_err(|error| WorkError::Unavailable(error.to_string()))?;
        let away = || WorkError::Unavailable("nobody delivers".to_owned());
        let (pages, progress) = {
            let running = self.running.lock();
            let running = running.as_ref().ok_or_else(away)?;
            (running.pages.clone(), Arc::clone(&running.progress))
        };
        let sent = pages.send_timeout(Page { items, next: page.next }, PATIENCE).await;
        sent.map_err(|_| WorkError::Unavailable("the receiver is slower than the log".to_owned()))?;
        Ok(progress.done())
    }

    async fn due(&self) -> Result<Option<Position>, WorkError> {
        Ok(self.progress().map(|progress| progress.done()))
    }
}
