//! Delivers what a webhook has still to get: the events of a conversation one after the other, those of different conversations
//! beside each other. One task for each webhook, so that its state needs no lock; requests run beside it, questions to the
//! store do not.

mod blocked;
mod failing;
mod replays;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use proto::id::{ConversationId, ConversationKey};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::WebhookParts;
use super::moments::{Heard, Hearing};
use super::progress::Progress;
use super::retries::Retries;
use super::wanted::Wanted;
use crate::clock::steady_ms;
use crate::domain::webhook::{Blocked, Webhook};
use crate::events::EventType;
use crate::followers::FollowerParts;
use crate::store::StoreError;
use crate::store::tail::Position;
use crate::webhooks::{Delivery, Refused};

/// Events that wait in memory beyond which no further page is taken.
const MOST_WAITING: usize = 3_000;
/// How often it is looked what has become due.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long to wait before a store that is away is asked again.
const STORE_AWAY: Duration = Duration::from_secs(1);
/// Conversations of which it is remembered how far they were delivered out of turn.
const REMEMBERED: usize = 10_000;

/// An event on its way.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) position: Position,
    pub(super) conversation_id: ConversationId,
    pub(super) seq: u64,
    pub(super) delivery: Delivery,
    pub(super) r#type: EventType,
}

/// What a page of the tail holds for this webhook.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    pub(super) next: Position,
}

/// A conversation that waits.
struct Waiting {
    row: Blocked,
    /// The last event of it that the tail has passed because of the row.
    covered: u64,
}

/// How a request ended.
enum Ended {
    /// The first of a conversation's queue.
    InTurn { conversation_id: ConversationId, result: Result<(), Refused> },
    /// Of a conversation that had waited: up to before `next_seq` all is delivered.
    CaughtUp { conversation_id: ConversationId, next_seq: u64, refused: Option<(Item, Refused)> },
    /// A moment, whose end is nobody's concern.
    Moment(Result<(), Refused>),
    /// One that was given up before.
    Replayed { item: Box<Item>, result: Result<(), Refused> },
}

pub(super) struct Worker {
    parts: FollowerParts,
    webhooks: WebhookParts,
    webhook: Webhook,
    wanted: Wanted,
    progress: Arc<Progress>,
    retries: Retries,
    /// What is in turn, by conversation.
    queues: HashMap<ConversationId, VecDeque<Item>>,
    /// Those of them of which nothing is under way, in turn.
    ready: VecDeque<ConversationId>,
    /// How many events of each position are not done.
    open: BTreeMap<Position, usize>,
    /// All up to here was taken.
    read: Position,
    waiting: HashMap<ConversationId, Waiting>,
    /// From where on conversations go on that had waited.
    caught_up: HashMap<ConversationId, u64>,
    /// Conversations that failed, while it is open whether the receiver does.
    held: Vec<(ConversationId, Refused)>,
    replays: replays::Replays,
    busy: HashSet<ConversationId>,
    under_way: FuturesUnordered<BoxFuture<'static, Ended>>,
    is_disabled: bool,
}

impl Worker {
    pub(super) fn new(
        parts: FollowerParts,
        webhooks: WebhookParts,
        webhook: Webhook,
        progress: Arc<Progress>,
        from: Position,
    ) -> Self {
        let retries = Retries::new(
            &webhooks.settings.retry_secs,
            (webhook.attempt, webhook.next_at_ms),
            webhook.failing_since_ms,
            webhook.last_errors.clone(),
            steady_ms(),
        );
        Self {
            parts,
            webhooks,
            wanted: Wanted::new(&webhook),
            webhook,
            progress,
            retries,
            queues: HashMap::new(),
            ready: VecDeque::new(),
            open: BTreeMap::new(),
            read: from,
            waiting: HashMap::new(),
            caught_up: HashMap::new(),
            held: Vec::new(),
            replays: replays::Replays::default(),
            busy: HashSet::new(),
            under_way: FuturesUnordered::new(),
            is_disabled: false,
        }
    }

    /// Delivers until it is stopped. What was under way then comes again.
    pub(super) async fn run(mut self, mut pages: mpsc::Receiver<Page>, stop: CancellationToken) {
        while let Err(error) = self.load().await {
            tracing::debug!(%error, "a webhook waits for the store");
            tokio::select! {
                () = tokio::time::sleep(STORE_AWAY) => {}
                () = stop.cancelled() => return,
            }
        }
        let hear = || self.webhooks.feed.subscribe(self.parts.metrics.clone());
        let mut moments = self.wanted.wants_moments().then(hear);
        while !self.is_disabled {
            if let Err(error) = self.start_what_is_due().await {
                tracing::debug!(%error, "a webhook waits for the store");
            }
            self.report();
            let has_room = self.open.values().sum::<usize>() < MOST_WAITING;
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                Some(ended) = self.under_way.next(), if !self.under_way.is_empty() => ended,
                page = pages.recv(), if has_room => match page {
                    Some(page) => {
                        self.take(page);
                        continue;
                    }
                    None => return,
                },
                heard = next(&mut moments) => {
                    self.take_moment(&heard);
                    continue;
                }
                () = tokio::time::sleep(LOOK_EVERY) => {
                    self.decide_on_held().await;
                    continue;
                }
            };
            self.ended(ended).await;
            self.decide_on_held().await;
        }
        // The cursor stays: when the webhook is enabled again it goes on from there.
        self.progress.pause_until(u64::MAX);
        stop.cancelled().await;
    }

    /// What it had still to get before.
    async fn load(&mut self) -> Result<(), StoreError> {
        let (key, store) = (self.webhook.key, &self.parts.store);
        let most = failing::MOST_BLOCKED as u32 + 1;
        for mut row in store.blocked(key, most).await? {
            // Another process wrote it, by a clock that may have been wrong.
            row.next_at_ms = self.retries.soon(row.next_at_ms, row.attempt, steady_ms());
            self.waiting.insert(row.conversation_id, Waiting { row, covered: 0 });
        }
        self.load_replays().await
    }

    fn take(&mut self, page: Page) {
        for item in page.items {
            let id = item.conversation_id;
            if let Some(waiting) = self.waiting.get_mut(&id) {
                // The row holds it.
                waiting.covered = waiting.covered.max(item.seq);
                continue;
            }
            if self.caught_up.get(&id).is_some_and(|next| item.seq < *next) {
                continue;
            }
            *self.open.entry(item.position).or_insert(0) += 1;
            let queue = self.queues.entry(id).or_default();
            if queue.is_empty() && !self.busy.contains(&id) {
                self.ready.push_back(id);
            }
            queue.push_back(item);
        }
        self.read = self.read.max(page.next);
    }

    fn report(&self) {
        let before = |first: &Position| Position(first.0.saturating_sub(1));
        let done = self.open.keys().next().map_or(self.read, before);
        self.progress.set_done(done);
        self.progress.pause_until(self.retries.next_at_ms);
    }

    /// An event is delivered, or held by a row.
    fn done(&mut self, item: &Item) {
        if let Some(open) = self.open.get_mut(&item.position) {
            *open -= 1;
            if *open == 0 {
                self.open.remove(&item.position);
            }
        }
    }

    /// As many requests as there may be: of one that fails as a whole a single one.
    async fn start_what_is_due(&mut self) -> Result<(), StoreError> {
        let now = steady_ms();
        if self.retries.is_paused(now) {
            return Ok(());
        }
        let is_probing = self.retries.is_probing();
        let most =
            if is_probing { 1 } else { usize::from(self.webhook.config.max_in_flight.max(1)) };
        while self.under_way.len() < most {
            // A probe is of a conversation that is in turn where there is one: one that waits may be the only one that fails.
            let is_started = (is_probing && self.start_in_turn())
                || self.start_waiting(now).await?
                || (!is_probing && self.start_in_turn())
                || self.start_replay().await?;
            if !is_started {
                break;
            }
        }
        Ok(())
    }

    fn start_in_turn(&mut self) -> bool {
        let Some(conversation_id) = self.ready.pop_front() else { return false };
        let Some(item) = self.queues.get(&conversation_id).and_then(VecDeque::front).cloned()
        else {
            return true;
        };
        self.busy.insert(conversation_id);
        let (sender, webhook) = (self.webhooks.sender.clone(), self.webhook.clone());
        self.under_way.push(Box::pin(async move {
            let result = sender.send(&webhook, &item.delivery).await;
            Ended::InTurn { conversation_id, result }
        }));
        true
    }

    async fn ended(&mut self, ended: Ended) {
        match ended {
            Ended::InTurn { conversation_id: id, result: Ok(()) } => {
                self.busy.remove(&id);
                self.succeeded().await;
                let Some(queue) = self.queues.get_mut(&id) else { return };
                let item = queue.pop_front();
                if queue.is_empty() {
                    self.queues.remove(&id);
                } else {
                    self.ready.push_back(id);
                }
                if let Some(item) = item {
                    self.done(&item);
                }
            }
            Ended::InTurn { conversation_id: id, result: Err(refused) } => {
                self.busy.remove(&id);
                self.failed(id, &refused).await;
                self.held.push((id, refused));
            }
            Ended::CaughtUp { conversation_id, next_seq, refused } => {
                self.busy.remove(&conversation_id);
                self.caught_up(conversation_id, next_seq, refused).await;
            }
            Ended::Replayed { item, result } => self.replayed(&item, result).await,
            Ended::Moment(result) => self.parts.metrics.delivered(result.is_ok()),
        }
    }

    /// Sends a moment where there is room for a request, and the receiver does not fail as a whole.
    fn take_moment(&mut self, heard: &Heard) {
        if !self.wanted.wants_moment(heard) {
            return;
        }
        let most = usize::from(self.webhook.config.max_in_flight.max(1));
        let is_room = self.under_way.len() < most && !self.retries.is_paused(steady_ms());
        if !is_room || self.retries.is_probing() {
            return self.parts.metrics.moments_lost(1);
        }
        let delivery = Delivery { id: heard.id.clone(), body: heard.body.clone() };
        let (sender, webhook) = (self.webhooks.sender.clone(), self.webhook.clone());
        self.under_way
            .push(Box::pin(async move { Ended::Moment(sender.send(&webhook, &delivery).await) }));
    }

    /// A conversation of this webhook's tenant.
    fn conversation(&self, id: ConversationId) -> ConversationKey {
        ConversationKey::new(self.webhook.key.tenant, id)
    }
}

/// The next moment of a webhook that wants some.
async fn next(hearing: &mut Option<Hearing>) -> Arc<Heard> {
    match hearing {
        Some(hearing) => hearing.next().await,
        None => std::future::pending().await,
    }
}
