//! The reader behind each connection.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, ReadBuf};

use super::dialing::Dialed;
use super::hearing::{Heard, HearingError};
use super::posts::PostBox;
use super::voice::Voice;
use super::{Crowd, speech};

/// A connection that hears messages.
#[derive(Debug)]
pub struct Member {
    /// Speaks for it.
    pub voice: Rc<Voice>,
    /// Where it posts what it says, when it hears an event stream.
    pub post_box: Option<PostBox>,
    /// The message it should hear next.
    pub next: Cell<u32>,
    /// It has told the server that it has all below this one.
    pub told: Cell<u32>,
}

impl Member {
    /// Has heard nothing yet.
    pub fn new(voice: Rc<Voice>, post_box: Option<PostBox>) -> Self {
        Self { voice, post_box, next: Cell::new(0), told: Cell::new(0) }
    }
}

/// Why a connection is of no use any more.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("read: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Hearing(#[from] HearingError),
    #[error("{0}")]
    Told(String),
}

/// Hears a connection until it ends, which is trouble. Without a member it is the publisher's.
pub(super) async fn listen(crowd: Rc<Crowd>, member: Option<Rc<Member>>, mut dialed: Dialed) {
    let turn = |context: &mut Context<'_>| poll(&crowd, member.as_deref(), &mut dialed, context);
    let end = std::future::poll_fn(turn).await;
    crowd.note(end.to_string());
}

fn poll(
    crowd: &Crowd,
    member: Option<&Member>,
    dialed: &mut Dialed,
    context: &mut Context<'_>,
) -> Poll<End> {
    let mut buffer = crowd.read_buffer.borrow_mut();
    loop {
        let mut read = ReadBuf::new(&mut buffer);
        match ready!(Pin::new(&mut dialed.reader).poll_read(context, &mut read)) {
            Ok(()) if read.filled().is_empty() => {
                return Poll::Ready(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            Ok(()) => {
                if let Err(end) = take(crowd, member, dialed, read.filled()) {
                    return Poll::Ready(end);
                }
            }
            Err(error) => return Poll::Ready(error.into()),
        }
    }
}

fn take(
    crowd: &Crowd,
    member: Option<&Member>,
    dialed: &mut Dialed,
    bytes: &[u8],
) -> Result<(), End> {
    let now = Instant::now();
    if member.is_some() {
        crowd.tally.receive(bytes.len());
    }
    let mut told = None;
    let mut said = Ok(());
    let Dialed { voice, hearing, .. } = dialed;
    hearing.feed(bytes, &crowd.approach.finder, |heard| match heard {
        Heard::Message(number) => {
            if let Some(member) = member {
                crowd.tally.hear(&member.next, number, now);
            }
        }
        Heard::Stored { client_id, seq } => match crowd.approach.group.run.sender_of(client_id) {
            Some((0, number)) => crowd.tally.stored(number, seq),
            Some((member, number)) => crowd.tally.answer((member, number), now),
            None => {}
        },
        Heard::Ping(payload) => said = voice.say(&speech::pong(payload)),
        Heard::NatsPing => said = voice.say(&speech::nats_pong()),
        Heard::Refused(why) => told = Some(why),
        Heard::Closed(code) => told = Some(format!("close {code}")),
        Heard::Greeting(_) | Heard::Done | Heard::Page(_) => {}
    })?;
    said?;
    told.map_or(Ok(()), |why| Err(End::Told(why)))
}
