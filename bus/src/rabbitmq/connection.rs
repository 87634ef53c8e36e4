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

use super::config::RabbitConfig;
use super::declare;
use super::publisher::Publishers;
use crate::BusState;
use crate::topology::Topology;

/// One pair of connections. A memory or disk alarm blocks the publishing one; the other still
/// delivers and acknowledges.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) publishers: Publishers,
    pub(super) consuming: Connection,
    publishing: Connection,
    /// A publish ended without a known outcome.
    broken: Arc<Notify>,
}

/// Keeps a [`Link`] alive until the bus is closed.
pub(super) struct Supervisor {
    config: Arc<RabbitConfig>,
    topology: Topology,
    stop: CancellationToken,
    link: watch::Sender<Option<Arc<Link>>>,
    state: watch::Sender<BusState>,
}

/// Why a link ended.
enum End {
    Broken(String),
    Stopped,
}

impl Supervisor {
    pub(super) fn new(
        config: Arc<RabbitConfig>,
        topology: Topology,
        stop: CancellationToken,
    ) -> (Self, watch::Receiver<Option<Arc<Link>>>, watch::Receiver<BusState>) {
        let (link, links) = watch::channel(None);
        let (state, states) =
            watch::channel(BusState::Down(format!("connecting to {}", config.place())));
        (Self { config, topology, stop, link, state }, links, states)
    }

    pub(super) async fn run(self) {
        let longest = Duration::from_millis(self.config.reconnect_max_ms);
        let mut pause = FIRST_PAUSE;
        loop {
            let connected = tokio::select! {
                connected = self.connect() => connected,
                () = self.stop.cancelled() => return,
            };
            let reason = match connected {
                Ok(link) => {
                    pause = FIRST_PAUSE;
                    match self.watch(link).await {
                        End::Broken(reason) => reason,
                        End::Stopped => return,
                    }
                }
                Err(error) => error.to_string(),
            };
            let place = self.config.place();
            self.state.send_replace(BusState::Down(format!("RabbitMQ at {place}: {reason}")));
            tokio::select! {
                () = tokio::time::sleep(pause.mul_f64(jitter())) => {}
                () = self.stop.cancelled() => return,
            }
            pause = (pause * 2).min(longest);
        }
    }

    async fn connect(&self) -> Result<Arc<Link>, lapin::Error> {
        let publishing = self.open("publish").await?;
        let consuming = self.open("consume").await?;
        let channel = publishing.create_channel().await?;
        declare::exchanges(&channel, &self.topology).await?;
        declare::partitions(&channel, &self.config, &self.topology).await?;
        // The channel has done its work; a failed goodbye changes nothing.
        let _ = channel.close(200, "declared".into()).await;
        let broken = Arc::new(Notify::new());
        let publishers = Publishers::open(&publishing, &self.config, Arc::clone(&broken)).await?;
        Ok(Arc::new(Link { publishers, consuming, publishing, broken }))
    }

    async fn open(&self, purpose: &str) -> Result<Connection, lapin::Error> {
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("{} {purpose}", self.config.prefix).into());
        let joint = if self.config.url.contains('?') { '&' } else { '?' };
        let url = format!(
            "{}{joint}heartbeat={}&connection_timeout={}",
            self.config.url, self.config.heartbeat_secs, self.config.connect_timeout_ms
        );
        Connection::connect(&url, properties).await
    }

    /// Hands the link out and waits for its end.
    async fn watch(&self, link: Arc<Link>) -> End {
        let mut publishing = Box::pin(link.publishing.events_listener());
        let mut consuming = Box::pin(link.consuming.events_listener());
        // What happened before the listeners existed.
        if !link.publishing.status().connected() || !link.consuming.status().connected() {
            return End::Broken("lost while connecting".to_owned());
        }
        self.link.send_replace(Some(Arc::clone(&link)));
        self.state.send_replace(BusState::Up);
        let end = loop {
            let event = tokio::select! {
                event = next_event(&mut publishing) => event,
                event = next_event(&mut consuming) => event,
                () = link.broken.notified() => break End::Broken("a publish was not confirmed".to_owned()),
                () = self.stop.cancelled() => break End::Stopped,
            };
            match event {
                Event::ConnectionBlocked(reason) => {
                    self.state
                        .send_replace(BusState::Down(format!("blocked by the broker: {reason}")));
                }
                Event::ConnectionUnblocked => {
                    self.state.send_replace(BusState::Up);
                }
                Event::Error(error) => break End::Broken(error.to_string()),
                _ if !link.publishing.status().connected()
                    || !link.consuming.status().connected() =>
                {
                    break End::Broken("connection closed".to_owned());
                }
                _ => {}
            }
        };
        self.link.send_replace(None);
        if let End::Stopped = end {
            self.state.send_replace(BusState::Down("closed".to_owned()));
        }
        // Ends the healthy one of the two; the other answers with an error.
        let goodbye = async {
            let _ = link.publishing.close(200, "bye".into()).await;
            let _ = link.consuming.close(200, "bye".into()).await;
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        end
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
/// How long closing may take before the sockets are simply dropped.
const GOODBYE: Duration = Duration::from_secs(2);

/// Between a half and one, so that processes do not come back in step.
fn jitter() -> f64 {
    let random = uuid::Uuid::new_v4().as_u64_pair().1;
    0.5 + (random % 1000) as f64 / 2000.0
}
