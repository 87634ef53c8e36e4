//! What other systems are told of connections: that one came, that it ended, and of some of the frames what they were. Told once
//! over the bus, and perhaps lost; see `bus::moments`.
//!
//! Must not hold anything up: what does not fit into the queue is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bus::moments::{MomentQueue, Moments};
use platform::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use proto::frame::client::ClientFrame;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::unix_ms;
use crate::connections::Connection;
use crate::net::close::Close;

const CONNECT: &str = "ws.connect";
const DISCONNECT: &str = "ws.disconnect";
const MESSAGE: &str = "ws.message";
/// All that a gateway tells.
const ALL: [&str; 3] = [CONNECT, DISCONNECT, MESSAGE];

/// The section `[events]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventsConfig {
    /// Types of the events of connections that are told: `ws.connect`, `ws.disconnect`, `ws.message`, or `ws.*` for all of
    /// them. They are told once and may be lost.
    pub types: Vec<String>,
    /// Of how many frames of clients one is told as `ws.message`.
    pub message_every: u32,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self { types: Vec::new(), message_every: 100 }
    }
}

/// A mistake in the section.
#[derive(Debug, thiserror::Error)]
#[error(
    "events.types: a gateway tells `ws.connect`, `ws.disconnect`, `ws.message` or `ws.*`, not `{0}`"
)]
pub struct UnknownMoment(String);

impl EventsConfig {
    /// Whether a gateway tells all of these types. Not asked where the section is that of other services, too.
    pub fn check(&self) -> Result<(), UnknownMoment> {
        let wrong = self.types.iter().find(|pattern| !ALL.iter().any(|it| fits(pattern, it)));
        wrong.map_or(Ok(()), |pattern| Err(UnknownMoment(pattern.clone())))
    }

    fn chosen(&self) -> Vec<&'static str> {
        let is_chosen = |it: &&str| self.types.iter().any(|pattern| fits(pattern, it));
        ALL.into_iter().filter(is_chosen).collect()
    }
}

fn fits(pattern: &str, it: &str) -> bool {
    pattern == it || pattern == "ws.*"
}

/// Tells of the connections of this gateway. Clones share one queue.
#[derive(Clone)]
pub(crate) struct ConnectionMoments {
    moments: Moments,
    gateway_id: String,
    every: u32,
    /// Frames since the last one that was told.
    said: Arc<AtomicU32>,
}

impl ConnectionMoments {
    pub(crate) fn new(
        config: &EventsConfig,
        gateway_id: String,
        metrics: &Metrics,
    ) -> (Self, MomentQueue) {
        let dropped = Counter::<u64>::default();
        metrics.register(|registry| {
            registry.sub_registry_with_prefix("tidings_gateway").register(
                "moments_dropped",
                "Events of connections that were dropped, since too many waited for the bus",
                dropped.clone(),
            );
        });
        let (moments, queue) = Moments::new(config.chosen(), move || {
            dropped.inc();
        });
        let every = config.message_every.max(1);
        (Self { moments, gateway_id, every, said: Arc::default() }, queue)
    }

    /// A connection is registered.
    pub(crate) fn connected(&self, connection: &Connection) {
        self.moments.tell(CONNECT, connection.user_id.tenant(), || {
            json!({
                "user": connection.user_id.name_str(),
                "device": connection.device_id.as_str(),
                "device_type": device_type(connection),
                "gateway": self.gateway_id,
                "connection": connection.number,
                "ip": connection.ip,
            })
        });
    }

    /// It has ended: for a reason of the server's, or since the client has gone.
    pub(crate) fn disconnected(&self, connection: &Connection, ended: Option<&Close>) {
        self.moments.tell(DISCONNECT, connection.user_id.tenant(), || {
            let lived_ms = unix_ms().saturating_sub(connection.connected_at_ms);
            json!({
                "user": connection.user_id.name_str(),
                "device": connection.device_id.as_str(),
                "gateway": self.gateway_id,
                "connection": connection.number,
                "code": ended.map(Close::code),
                "seconds": lived_ms / 1_000,
            })
        });
    }

    /// A client said something. What it said is told nobody.
    pub(crate) fn said(&self, connection: &Connection, frame: &ClientFrame, bytes: usize) {
        if !self.moments.wants(MESSAGE)
            || !(self.said.fetch_add(1, Ordering::Relaxed)).is_multiple_of(self.every)
        {
            return;
        }
        self.moments.tell(MESSAGE, connection.user_id.tenant(), || {
            json!({
                "user": connection.user_id.name_str(),
                "device": connection.device_id.as_str(),
                "frame": name(frame),
                "bytes": bytes,
                "every": self.every,
            })
        });
    }
}

/// As clients name it; none where it is not known.
fn device_type(connection: &Connection) -> Option<String> {
    let name = connection.device_type.as_str_name().trim_start_matches("DEVICE_TYPE_");
    Some(name.to_lowercase()).filter(|name| name != "unspecified")
}

/// The type of a frame, as the protocol names it.
fn name(frame: &ClientFrame) -> &'static str {
    match frame {
        ClientFrame::Send(_) => "send",
        ClientFrame::Pin(_) => "pin",
        ClientFrame::Forward(_) => "forward",
        ClientFrame::Edit(_) => "edit",
        ClientFrame::Delete(_) => "delete",
        ClientFrame::React(_) => "react",
        ClientFrame::Set(_) => "set",
        ClientFrame::Draft(_) => "draft",
        ClientFrame::Act(_) => "act",
        ClientFrame::Auth(_) => "auth",
        ClientFrame::Ping => "ping",
        ClientFrame::Sync(_) => "sync",
        ClientFrame::Delivered(_) => "delivered",
        ClientFrame::Read(_) => "read",
        ClientFrame::Typing(_) => "typing",
        ClientFrame::Status(_) => "status",
        ClientFrame::Signal(_) => "signal",
        ClientFrame::Show(_) => "show",
        ClientFrame::Broadcast(_) => "broadcast",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(types: &[&str]) -> EventsConfig {
        let types = types.iter().map(|&it| it.to_owned()).collect();
        EventsConfig { types, ..EventsConfig::default() }
    }

    #[test]
    fn types_are_chosen_by_name_or_all_at_once() {
        assert_eq!(config(&[]).chosen(), [""; 0]);
        assert_eq!(config(&["ws.connect", "*", "chat.read"]).chosen(), [CONNECT]);
        assert_eq!(config(&["ws.*"]).chosen(), ALL);
        assert!(config(&["ws.*", MESSAGE]).check().is_ok());
        assert!(config(&["chat.read"]).check().is_err(), "the chat service tells that");
    }
}
