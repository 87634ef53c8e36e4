//! Large conversations: their pushes name no connections, this gateway knows which of its own are
//! members, and hands out a slice at a time, so that everything else goes on in between.
//!
//! Every entry of such a conversation passes through here in the order of its log, so what is known of
//! one entry is carried to the next: who joined, who left. Where the order has a hole, or nothing is
//! known, the chat service is asked; of those who connected meanwhile, too. An arrival later than the
//! push needs no answer: its sync begins after the entry was committed.
//!
//! Keeps nothing that cannot be asked for again. What cannot be handed out is left to the heads.

mod channel;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use platform::grpc::GrpcChannel;
use proto::bus::Push;
use proto::chat::chat_client::ChatClient;
use proto::id::ConversationKey;

use crate::ask::{Answer, ask};
use crate::config::LimitsConfig;
use crate::frame::{About, Frame};
use crate::heads::HeadsLink;
use crate::memory::Budget;
use crate::metrics::GatewayMetrics;
use crate::outbox::OutboxLimits;
use crate::registry::{Connection, Registry};
use crate::shared::Shared;
use crate::writers::{Free, Round, Writers};
use channel::{Channel, Need, Waiting};

/// Slices of a round that is over so soon that it may have all cores.
const SHORT_ROUND: usize = 32;

/// The large conversations that pushes came for lately.
pub(crate) struct Channels {
    registry: Arc<Registry>,
    chat: ChatClient<GrpcChannel>,
    heads: HeadsLink,
    limits: LimitsConfig,
    metrics: GatewayMetrics,
    writers: Writers,
    memory: Budget,
    channels: HashMap<ConversationKey, Channel>,
    /// Those with something to hand out now; each has its turn.
    ready: VecDeque<ConversationKey>,
    asks: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// Counts what happens: names asks, and tells what was used longest ago.
    clock: u64,
}

impl Channels {
    /// Knows nothing yet.
    pub(crate) fn new(shared: &Shared) -> Self {
        let limits = shared.limits.clone();
        Self {
            registry: Arc::clone(&shared.registry),
            chat: shared.chat.clone(),
            heads: shared.heads.clone(),
            metrics: shared.metrics.clone(),
            writers: Writers::new(shared, limits.channel_writers),
            memory: shared.budgets.channels.clone(),
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
    pub(crate) fn take(&mut self, id: ConversationKey, mut push: Push) {
        self.clock += 1;
        let channel = self.channels.entry(id).or_default();
        channel.used_at = self.clock;
        if channel.waiting.len() >= self.limits.channel_pushes.max(1) {
            return self.lose(id);
        }
        let mut share = self.memory.empty(None);
        if share.grow(push.frame.len()).is_err() {
            return self.lose(id);
        }
        let arrivals = self.registry.arrivals();
        // Its operation came again, or a service that repeats what it had begun: whoever has the later ones written
        // already is not to have this one after them.
        let is_late = push.seq < channel.newest;
        channel.newest = channel.newest.max(push.seq);
        let about = About { is_late, ..About::pushed(&push) };
        let frame = Frame::within(self.limits.frame_bytes, &push.frame, about);
        // Not twice, and not with all that came in the same batch.
        push.frame = Bytes::new();
        channel.waiting.push_back(Waiting {
            push,
            frame,
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
        let limits = OutboxLimits::from(&self.limits);
        let slice = channel.hand_out(self.limits.channel_slice.max(1), limits, &self.registry);
        self.metrics.dropped(slice.dropped);
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
                let sockets = self.registry.sockets();
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
        let members = |channels: &HashMap<_, Channel>| -> usize {
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
