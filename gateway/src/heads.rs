//! Tells devices how far their user's conversations have come: in `pong`, and unasked when pushes may
//! have been lost. A device that computes another digest syncs, so the last push of a quiet
//! conversation is missed for one heartbeat at most.
//!
//! Heads are read anew every time, never remembered. One call is under way at a time, and some time passes
//! between two; who asks meanwhile shares the next one. A lone ping is answered at once.

use std::sync::Arc;
use std::time::Duration;

use platform::grpc::GrpcChannel;
use platform::shutdown::Shutdown;
use proto::bus::PushClass;
use proto::chat::HeadsRequest;
use proto::chat::chat_client::ChatClient;
use proto::frame::server::{Pong, ServerFrame};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::frame::{About, Frame};
use crate::metrics::GatewayMetrics;
use crate::outbox::OutboxLimits;
use crate::registry::{Connection, Registry};

/// Connections of one call.
const CHUNK: usize = 500;
/// Pings waiting; those beyond are answered without heads.
const QUEUE: usize = 10_000;
/// How long a call may take: clients wait a few seconds for `pong`.
const CALL: Duration = Duration::from_secs(2);

/// Hands pings to the task that answers them.
#[derive(Debug, Clone)]
pub(crate) struct HeadsLink {
    sender: mpsc::Sender<Ask>,
}

enum Ask {
    Ping(Arc<Connection>),
    Everybody,
}

pub(crate) struct HeadsAsks(mpsc::Receiver<Ask>);

impl HeadsLink {
    /// The entrance and what the task reads.
    pub(crate) fn new() -> (Self, HeadsAsks) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self { sender }, HeadsAsks(receiver))
    }

    /// Answers a ping with `pong` soon. False when it is to be answered without heads.
    pub(crate) fn ping(&self, connection: &Arc<Connection>) -> bool {
        self.sender.try_send(Ask::Ping(Arc::clone(connection))).is_ok()
    }

    /// Tells every connection soon, unless very many ask already: those learn it by their own ping.
    pub(crate) fn try_tell_everybody(&self) {
        let _ = self.sender.try_send(Ask::Everybody);
    }

    /// Tells every connection: what was pushed to this gateway lately may not have come.
    pub(crate) async fn tell_everybody(&self) {
        // Nobody is left to be told when the task has ended.
        let _ = self.sender.send(Ask::Everybody).await;
    }
}

pub(crate) struct HeadsTeller {
    pub(crate) chat: ChatClient<GrpcChannel>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) limits: OutboxLimits,
    /// From one call to the next, at least.
    pub(crate) apart: Duration,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) shutdown: Shutdown,
}

impl HeadsTeller {
    /// Answers until the end.
    pub(crate) async fn run(self, mut asks: HeadsAsks) {
        let mut next_call = Instant::now();
        loop {
            let first = tokio::select! {
                first = asks.0.recv() => first,
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
                next = if pings.len() < CHUNK { asks.0.try_recv().ok() } else { None };
            }
            self.tell(&pings, true).await;
            if is_everybody {
                for connections in self.registry.all().chunks(CHUNK) {
                    self.tell(connections, false).await;
                }
            }
        }
    }

    async fn tell(&self, connections: &[Arc<Connection>], is_asked: bool) {
        if connections.is_empty() {
            return;
        }
        let user_ids =
            connections.iter().map(|connection| connection.user_id.to_string()).collect();
        let mut chat = self.chat.clone();
        let call = chat.heads(HeadsRequest { user_ids });
        let digests = match tokio::time::timeout(CALL, call).await {
            Ok(Ok(reply)) => reply.into_inner().digests,
            Ok(Err(status)) => {
                tracing::debug!(%status, "heads cannot be told");
                Vec::new()
            }
            Err(_elapsed) => Vec::new(),
        };
        for (place, connection) in connections.iter().enumerate() {
            let heads = digests.get(place).copied();
            if heads.is_some() || is_asked {
                self.push(connection, Pong { heads });
            }
        }
    }

    fn push(&self, connection: &Connection, pong: Pong) {
        let json = ServerFrame::Pong(pong).to_json();
        let frame = Frame::new(&json, About::class(PushClass::Receipt));
        let dropped = connection.outbox.push(frame, self.limits);
        self.metrics.dropped(dropped);
    }
}
