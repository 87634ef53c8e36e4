//! The supervised connections: build all, watch, and when anything breaks, build all again.
//!
//! The library's own recovery stays off: it gives up after some attempts and cannot tell what
//! became of publishes under way.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use lapin::{Connection, ConnectionProperties, Event};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::RabbitConfig;
use super::declare::{Declare, DeclareError};
use super::depths::Asking;
use super::publisher::Publishers;
use super::{Place, tls};
use crate::BusState;
use crate::topology::Topology;

/// One pair of connections. A memory or disk alarm blocks the publishing one; the other still
/// delivers and acknowledges.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) publishers: Publishers,
    pub(super) consuming: Connection,
    /// For questions about queues.
    pub(super) asking: Asking,
    publishing: Connection,
    /// A publish ended without a known outcome.
    broken: Arc<Notify>,
}

/// What there is to work with.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// Nothing now; the bus is connecting or closed.
    Without,
    Linked(Arc<Link>),
    /// Nothing until somebody changes the configuration or the broker.
    Mismatch(String),
}

/// Keeps a [`Link`] alive until the bus is closed.
pub(super) struct Supervisor {
    config: Arc<RabbitConfig>,
    place: Box<dyn Fn() -> Place + Send + Sync>,
    topology: Topology,
    stop: CancellationToken,
    tasks: TaskTracker,
    phase: watch::Sender<Phase>,
    state: watch::Sender<BusState>,
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("no answer within {0:?} while opening the connection to {1}")]
    Timeout(Duration, &'static str),
    #[error(transparent)]
    Declare(#[from] DeclareError),
    #[error(transparent)]
    Amqp(#[from] lapin::Error),
}

/// Why a link ended.
enum End {
    Broken(String),
    Stopped,
}

impl Supervisor {
    pub(super) fn new(
        config: Arc<RabbitConfig>,
        place: Box<dyn Fn() -> Place + Send + Sync>,
        topology: Topology,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> (Self, watch::Receiver<Phase>, watch::Receiver<BusState>) {
        let (phase, phases) = watch::channel(Phase::Without);
        let (state, states) =
            watch::channel(BusState::Down(format!("connecting to {}", config.place())));
        (Self { config, place, topology, stop, tasks, phase, state }, phases, states)
    }

    pub(super) async fn run(self) {
        let longest = Duration::from_millis(self.config.reconnect_max_ms);
        let mut pause = FIRST_PAUSE;
        loop {
            let connected = tokio::select! {
                connected = self.connect() => connected,
                () = self.stop.cancelled() => break,
            };
            let mut this_pause = pause.mul_f64(jitter());
            let reason = match connected {
                Ok(link) => {
                    pause = FIRST_PAUSE;
                    this_pause = pause.mul_f64(jitter());
                    match self.watch(link).await {
                        End::Broken(reason) => reason,
                        End::Stopped => break,
                    }
                }
                Err(ConnectError::Declare(error @ DeclareError::Mismatch { .. })) => {
                    // Somebody has to act, so it is looked at seldom, and said once and loudly.
                    this_pause = longest * MISMATCH_PAUSES;
                    self.mismatch(error.to_string())
                }
                Err(error) => {
                    self.phase.send_replace(Phase::Without);
                    error.to_string()
                }
            };
            self.down(&reason);
            tokio::select! {
                () = tokio::time::sleep(this_pause) => {}
                () = self.stop.cancelled() => break,
            }
            pause = (pause * 2).min(longest);
        }
        self.phase.send_replace(Phase::Without);
        self.down("closed");
    }

    fn down(&self, reason: &str) {
        let place = self.config.place();
        self.state.send_replace(BusState::Down(format!("RabbitMQ at {place}: {reason}")));
    }

    fn mismatch(&self, text: String) -> String {
        let before = self.phase.send_replace(Phase::Mismatch(text.clone()));
        if !matches!(before, Phase::Mismatch(before) if before == text) {
            tracing::error!("{text}");
        }
        text
    }

    async fn connect(&self) -> Result<Arc<Link>, ConnectError> {
        let publishing = self.open("publish").await?;
        let consuming = self.open("consume").await?;
        let channel = publishing.create_channel().await?;
        Declare { channel: &channel, config: &self.config, topology: &self.topology }.all().await?;
        // The channel has done its work; whether closing it succeeds changes nothing.
        let _ = channel.close(200, "declared".into()).await;
        let broken = Arc::new(Notify::new());
        let (told, tasks) = (Arc::clone(&broken), self.tasks.clone());
        let publishers = Publishers::open(&publishing, &self.config, told, tasks).await?;
        Ok(Arc::new(Link { publishers, consuming, asking: Asking::default(), publishing, broken }))
    }

    async fn open(&self, purpose: &'static str) -> Result<Connection, ConnectError> {
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("{} {purpose}", self.config.prefix).into());
        let Place { url, authorities } = (self.place)();
        let joint = if url.contains('?') { '&' } else { '?' };
        let url = format!(
            "{url}{joint}heartbeat={}&connection_timeout={}",
            self.config.heartbeat_secs, self.config.connect_timeout_ms
        );
        // The library's own limit is for TCP only; what accepts may still say nothing.
        let timeout = Duration::from_millis(self.config.connect_timeout_ms);
        let connecting = async {
            match authorities {
                Some(pem) => tls::connect(&url, &pem, properties).await,
                None => Connection::connect(&url, properties).await,
            }
        };
        match tokio::time::timeout(timeout, connecting).await {
            Ok(connected) => Ok(connected?),
            Err(_elapsed) => Err(ConnectError::Timeout(timeout, purpose)),
        }
    }

    /// Hands the link out and waits for its end.
    async fn watch(&self, link: Arc<Link>) -> End {
        let mut publishing = Box::pin(link.publishing.events_listener());
        let mut consuming = Box::pin(link.consuming.events_listener());
        // What happened before the listeners existed.
        if !link.is_connected() {
            return End::Broken("lost while connecting".to_owned());
        }
        self.phase.send_replace(Phase::Linked(Arc::clone(&link)));
        self.blocked(&link, link.publishing.status().blocked().then(String::new));
        let end = loop {
            let event = tokio::select! {
                event = next_event(&mut publishing) => event,
                event = next_event(&mut consuming) => event,
                () = link.broken.notified() => break End::Broken("a publish was not confirmed".to_owned()),
                () = self.stop.cancelled() => break End::Stopped,
            };
            match event {
                Event::ConnectionBlocked(reason) => self.blocked(&link, Some(reason)),
                Event::ConnectionUnblocked => self.blocked(&link, None),
                // Also told when the broker closes one channel: that is its user's matter only.
                Event::Error(error) if !link.is_connected() => {
                    break End::Broken(error.to_string());
                }
                _ if !link.is_connected() => break End::Broken("connection closed".to_owned()),
                _ => {}
            }
        };
        // Before the channels are closed, which takes time.
        self.phase.send_replace(Phase::Without);
        match &end {
            End::Broken(reason) => self.down(reason),
            End::Stopped => {
                self.down("closed");
                // What is under way may still be confirmed.
                let _ = tokio::time::timeout(GOODBYE, link.publishers.idle()).await;
            }
        }
        // Ends the healthy one of the two; the other answers with an error.
        let goodbye = async {
            let _ = link.publishing.close(200, "bye".into()).await;
            let _ = link.consuming.close(200, "bye".into()).await;
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        link.publishers.give_up();
        end
    }

    fn blocked(&self, link: &Link, reason: Option<String>) {
        link.publishers.set_blocked(reason.is_some());
        self.state.send_replace(match reason {
            Some(reason) => BusState::Down(format!("blocked by the broker: {reason}")),
            None => BusState::Up,
        });
    }
}

impl Link {
    fn is_connected(&self) -> bool {
        self.publishing.status().connected() && self.consuming.status().connected()
    }
}

async fn next_event(events: &mut (impl Stream<Item = Event> + Unpin)) -> Event {
    match events.next().await {
        Some(event) => event,
        None => std::future::pending().await,
    }
}

/// The first pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How many times rarer than a lost broker a mismatch is looked at again.
const MISMATCH_PAUSES: u32 = 10;
/// How long closing may take before the sockets are simply dropped.
const GOODBYE: Duration = Duration::from_secs(2);

/// Between a half and one, so that processes do not come back in step.
fn jitter() -> f64 {
    let random = uuid::Uuid::new_v4().as_u64_pair().1;
    0.5 + (random % 1000) as f64 / 2000.0
}
