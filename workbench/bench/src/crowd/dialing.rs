//! Opens one connection, up to where it hears messages.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use wire_client::ws::handshake::{self, HandshakeError};

use super::approach::Approach;
use super::carrier::Named;
use super::hearing::{Heard, Hearing, HearingError};
use super::posts::{Greeting, PostBox, PostError};
use super::speech::{self, Kind, Role};
use super::voice::Voice;

/// A connection is ready within this time, or it is an error.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a connection did not become ready.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No socket.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The socket broke.
    #[error("set-up: {0}")]
    Io(#[from] io::Error),
    /// The server spoke something else.
    #[error(transparent)]
    Hearing(#[from] HearingError),
    /// What it said was not taken.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The server said no.
    #[error("refused: {0}")]
    Refused(String),
    /// Nothing came.
    #[error("not ready within {} s", PATIENCE.as_secs())]
    Late,
}

/// A connection that is ready.
#[derive(Debug)]
pub struct Dialed {
    pub(super) reader: OwnedReadHalf,
    pub(super) voice: Rc<Voice>,
    pub(super) hearing: Hearing,
    /// Beside an event stream.
    pub(super) post_box: Option<PostBox>,
}

/// Opens a connection of the run.
pub async fn dial(approach: &Approach, number: u32, role: Role) -> Result<Dialed, DialError> {
    tokio::time::timeout(PATIENCE, open(approach, number, role))
        .await
        .unwrap_or(Err(DialError::Late))
}

async fn open(approach: &Approach, number: u32, role: Role) -> Result<Dialed, DialError> {
    let kind = approach.kind;
    let carrier = approach.carrier(role);
    let (target, source) = (approach.target(number, role), approach.source(number));
    let (stream, early) = match (kind, carrier.named) {
        (Kind::Tcp, _) => {
            let stream = handshake::connect(target, source).await;
            (stream.map_err(HandshakeError::Io)?, Vec::new())
        }
        (_, Named::Sse) => handshake::open_stream(target, source, &approach.token(number)?).await?,
        _ => handshake::open(target, source, &approach.token(number)?).await?,
    };
    let (mut reader, writer) = stream.into_split();
    let voice = Rc::new(Voice::new(writer));
    let opening = kind.opening(role);
    if !opening.is_empty() {
        voice.say(&opening)?;
    }
    let mut hearing = Hearing::new(kind, carrier.named, Rc::clone(&approach.inflater));
    let mut post_box = None;
    let mut chunk = [0; 2048];
    let mut heard_bytes = early;
    loop {
        let mut events = Events::default();
        hearing.feed(&heard_bytes, &approach.finder, |heard| events.take(heard))?;
        if let Some(why) = events.refused {
            return Err(DialError::Refused(why));
        }
        for answer in events.answers {
            voice.say(&answer)?;
        }
        let mut is_ready = events.is_done;
        if let Some(greeting) = events.greeting {
            match kind.answer(carrier, role, number) {
                Some(_) if carrier.named == Named::Sse => {
                    let greeting = Greeting::read(&greeting)?;
                    let post_box = post_box.insert(PostBox::of(&greeting, target, number));
                    approach.posts.post(approach, post_box, speech::SYNC).await?;
                }
                Some(answer) => voice.say(&answer)?,
                None => is_ready = true,
            }
        }
        if is_ready {
            return Ok(Dialed { reader, voice, hearing, post_box });
        }
        let count = reader.read(&mut chunk).await?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        heard_bytes.clear();
        heard_bytes.extend_from_slice(&chunk[..count]);
    }
}

/// What one piece of the stream brought.
#[derive(Default)]
struct Events {
    greeting: Option<Vec<u8>>,
    is_done: bool,
    refused: Option<String>,
    answers: Vec<Vec<u8>>,
}

impl Events {
    fn take(&mut self, heard: Heard<'_>) {
        match heard {
            Heard::Greeting(frame) => self.greeting = Some(frame.to_vec()),
            Heard::Done => self.is_done = true,
            Heard::Ping(payload) => self.answers.push(speech::pong(payload)),
            Heard::NatsPing => self.answers.push(speech::nats_pong()),
            Heard::Refused(why) => self.refused = Some(why),
            Heard::Closed(code) => self.refused = Some(format!("close {code}")),
            Heard::Message(_) | Heard::Stored { .. } | Heard::Page(_) => {}
        }
    }
}
