//! Tells devices how far their user's conversations have come: in `pong`, and unasked when pushes may
//! have been lost. A device that computes another digest syncs, so the last push of a quiet
//! conversation is missed for one heartbeat at most.
//!
//! Heads are read anew every time, never remembered. In each group one call is under way at a time, and some
//! time passes between two; who asks meanwhile shares the next one. A lone ping is answered at once. Users
//! with very many conversations have a group of their own, as have those of whom that is not known yet: what
//! they cost delays nobody else. A connection has one place in the queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use platform::grpc::GrpcChannel;
use platform::shutdown::Shutdown;
use proto::chat::chat_client::ChatClient;
use proto::chat::{HeadsReply, HeadsRequest};
use proto::frame::server::{Pong, ServerFrame};
use proto::id::UserId;
use quick_cache::sync::Cache;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::connections::outbox::OutboxLimits;
use crate::connections::{Connection, Registry};
use crate::down::epoch::Epoch;
use crate::down::notices::NoticeHeads;
use crate::metrics::GatewayMetrics;
use crate::net::frame::{About, Class, Frame};

/// Connections of one call.
const CHUNK: usize = 500;
/// Pings waiting in a group; those beyond are answered without heads.
const QUEUE: usize = 10_000;
/// How long a call may take: clients wait a few seconds for `pong`.
const CALL: Duration = Duration::from_secs(2);
/// Users with more conversations are asked about one by one.
const MANY: u32 = 2_000;
/// Such users asked about at once.
const MANY_AT_ONCE: usize = 4;
/// Such users that are remembered beyond their connections.
const REMEMBERED: usize = 10_000;

/// Who is asked about together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// Users with few conversations.
    Few,
    /// Those of whom it is not known.
    Unknown,
    /// Users with very many.
    Many,
}

const GROUPS: [Group; 3] = [Group::Few, Group::Unknown, Group::Many];

/// Hands pings to the tasks that answer them.
#[derive(Debug, Clone)]
pub(crate) struct HeadsLink {
    groups: [mpsc::Sender<Ask>; 3],
    /// Users with very many conversations, so that one who comes back is known.
    many: Arc<Cache<UserId, ()>>,
}

#[derive(Debug)]
enum Ask {
    Ping(Arc<Connection>),
    Everybody,
}

/// What the tasks read, by group.
pub(crate) struct HeadsAsks([mpsc::Receiver<Ask>; 3]);

impl HeadsLink {
    /// The entrance and what the tasks read.
    pub(crate) fn new() -> (Self, HeadsAsks) {
        let [few, unknown, many] = GROUPS.map(|_| mpsc::channel(QUEUE));
        let groups = [few.0, unknown.0, many.0];
        let link = Self { groups, many: Arc::new(Cache::new(REMEMBERED)) };
        (link, HeadsAsks([few.1, unknown.1, many.1]))
    }

    /// Answers a ping with `pong` soon. False when it is to be answered without heads.
    pub(crate) fn ping(&self, connection: &Arc<Connection>) -> bool {
        if connection.heads.is_waiting.swap(true, Ordering::Relaxed) {
            return false;
        }
        let group = self.group(connection);
        let asked = self.groups[group as usize].try_send(Ask::Ping(Arc::clone(connection)));
        if asked.is_err() {
            connection.heads.is_waiting.store(false, Ordering::Relaxed);
        }
        asked.is_ok()
    }

    /// Tells every connection soon, unless very many ask already: those learn it by their own ping.
    pub(crate) fn try_tell_everybody(&self) {
        for group in &self.groups {
            let _ = group.try_send(Ask::Everybody);
        }
    }

    /// Tells every connection: what was pushed to this gateway lately may not have come.
    pub(crate) async fn tell_everybody(&self) {
        for group in &self.groups {
            // Nobody is left to be told when the task has ended.
            let _ = group.send(Ask::Everybody).await;
        }
    }

    fn group(&self, connection: &Connection) -> Group {
        match connection.heads.known.load(Ordering::Relaxed) {
            0 if self.many.get(&connection.user_id).is_some() => Group::Many,
            0 => Group::Unknown,
            known if known > MANY => Group::Many,
            _ => Group::Few,
        }
    }

    fn learned(&self, connection: &Connection, conversations: u32) {
        connection.heads.known.store(conversations.saturating_add(1), Ordering::Relaxed);
        if conversations >= MANY {
            self.many.insert(connection.user_id.clone(), ());
        }
    }
}

#[derive(Clone)]
pub(crate) struct HeadsTeller {
    pub(crate) chat: ChatClient<GrpcChannel>,
    pub(crate) link: HeadsLink,
    pub(crate) epoch: Arc<Epoch>,
    pub(crate) notices: Arc<NoticeHeads>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) limits: OutboxLimits,
    /// From one call to the next, at least.
    pub(crate) apart: Duration,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) shutdown: Shutdown,
}

impl HeadsTeller {
    /// Answers until the end.
    pub(crate) async fn run(self, asks: HeadsAsks) {
        let groups = GROUPS.into_iter().zip(asks.0);
        let groups = groups.map(|(group, asks)| self.clone().run_group(group, asks));
        futures_util::future::join_all(groups).await;
    }

    async fn run_group(self, group: Group, mut asks: mpsc::Receiver<Ask>) {
        let mut next_call = Instant::now();
        loop {
            let first = tokio::select! {
                first = asks.recv() => first,
                () = self.shutdown.forced() => return,
            };
            let Some(first) = first else { return };
            tokio::select! {
                () = tokio::time::sleep_until(next_call) => {}
                () = self.shutdown.forced() => return,
            }
            next_call = Instant::now() + self.apart;
            let (mut pings, mut is_everybody) = (Vec::new(), false);
            let mut next = Some(first);
            while let Some(ask) = next {
                match ask {
                    Ask::Ping(connection) => pings.push(connection),
                    Ask::Everybody => is_everybody = true,
                }
                next = if pings.len() < CHUNK { asks.try_recv().ok() } else { None };
            }
            self.tell_in(group, &pings, true).await;
            if is_everybody {
                let mut all = self.registry.all();
                all.retain(|connection| self.link.group(connection) == group);
                for connections in all.chunks(CHUNK) {
                    self.tell_in(group, connections, false).await;
                }
            }
        }
    }

    async fn tell_in(&self, group: Group, connections: &[Arc<Connection>], is_asked: bool) {
        if group != Group::Many {
            return self.tell(connections, is_asked).await;
        }
        let mut users: HashMap<&UserId, Vec<Arc<Connection>>> = HashMap::new();
        for connection in connections {
            users.entry(&connection.user_id).or_default().push(Arc::clone(connection));
        }
        let each = |connections: Vec<_>| async move { self.tell(&connections, is_asked).await };
        futures_util::stream::iter(users.into_values())
            .for_each_concurrent(MANY_AT_ONCE, each)
            .await;
    }

    async fn tell(&self, connections: &[Arc<Connection>], is_asked: bool) {
        if connections.is_empty() {
            return;
        }
        let user_ids =
            connections.iter().map(|connection| connection.user_id.to_string()).collect();
        let mut chat = self.chat.clone();
        let call = chat.heads(HeadsRequest { user_ids });
        let reply = match tokio::time::timeout(CALL, call).await {
            Ok(Ok(reply)) => reply.into_inner(),
            Ok(Err(status)) => {
                tracing::debug!(%status, "heads cannot be told");
                HeadsReply::default()
            }
            Err(_elapsed) => HeadsReply::default(),
        };
        self.epoch.told(&reply.epoch);
        for (place, connection) in connections.iter().enumerate() {
            if let Some(conversations) = reply.conversations.get(place) {
                self.link.learned(connection, *conversations);
            }
            if is_asked {
                connection.heads.is_waiting.store(false, Ordering::Relaxed);
            }
            let heads = reply.digests.get(place).copied();
            if heads.is_some() || is_asked {
                let heads2 = reply.digests_with_entries.get(place).copied();
                let heads2 = heads2.filter(|_| connection.heads.compares_entries);
                let notices = self.notices.for_connection(connection);
                self.push(connection, Pong { heads, heads2, notices });
            }
        }
    }

    fn push(&self, connection: &Connection, pong: Pong) {
        let json = ServerFrame::Pong(pong).to_json();
        let frame = Frame::new(&json, About::class(Class::Receipt));
        let dropped = connection.outbox.push(frame, self.limits);
        self.metrics.dropped(dropped.by_kind());
    }
}
