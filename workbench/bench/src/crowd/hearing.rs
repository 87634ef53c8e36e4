//! What a connection hears, out of whatever pieces the socket gives: the same for every server as
//! far as it goes. It counts messages of the run, and passes over all other frames.

#[cfg(test)]
mod tests;

use proto::frame::{MAX_DEPTH, msgpack};
use uuid::Uuid;
use wire_client::hear;
use wire_client::scan::{self, Fields};
use wire_client::ws::codec::{MAX_MESSAGE_BYTES, Message, ProtocolError, Reader};

use super::carrier::{Named, SharedInflater};
use super::nats::{self, Operation};
use super::number::Finder;
use super::speech::Kind;
use super::sse;

/// One thing heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The server's first word.
    Greeting(&'a [u8]),
    /// What was said after the greeting has been done.
    Done,
    /// A message of the run, by its number.
    Message(u32),
    /// A message of the run is stored.
    Stored {
        /// The sender's name for it.
        client_id: Uuid,
        /// Its place in the log.
        seq: u64,
    },
    /// A page of what the device lacked.
    Page(&'a [u8]),
    /// A ping of the WebSocket.
    Ping(&'a [u8]),
    /// A ping of NATS.
    NatsPing,
    /// Something could not be done.
    Refused(String),
    /// The server ends the connection.
    Closed(u16),
}

/// The server broke its protocol.
#[derive(Debug, thiserror::Error)]
pub enum HearingError {
    /// That of the socket.
    #[error(transparent)]
    WebSocket(#[from] ProtocolError),
    /// That of event streams.
    #[error(transparent)]
    Events(#[from] sse::Malformed),
    /// That of NATS.
    #[error(transparent)]
    Nats(#[from] nats::Malformed),
    /// A batch is none.
    #[error("a batch: {0}")]
    Batch(#[from] scan::Malformed),
    /// A frame is not the MessagePack that was asked for.
    #[error("a frame: {0}")]
    Packed(#[from] msgpack::NotFrame),
}

/// Hears one connection.
#[derive(Debug)]
pub struct Hearing {
    stream: Stream,
    inflater: SharedInflater,
    frames: Frames,
}

/// How frames come out of the socket.
#[derive(Debug)]
enum Stream {
    Socket(Reader),
    Events(sse::Reader),
}

/// What the frames of a connection are.
#[derive(Debug)]
struct Frames {
    kind: Kind,
    is_packed: bool,
    nats: nats::Parser,
    /// Where in a frame the last text of the run stood.
    at: u32,
}

impl Hearing {
    /// Nothing heard yet. What is compressed goes through the inflater of all.
    pub fn new(kind: Kind, carrier: Named, inflater: SharedInflater) -> Self {
        let stream = match carrier {
            Named::Sse => Stream::Events(sse::Reader::default()),
            Named::Deflate => Stream::Socket(Reader::of_deflated()),
            Named::Json | Named::Msgpack | Named::Batches => Stream::Socket(Reader::default()),
        };
        let is_packed = carrier == Named::Msgpack;
        let frames = Frames { kind, is_packed, nats: nats::Parser::default(), at: 0 };
        Self { stream, inflater, frames }
    }

    /// Takes what the socket gave and tells what is in it, in order.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        finder: &Finder,
        mut hear: impl FnMut(Heard<'_>),
    ) -> Result<(), HearingError> {
        let Self { stream, inflater, frames } = self;
        let mut wrong = None;
        match stream {
            Stream::Socket(reader) => reader.feed(chunk, |message| {
                let taken = match message {
                    Message::Whole(payload) => frames.take(payload, finder, &mut hear),
                    Message::Deflated(payload) => match inflater.borrow_mut().inflate(payload) {
                        Ok(payload) => frames.take(payload, finder, &mut hear),
                        Err(error) => Err(ProtocolError::from(error).into()),
                    },
                    Message::Ping(payload) => {
                        hear(Heard::Ping(payload));
                        Ok(())
                    }
                    Message::Pong => Ok(()),
                    Message::Close(code) => {
                        hear(Heard::Closed(code));
                        Ok(())
                    }
                };
                keep_first(&mut wrong, taken);
            })?,
            Stream::Events(reader) => reader.feed(chunk, |event| match event {
                sse::Event::Frame(json) => {
                    keep_first(&mut wrong, frames.take(json, finder, &mut hear));
                }
                sse::Event::Close(why) => {
                    hear(Heard::Refused(format!("close {}", String::from_utf8_lossy(why))));
                }
            })?,
        }
        wrong.map_or(Ok(()), Err)
    }
}

fn keep_first(wrong: &mut Option<HearingError>, taken: Result<(), HearingError>) {
    if wrong.is_none() {
        *wrong = taken.err();
    }
}

impl Frames {
    fn take(
        &mut self,
        payload: &[u8],
        finder: &Finder,
        hear: &mut impl FnMut(Heard<'_>),
    ) -> Result<(), HearingError> {
        let Self { kind, is_packed, nats, at } = self;
        match kind {
            Kind::Tidings if *is_packed => packed(payload, finder, at, hear)?,
            Kind::Tidings => tidings(payload, finder, at, hear)?,
            Kind::Tcp | Kind::Axum => match finder.find(payload, at) {
                Some(number) => hear(Heard::Message(number)),
                None => hear(Heard::Greeting(payload)),
            },
            Kind::Nats => nats.feed(payload, |operation| match operation {
                Operation::Message(body) => {
                    if let Some(number) = finder.find(body, at) {
                        hear(Heard::Message(number));
                    }
                }
                Operation::Info => hear(Heard::Greeting(b"")),
                Operation::Pong => hear(Heard::Done),
                Operation::Ping => hear(Heard::NatsPing),
                Operation::Error(why) => {
                    hear(Heard::Refused(String::from_utf8_lossy(why).into_owned()));
                }
                Operation::Ok => {}
            })?,
        }
        Ok(())
    }
}

/// A frame of Tidings. Its type stands first; all but a few are passed over.
fn tidings(
    payload: &[u8],
    finder: &Finder,
    at: &mut u32,
    hear: &mut impl FnMut(Heard<'_>),
) -> Result<(), scan::Malformed> {
    let Some(rest) = payload.strip_prefix(br#"{"type":""#) else { return Ok(()) };
    if rest.starts_with(br#"entry""#) {
        if let Some(number) = finder.find(payload, at) {
            hear(Heard::Message(number));
        }
    } else if rest.starts_with(br#"batch""#) {
        let mut frames = hear::batch(payload)?;
        while let Some(frame) = frames.next()? {
            // No frame of a batch is a batch: this goes no deeper.
            if !frame.starts_with(br#"{"type":"batch""#) {
                tidings(frame, finder, at, hear)?;
            }
        }
    } else if rest.starts_with(br#"welcome""#) {
        hear(Heard::Greeting(payload));
    } else if rest.starts_with(br#"sync_page""#) {
        hear(Heard::Page(payload));
    } else if rest.starts_with(br#"synced""#) {
        hear(Heard::Done);
    } else if rest.starts_with(br#"sent""#) {
        if let Some(stored) = stored(payload) {
            hear(stored);
        }
    } else if rest.starts_with(br#"error""#) || rest.starts_with(br#"redirect""#) {
        hear(Heard::Refused(String::from_utf8_lossy(payload).into_owned()));
    }
    Ok(())
}

/// A frame of Tidings in MessagePack. Texts stand in it as they do in JSON, so an entry is looked
/// through as it is; what else comes is rare, and turned into JSON.
fn packed(
    payload: &[u8],
    finder: &Finder,
    at: &mut u32,
    hear: &mut impl FnMut(Heard<'_>),
) -> Result<(), HearingError> {
    // The head of the map: its length is in the first byte, or in two bytes behind it.
    let fields = match payload {
        [0x80..=0x8f, fields @ ..] | [0xde, _, _, fields @ ..] => fields,
        _ => payload,
    };
    if fields.starts_with(b"\xa4type\xa5entry") {
        if let Some(number) = finder.find(payload, at) {
            hear(Heard::Message(number));
        }
        return Ok(());
    }
    let json = msgpack::to_json(payload, 4 * MAX_DEPTH, MAX_MESSAGE_BYTES)?;
    Ok(tidings(json.as_bytes(), finder, at, hear)?)
}

fn stored(payload: &[u8]) -> Option<Heard<'static>> {
    let (mut client_id, mut seq) = (None, None);
    let mut fields = Fields::of(payload).ok()?;
    while let Ok(Some((key, value))) = fields.next() {
        match key {
            b"client_id" => client_id = scan::uuid(value),
            b"seq" => seq = scan::number(value),
            _ => {}
        }
    }
    Some(Heard::Stored { client_id: client_id?, seq: seq? })
}
