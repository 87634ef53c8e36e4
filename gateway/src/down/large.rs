//! Large conversations: their pushes name no connections, this gateway knows which of its own are
//! members, and hands out a slice at a time, so that everything else goes on in between.
//!
//! Every entry of such a conversation passes through here in the order of its log, so what is known of
//! one entry is carried to the next: who joined, who left. Where the order has a hole, or nothing is
//! known, the chat service is asked; it is also asked about users who connected meanwhile. A connection
//! that arrives after the push needs no answer: its sync begins after the entry was committed.
//!
//! Keeps nothing that cannot be asked for again. What cannot be handed out is left to the heads.

mod conversation;
mod members_query;
mod writers;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use platform::grpc::GrpcChannel;
use proto::bus::EntryPush;
use proto::chat::chat_client::ChatClient;
use proto::id::ConversationKey;
use tokio_util::task::TaskTracker;

use crate::connections::outbox::OutboxLimits;
use crate::connections::{Connection, Registry};
use crate::down::heads::HeadsLink;
use crate::down::own_keys::OwnKeys;
use crate::explain::journal::Journal;
use crate::freeze_detector::FreezeDetector;
use crate::limits::LimitsConfig;
use crate::memory::Budget;
use crate::metrics::GatewayMetrics;
use crate::net::frame::{About, Frame};
use conversation::{LargeConversation, Need, WaitingPush};
use members_query::{Answer, ask};
use writers::{Free, Round, Writers, Writing};

/// Slices of a round that is over so soon that it may have all cores.
const SHORT_ROUND: usize = 32;

/// What they work with.
pub(crate) struct LargeParts {
    pub(crate) registry: Arc<Registry>,
    pub(crate) chat: ChatClient<GrpcChannel>,
    pub(crate) heads: HeadsLink,
    pub(crate) limits: Arc<LimitsConfig>,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) freeze: Arc<FreezeDetector>,
    pub(crate) journal: Arc<Journal>,
    /// What is under way is joined with the tasks of sockets.
    pub(crate) tasks: TaskTracker,
    /// Of all that waits for members.
    pub(crate) memory: Budget,
}

/// The large conversations that pushes came for lately.
pub(crate) struct LargeConversations {
    registry: Arc<Registry>,
    chat: ChatClient<GrpcChannel>,
    heads: HeadsLink,
    limits: Arc<LimitsConfig>,
    metrics: GatewayMetrics,
    writers: Writers,
    memory: Budget,
    channels: HashMap<ConversationKey, LargeConversation>,
    /// The conversations with something to hand out now; they take turns.
    ready: VecDeque<ConversationKey>,
    asks: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// Counts what happens: names asks, and tells what was used longest ago.
    clock: u64,
}

impl LargeConversations {
    /// Knows nothing yet.
    pub(crate) fn new(parts: LargeParts) -> Self {
        let LargeParts { registry, chat, heads, limits, metrics, freeze, journal, tasks, memory } =
            parts;
        let writing = Writing { freeze, journal, metrics: metrics.clone() };
        Self {
            registry,
            chat,
            heads,
            metrics,
            writers: Writers::new(writing, tasks, limits.channel_writers),
            memory,
            limits,
            channels: HashMap::new(),
            ready: VecDeque::new(),
            asks: FuturesUnordered::new(),
            clock: 0,
        }
    }

    /// True while no large conversation is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// True while pushes of this conversation wait: later ones must not overtake them.
    pub(crate) fn is_waiting(&self, id: ConversationKey) -> bool {
        self.channels.get(&id).is_some_and(|channel| !channel.waiting.is_empty())
    }

    /// Takes a push of a large conversation, or one that stands behind such.
    pub(crate) fn take(&mut self, id: ConversationKey, mut push: EntryPush, traceparent: String) {
        self.clock += 1;
        let channel = self.channels.entry(id).or_default();
        channel.used_at = self.clock;
        if channel.waiting.len() >= self.limits.channel_pushes.max(1) {
            return self.lose(id);
        }
        let mut share = self.memory.empty(None);
        let blank = push.channel.as_mut().map(|about| std::mem::take(&mut about.blank));
        let blank = blank.filter(|blank| !blank.is_empty());
        if share.grow(push.frame.len() + blank.as_ref().map_or(0, Bytes::len)).is_err() {
            return self.lose(id);
        }
        let arrivals = self.registry.arrivals();
        // Its operation was repeated, or a chat service repeats a batch that it had begun. A connection to which later
        // entries were written must not get this one after them.
        let is_late = push.seq < channel.newest;
        channel.newest = channel.newest.max(push.seq);
        let about = |traceparent| About { is_late, ..About::entry(&push, traceparent) };
        let most = self.limits.frame_bytes;
        let blank = blank.map(|blank| Frame::within(most, &blank, about(traceparent.clone())));
        let about = about(traceparent);
        let keys = OwnKeys::of(&push, most, &about);
        // It is kept twice until it is handed out.
        if keys.is_some() && share.grow(push.frame.len()).is_err() {
            return self.lose(id);
        }
        let frame = match &keys {
            Some(keys) => Frame::within(most, &keys.without(), about),
            None => Frame::within(most, &push.frame, about),
        };
        // Not twice, and not with all that came in the same batch.
        push.frame = Bytes::new();
        channel.waiting.push_back(WaitingPush {
            push,
            frame,
            keys,
            blank,
            _share: share,
            arrivals,
            asked: 0,
            left: 0,
        });
        if channel.waiting.len() == 1 {
            self.advance(id);
        }
    }

    /// Takes an answer, or hands out a slice when a writer is free. Pending when there is neither. Cancel
    /// safe.
    pub(crate) async fn turn(&mut self) {
        let round = self.round();
        tokio::select! {
            biased;
            Some(answer) = self.asks.next(), if !self.asks.is_empty() => self.answered(answer),
            Some(free) = self.writers.free(round), if !self.ready.is_empty() => {
                self.hand_out(free);
            }
            else => std::future::pending().await,
        }
    }

    /// What the channel whose turn it is has to hand out.
    fn round(&self) -> Round {
        let short = SHORT_ROUND * self.limits.channel_slice.max(1);
        match self.ready.front().and_then(|id| self.channels.get(id)) {
            Some(channel) if channel.members.len() > short => Round::Long,
            Some(channel) if channel.waiting.len() > 1 => Round::Burst,
            _ => Round::Short,
        }
    }

    /// Hands out a slice if a writer is free.
    pub(crate) fn hand_out_slice(&mut self) {
        if let Some(free) = self.writers.free_now(self.round()) {
            self.hand_out(free);
        }
    }

    /// Hands out a slice of the channel whose turn it is.
    fn hand_out(&mut self, free: Free) {
        let Some(id) = self.ready.pop_front() else { return };
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let limits = OutboxLimits::from(&*self.limits);
        let slice = channel.hand_out(self.limits.channel_slice.max(1), limits, &self.registry);
        self.metrics.dropped(slice.dropped.by_kind());
        self.writers.write(free, slice.connections);
        if channel.is_handed_out() {
            self.advance(id);
        } else {
            self.ready.push_back(id);
        }
    }

    /// Finds out what the first push that waits needs.
    fn advance(&mut self, id: ConversationKey) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        match channel.need(&self.registry, id.tenant) {
            Need::Nothing => {}
            Need::HandOut => {
                channel.begin(&self.registry);
                self.ready.push_back(id);
            }
            Need::Arrivals(connections, seen) => self.ask(id, connections, seen, false),
            Need::Everybody => {
                // In this order: who comes in between is asked about twice, not never.
                let seen = self.registry.arrivals();
                let sockets = self.registry.all();
                self.ask(id, sockets, seen, true);
            }
            Need::GiveUp => self.lose(id),
        }
    }

    fn ask(
        &mut self,
        id: ConversationKey,
        connections: Vec<Arc<Connection>>,
        seen: u64,
        is_everybody: bool,
    ) {
        self.clock += 1;
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.asking = self.clock;
        if let Some(first) = channel.waiting.front_mut() {
            first.asked += 1;
        }
        self.metrics.channel_asks.inc();
        let asking = self.clock;
        let asked = ask(self.chat.clone(), id, connections);
        self.asks.push(Box::pin(async move {
            Answer { id, asking, seen, is_everybody, members: asked.await }
        }));
    }

    fn answered(&mut self, answer: Answer) {
        let id = answer.id;
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.asking != answer.asking {
            // It was given up and begun anew meanwhile.
            return;
        }
        match answer.members {
            Some(members) => {
                channel.learn(members, answer.seen, answer.is_everybody);
                self.forget(id);
                self.advance(id);
            }
            None => self.lose(id),
        }
    }

    /// Gives up what waits for a channel: the devices are told how far it is, and sync.
    fn lose(&mut self, id: ConversationKey) {
        let lost = self.channels.remove(&id).map_or(0, |channel| channel.waiting.len());
        self.ready.retain(|ready| *ready != id);
        self.metrics.channel_lost.inc_by(lost as u64);
        tracing::warn!(conversation.id = %id.id, tenant = %id.tenant, lost, "pushes to a large conversation are given up");
        self.heads.try_tell_everybody();
    }

    /// Forgets the channels that were used longest ago when there are too many, or too many members.
    fn forget(&mut self, keep: ConversationKey) {
        let members = |channels: &HashMap<_, LargeConversation>| -> usize {
            channels.values().map(|channel| channel.members.len()).sum()
        };
        while self.channels.len() > self.limits.channels.max(1)
            || members(&self.channels) > self.limits.channel_members
        {
            let idle = self
                .channels
                .iter()
                .filter(|(id, channel)| **id != keep && channel.waiting.is_empty());
            let Some(oldest) = idle.min_by_key(|(_, channel)| channel.used_at).map(|(id, _)| *id)
            else {
                return;
            };
            self.channels.remove(&oldest);
        }
    }
}
