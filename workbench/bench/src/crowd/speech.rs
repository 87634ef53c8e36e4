//! What is said to each kind of server: how to come in, how to publish.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::ValueEnum;
use proto::id::ConversationId;
use uuid::Uuid;
use wire_client::identity::Run;
use wire_client::message::{self, Addition, Recipient};
use wire_client::ws::codec;

use super::carrier::Carrier;
use super::number::Finder;

/// The subject that everybody subscribes to.
const SUBJECT: &str = "tidings.bench";
/// Asks Tidings for what the device lacks.
pub const SYNC: &[u8] = br#"{"type":"sync"}"#;
/// A sign of life for Tidings, where the socket has none.
pub const PING: &[u8] = br#"{"type":"ping"}"#;
/// Any mask does: no proxy stands between.
const MASK: [u8; 4] = [0x5A, 0xC3, 0x0F, 0x96];

/// The servers that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A gateway, over `/ws`.
    Tidings,
    /// A nats-server, over its WebSocket listener.
    Nats,
    /// `fleet floor tcp`: sockets without HTTP.
    Tcp,
    /// `fleet floor axum`: WebSockets without anything behind them.
    Axum,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Hears what is published.
    Listener,
    /// Publishes.
    Publisher,
    /// Comes in, is registered under its own name, and stays.
    Visitor,
}

impl Kind {
    /// As it stands on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tidings => "tidings",
            Self::Nats => "nats",
            Self::Tcp => "tcp",
            Self::Axum => "axum",
        }
    }

    /// Path of the WebSocket.
    pub fn path(self, is_acknowledging: bool) -> &'static str {
        match self {
            Self::Tidings if is_acknowledging => "/ws",
            Self::Tidings => "/ws?acks=off",
            Self::Nats | Self::Tcp => "/",
            Self::Axum => "/ws",
        }
    }

    /// Said as soon as the socket is open.
    pub fn opening(self, role: Role) -> Vec<u8> {
        let word: &[u8] = match role {
            Role::Listener | Role::Visitor => b"subscribe",
            Role::Publisher => b"publish",
        };
        match self {
            Self::Tidings | Self::Nats => Vec::new(),
            Self::Axum => text(word),
            Self::Tcp => [word, b"\n"].concat(),
        }
    }

    /// Said after the greeting; nothing when the connection is ready with that.
    pub fn answer(self, carrier: Carrier, role: Role, number: u32) -> Option<Vec<u8>> {
        match self {
            Self::Tidings if role == Role::Visitor => None,
            Self::Tidings => Some(carrier.message(SYNC)),
            Self::Nats => {
                let connect = r#"CONNECT {"verbose":false,"pedantic":false,"lang":"fleet","version":"1","protocol":1}"#;
                let subscribe = match role {
                    Role::Listener => format!("SUB {SUBJECT} 1\r\n"),
                    Role::Visitor => format!("SUB {SUBJECT}.{number} 1\r\n"),
                    Role::Publisher => String::new(),
                };
                Some(binary(format!("{connect}\r\n{subscribe}PING\r\n").as_bytes()))
            }
            Self::Tcp | Self::Axum => None,
        }
    }

    /// Appends the frame that publishes a message.
    pub fn publish(
        self,
        out: &mut Vec<u8>,
        number: u32,
        finder: &Finder,
        run: &Run,
        conversation: Uuid,
    ) {
        let mut body = Vec::with_capacity(512);
        match self {
            Self::Tidings => {
                let recipient = Recipient::Conversation(ConversationId(conversation));
                let canary = finder.canary(number);
                let bytes = finder.payload_bytes();
                message::write_send(&mut body, run, recipient, canary, bytes, Addition::None);
                codec::write_text(out, &body, MASK);
            }
            Self::Nats => {
                // Writing to a Vec does not fail.
                let _ = write!(body, "PUB {SUBJECT} {}\r\n", finder.payload_bytes());
                finder.write(&mut body, number);
                body.extend_from_slice(b"\r\n");
                codec::write_binary(out, &body, MASK);
            }
            Self::Axum => {
                finder.write(&mut body, number);
                codec::write_text(out, &body, MASK);
            }
            Self::Tcp => {
                finder.write(out, number);
                out.push(b'\n');
            }
        }
    }
}

/// A device of Tidings has everything up to here.
pub fn delivered(conversation: Uuid, seq: u64) -> Vec<u8> {
    let frame = format!(r#"{{"type":"delivered","conversation_id":"{conversation}","seq":{seq}}}"#);
    text(frame.as_bytes())
}

/// A text as a part of a query.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The answer to a WebSocket ping.
pub fn pong(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec::write_pong(&mut out, payload, MASK);
    out
}

/// The answer to a ping of NATS.
pub fn nats_pong() -> Vec<u8> {
    binary(b"PONG\r\n")
}

/// A text message.
pub fn text(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec::write_text(&mut out, bytes, MASK);
    out
}

/// A binary message.
pub fn binary(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec::write_binary(&mut out, bytes, MASK);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_a_query_is_escaped() {
        assert_eq!(escaped("fleet.1-2"), "fleet.1-2");
        assert_eq!(escaped("a b&👍"), "a%20b%26%F0%9F%91%8D");
    }
}
