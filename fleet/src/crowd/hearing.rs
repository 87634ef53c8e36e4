//! What a connection hears, out of whatever pieces the socket gives: the same for every server as
//! far as it goes. It counts messages of the run, and passes over all other frames.

use uuid::Uuid;

use super::nats::{self, Operation};
use super::number::Finder;
use super::speech::Kind;
use crate::scan::{self, Fields};
use crate::ws::codec::{Message, ProtocolError, Reader};

/// One thing heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The server's first word.
    Greeting,
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
    /// That of NATS.
    #[error(transparent)]
    Nats(#[from] nats::Malformed),
}

/// Hears one connection.
#[derive(Debug)]
pub struct Hearing {
    frames: Reader,
    nats: nats::Parser,
    kind: Kind,
    /// Where in a frame the last text of the run stood.
    at: u32,
}

impl Hearing {
    /// Nothing heard yet.
    pub fn new(kind: Kind) -> Self {
        Self { frames: Reader::default(), nats: nats::Parser::default(), kind, at: 0 }
    }

    /// Takes what the socket gave and tells what is in it, in order.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        finder: &Finder,
        mut hear: impl FnMut(Heard<'_>),
    ) -> Result<(), HearingError> {
        let Self { frames, nats, kind, at } = self;
        let mut malformed = None;
        frames.feed(chunk, |message| match message {
            Message::Whole(payload) => match kind {
                Kind::Tidings => tidings(payload, finder, at, &mut hear),
                Kind::Tcp | Kind::Axum => match finder.find(payload, at) {
                    Some(number) => hear(Heard::Message(number)),
                    None => hear(Heard::Greeting),
                },
                Kind::Nats => {
                    let fed = nats.feed(payload, |operation| match operation {
                        Operation::Message(body) => {
                            if let Some(number) = finder.find(body, at) {
                                hear(Heard::Message(number));
                            }
                        }
                        Operation::Info => hear(Heard::Greeting),
                        Operation::Pong => hear(Heard::Done),
                        Operation::Ping => hear(Heard::NatsPing),
                        Operation::Error(why) => {
                            hear(Heard::Refused(String::from_utf8_lossy(why).into_owned()));
                        }
                        Operation::Ok => {}
                    });
                    malformed = malformed.or(fed.err());
                }
            },
            Message::Ping(payload) => hear(Heard::Ping(payload)),
            Message::Pong => {}
            Message::Close(code) => hear(Heard::Closed(code)),
        })?;
        malformed.map_or(Ok(()), |malformed| Err(malformed.into()))
    }
}

/// A frame of Tidings. Its type stands first; all but a few are passed over.
fn tidings(payload: &[u8], finder: &Finder, at: &mut u32, hear: &mut impl FnMut(Heard<'_>)) {
    let Some(rest) = payload.strip_prefix(br#"{"type":""#) else { return };
    if rest.starts_with(br#"entry""#) {
        if let Some(number) = finder.find(payload, at) {
            hear(Heard::Message(number));
        }
    } else if rest.starts_with(br#"welcome""#) {
        hear(Heard::Greeting);
    } else if rest.starts_with(br#"synced""#) {
        hear(Heard::Done);
    } else if rest.starts_with(br#"sent""#) {
        if let Some(stored) = stored(payload) {
            hear(stored);
        }
    } else if rest.starts_with(br#"error""#) || rest.starts_with(br#"redirect""#) {
        hear(Heard::Refused(String::from_utf8_lossy(payload).into_owned()));
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::Run;

    /// A server's frame: not masked.
    fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap();
        let mut frame = vec![0x80 | opcode, 126];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    }

    fn text_of(finder: &Finder, number: u32) -> String {
        let mut text = Vec::new();
        finder.write(&mut text, number);
        String::from_utf8(text).unwrap()
    }

    /// The stream in which a server of this kind delivers `count` messages among other frames.
    fn stream(kind: Kind, finder: &Finder, count: u32) -> Vec<u8> {
        let mut stream = Vec::new();
        for number in 0..count {
            let text = text_of(finder, number);
            match kind {
                Kind::Tidings => {
                    let entry = format!(r#"{{"type":"entry","content":{{"text":"{text}"}}}}"#);
                    stream.extend(frame(1, entry.as_bytes()));
                    stream.extend(frame(1, br#"{"type":"presence","user_id":"ann"}"#));
                    let page = format!(r#"{{"type":"sync_page","text":"{text}"}}"#);
                    stream.extend(frame(1, page.as_bytes()));
                }
                Kind::Nats => {
                    let message = format!("MSG s 1 {}\r\n{text}\r\nPING\r\n", text.len());
                    // One operation in two frames.
                    let (one, other) = message.as_bytes().split_at(20);
                    stream.extend(frame(2, one));
                    stream.extend(frame(2, other));
                }
                Kind::Tcp | Kind::Axum => stream.extend(frame(1, text.as_bytes())),
            }
            stream.extend([0x89, 0]);
        }
        stream
    }

    fn numbers(kind: Kind, finder: &Finder, chunks: &[&[u8]]) -> Vec<u32> {
        let mut hearing = Hearing::new(kind);
        let mut numbers = Vec::new();
        for chunk in chunks {
            let fed = hearing.feed(chunk, finder, |heard| {
                if let Heard::Message(number) = heard {
                    numbers.push(number);
                }
            });
            fed.unwrap();
        }
        numbers
    }

    #[test]
    fn the_frames_that_matter_are_told_apart() {
        let run = Run::begin();
        let finder = Finder::new(&run, 200);
        let client_id = run.client_id(0, 3, 0).0;
        let sent = format!(r#"{{"type":"sent","client_id":"{client_id}","id":"x","seq":12}}"#);
        let mut heard = Vec::new();
        for payload in [
            br#"{"type":"welcome","heartbeat_ms":1}"#,
            br#"{"type":"synced","epoch":"e"}"#.as_slice(),
            sent.as_bytes(),
            br#"{"type":"error","code":"rate_limited"}"#,
            br#"{"type":"pong"}"#,
        ] {
            let mut hearing = Hearing::new(Kind::Tidings);
            let fed = hearing.feed(&frame(1, payload), &finder, |one| {
                heard.push(format!("{one:?}"));
            });
            fed.unwrap();
        }
        assert_eq!(heard.len(), 4, "{heard:?}");
        assert_eq!(&heard[..2], ["Greeting", "Done"]);
        assert!(heard[2].contains("seq: 12") && heard[3].contains("rate_limited"), "{heard:?}");
        let mut hearing = Hearing::new(Kind::Nats);
        let fed = hearing.feed(&frame(2, b"nonsense\r\n"), &finder, |_| {});
        assert!(matches!(fed, Err(HearingError::Nats(_))));
    }

    proptest! {
        #[test]
        fn any_split_of_the_stream_counts_the_same(
            kind in prop::sample::select(vec![Kind::Tidings, Kind::Nats, Kind::Tcp, Kind::Axum]),
            count in 0_u32..12,
            cuts in prop::collection::vec(1_usize..400, 0..60),
        ) {
            let finder = Finder::new(&Run::begin(), 200);
            let stream = stream(kind, &finder, count);
            let chunks = crate::cuts::cut(&stream, cuts);
            let expected: Vec<u32> = (0..count).collect();
            prop_assert_eq!(numbers(kind, &finder, &chunks), expected);
        }
    }
}
