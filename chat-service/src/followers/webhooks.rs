//! Webhooks: each is a follower with a cursor of its own, so that one receiver holds up no other. Here is who runs them:
//! those that are enabled, begun anew when an operator changed them.
//!
//! What a webhook has still to get: what comes after its cursor, and of a conversation in `subscriber_blocked` what is from its
//! place on. So whatever piles up behind a failed delivery is one row; the log is the queue.

mod chosen;
mod desk;
mod follower;
mod moments;
mod progress;
mod retries;
mod wanted;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::moments::Moments;
use platform::shutdown::{Shutdown, Tasks};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::{FollowerParts, Following};
use crate::domain::webhook::{Webhook, WebhookKey};
use crate::webhooks::Sender;

pub use crate::domain::webhook::KIND;
pub(crate) use chosen::replayed;
pub use desk::send_test;
use follower::WebhookFollower;
use moments::MomentFeed;

/// How long what runs for webhooks may take to end.
const JOIN: Duration = Duration::from_secs(5);
/// How often it is looked which webhooks there are.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The section `[webhooks]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// Hosts of receivers that may have private addresses and may be reached without TLS: names or addresses. All others
    /// have to be public and reached over https.
    pub insecure_hosts: Vec<String>,
    /// Maximum number of webhooks of a tenant.
    pub per_tenant: u32,
    /// Delays after which a failed delivery is tried again, one after the other, in seconds; a fifth more or less. After the
    /// last the event is given up and listed as dead.
    pub retry_secs: Vec<u64>,
    /// Time without a success after which a webhook is disabled, in seconds.
    pub disable_after_secs: u64,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            insecure_hosts: Vec::new(),
            per_tenant: 50,
            retry_secs: vec![5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400],
            disable_after_secs: 432_000,
        }
    }
}

impl WebhookSettings {
    /// Whether it can be used.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.retry_secs.is_empty() {
            return Err("webhooks.retry_secs: at least one delay");
        }
        Ok(())
    }
}

/// What deliveries are made with.
#[derive(Clone)]
pub struct WebhookParts {
    pub sender: Sender,
    pub settings: Arc<WebhookSettings>,
    pub moments: Moments,
    /// What is told in this process and the others.
    feed: MomentFeed,
}

impl WebhookParts {
    /// Makes the client; the error is that of the system's TLS.
    pub fn new(settings: WebhookSettings, moments: Moments) -> anyhow::Result<Self> {
        let sender = Sender::new(settings.insecure_hosts.clone())?;
        let feed = MomentFeed::default();
        Ok(Self { sender, settings: Arc::new(settings), moments, feed })
    }
}

struct Running {
    version: u64,
    stop: Shutdown,
    walk: JoinHandle<()>,
}

impl Running {
    async fn end(self) {
        self.stop.begin();
        // Its panic was counted where it happened.
        let _ = self.walk.await;
    }
}

/// Runs the webhooks that are enabled until stopping has begun.
pub async fn run(
    parts: FollowerParts,
    webhooks: WebhookParts,
    following: Following,
    shutdown: Shutdown,
) {
    let tasks = Tasks::new();
    let feeding = moments::feed(
        Arc::clone(&parts.bus),
        webhooks.clone(),
        parts.metrics.clone(),
        shutdown.clone(),
    );
    tasks.spawn("moments for webhooks", feeding);
    let mut running: HashMap<WebhookKey, Running> = HashMap::new();
    loop {
        match parts.store.enabled_webhooks().await {
            Ok(enabled) => {
                let enabled: HashMap<_, _> = enabled.into_iter().map(|it| (it.key, it)).collect();
                end_changed(&parts, &mut running, &enabled).await;
                for (key, webhook) in enabled {
                    running
                        .entry(key)
                        .or_insert_with(|| start(&parts, &webhooks, &following, webhook, &tasks));
                }
            }
            Err(error) => tracing::debug!(%error, "it is not known which webhooks there are"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = shutdown.begun() => break,
        }
    }
    for webhook in running.values() {
        webhook.stop.begin();
    }
    for (_, webhook) in running {
        webhook.end().await;
    }
    if tasks.join(JOIN).await.is_err() {
        tracing::warn!("not all that webhooks do has ended");
    }
}

async fn end_changed(
    parts: &FollowerParts,
    running: &mut HashMap<WebhookKey, Running>,
    enabled: &HashMap<WebhookKey, Webhook>,
) {
    let is_changed = |(key, it): (&WebhookKey, &Running)| {
        let is_same = enabled.get(key).is_some_and(|webhook| webhook.version == it.version);
        (!is_same || it.walk.is_finished()).then_some(*key)
    };
    let changed: Vec<_> = running.iter().filter_map(is_changed).collect();
    for key in changed {
        if let Some(webhook) = running.remove(&key) {
            webhook.end().await;
        }
        // One that was removed may have renewed its lease since.
        if matches!(parts.store.webhook(key).await, Ok(None)) {
            let forgotten = parts.store.forget_follower(&key.follower()).await;
            if let Err(error) = forgotten {
                tracing::debug!(%error, "the cursor of a webhook that was removed stays");
            }
        }
    }
}

fn start(
    parts: &FollowerParts,
    webhooks: &WebhookParts,
    following: &Following,
    webhook: Webhook,
    tasks: &Tasks,
) -> Running {
    let (version, stop) = (webhook.version, Shutdown::new());
    let follower = WebhookFollower::new(parts.clone(), webhooks.clone(), webhook, tasks.clone());
    let walk = following.walk(parts, Arc::new(follower));
    let walk = tasks.spawn("webhook", walk.run(stop.clone()));
    Running { version, stop, walk }
}
