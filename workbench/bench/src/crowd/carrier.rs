//! What carries the frames of a gateway to a member: everything that a client may ask of its
//! connection, one at a time, so that each can be measured beside the others.

use std::cell::RefCell;
use std::rc::Rc;

use clap::{Args, ValueEnum};
use proto::frame::msgpack;
use wire_client::wire::{Encoding, Wire};
use wire_client::ws::codec::{Inflater, MAX_MESSAGE_BYTES};
use wire_client::ws::handshake::Target;

use super::speech;

/// As it stands on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Named {
    /// Frames of JSON in text messages of a WebSocket.
    Json,
    /// Frames of MessagePack, by the subprotocol.
    Msgpack,
    /// Frames of JSON, what piles up as one `batch`.
    Batches,
    /// Frames of JSON, compressed each by itself.
    Deflate,
    /// An event stream, and posts beside it.
    Sse,
}

/// How the members' connections carry frames; other than JSON with Tidings only.
#[derive(Debug, Clone, Copy, Args)]
pub struct Carrier {
    /// What carries frames to the members. The publisher always speaks JSON.
    #[arg(long = "wire", value_enum, default_value = "json")]
    pub named: Named,
    /// With --wire batches: at most so many frames in one, 1 to 100.
    #[arg(long, default_value_t = 100)]
    pub batch: u32,
    /// With --wire batches: a frame may wait so long for others, in milliseconds, up to 100.
    #[arg(long, default_value_t = 100)]
    pub batch_ms: u64,
}

/// The usual one.
pub const JSON: Carrier = Carrier { named: Named::Json, batch: 1, batch_ms: 0 };

impl Carrier {
    /// As it is called in tables.
    pub fn name(self) -> &'static str {
        match self.named {
            Named::Json => "json",
            Named::Msgpack => "msgpack",
            Named::Batches => "batches",
            Named::Deflate => "deflate",
            Named::Sse => "sse",
        }
    }

    /// True when what a member says is JSON in text messages of its own connection.
    pub fn hears_json(self) -> bool {
        !matches!(self.named, Named::Msgpack | Named::Sse)
    }

    /// Where a connection goes that asks for it.
    pub fn target(self, plain: &Target) -> Target {
        let is_batched = self.named == Named::Batches;
        let is_binary = self.named == Named::Msgpack;
        let wire = Wire {
            encoding: if is_binary { Encoding::Msgpack } else { Encoding::Json },
            batch: is_batched.then_some(self.batch),
            batch_ms: is_batched.then_some(self.batch_ms),
        };
        let path = match self.named {
            Named::Sse => plain.path.replacen("/ws", "/sse", 1),
            _ => wire.path(&plain.path),
        };
        Target {
            path,
            subprotocol: wire.subprotocol(),
            offers_deflate: self.named == Named::Deflate,
            ..plain.clone()
        }
    }

    /// A frame of the client, as a message of its WebSocket.
    pub fn message(self, json: &[u8]) -> Vec<u8> {
        match self.named {
            // It is JSON: the fleet wrote it.
            Named::Msgpack => speech::binary(&msgpack::from_json(json).unwrap_or_default()),
            _ => speech::text(json),
        }
    }
}

/// Inflates for all connections of a crowd.
pub type SharedInflater = Rc<RefCell<Inflater>>;

/// For one crowd.
pub fn shared_inflater() -> SharedInflater {
    Rc::new(RefCell::new(Inflater::new(MAX_MESSAGE_BYTES)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_carrier_asks_for_itself_and_nothing_else() {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let (authority, path) = ("h:1".to_owned(), "/ws?acks=off".to_owned());
        let plain = Target { address, authority, path, subprotocol: None, offers_deflate: false };
        let asked = |named| {
            let target = Carrier { named, batch: 10, batch_ms: 5 }.target(&plain);
            (target.path, target.subprotocol, target.offers_deflate)
        };
        let path = || plain.path.clone();
        assert_eq!(asked(Named::Json), (path(), None, false));
        assert_eq!(asked(Named::Msgpack), (path(), Some("tidings.v1.msgpack"), false));
        assert_eq!(asked(Named::Batches), (path() + "&batch=10&batch_ms=5", None, false));
        assert_eq!(asked(Named::Deflate), (path(), None, true));
        assert_eq!(asked(Named::Sse), ("/sse?acks=off".to_owned(), None, false));
    }

    #[test]
    fn a_frame_of_messagepack_is_the_frame() {
        let carrier = Carrier { named: Named::Msgpack, ..JSON };
        let message = carrier.message(br#"{"type":"sync"}"#);
        let mut mask = message[2..6].iter().cycle();
        let payload: Vec<u8> =
            message[6..].iter().map(|byte| byte ^ mask.next().unwrap()).collect();
        let frame = msgpack::decode_client(&payload, 100);
        assert!(matches!(frame, Ok(proto::frame::client::ClientFrame::Sync(_))), "{frame:?}");
    }
}
