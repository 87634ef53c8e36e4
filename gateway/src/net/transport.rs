//! The ways in which a client is reached: a WebSocket, or an event stream with posts beside it. A session
//! does not know which it has.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use proto::id::UserId;
use websocket::{Encoding, Message, ReadBounds as _, ReadError};

use crate::net::event_stream::{EventStream, Inbox};
use crate::net::frame::Frame;
use crate::net::frame::bounds::Held;
use crate::net::inflow::Inflow;
use crate::net::line::Line;
use crate::net::stream::Stream;

/// The WebSocket of a client.
pub(crate) type Socket = websocket::Socket<Stream, Inflow>;

/// One of them.
#[derive(Debug)]
pub(crate) enum Transport {
    Socket(Socket),
    /// Boxed: sockets are the many.
    Events(Box<EventStream>),
}

impl Transport {
    /// How the client wants its frames.
    pub(crate) fn encoding(&self) -> Encoding {
        match self {
            Self::Socket(socket) => socket.encoding(),
            Self::Events(_) => Encoding::default(),
        }
    }

    /// From now on compresses or does not, as far as that was agreed on.
    pub(crate) fn compress(&mut self, wanted: bool) {
        if let Self::Socket(socket) = self {
            socket.compress(wanted);
        }
    }

    /// Where the client's posts come in; none where it has no need of any.
    pub(crate) fn inbox(&self) -> Option<Arc<Inbox>> {
        match self {
            Self::Socket(_) => None,
            Self::Events(events) => Some(events.inbox()),
        }
    }

    /// It is known whose connection it is.
    pub(crate) fn belongs_to(&mut self, user_id: &UserId) {
        if let Self::Socket(socket) = self {
            socket.bounds().belongs_to(user_id);
        }
    }

    /// It is not read for a while: what has come in part is not late for that.
    pub(crate) fn pause(&mut self) {
        if let Self::Socket(socket) = self {
            socket.bounds().pause();
        }
    }

    /// The next message; none once the client has gone. Cancel safe.
    pub(crate) async fn recv(&mut self) -> Option<Result<Message, ReadError>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// See [`Self::recv`].
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, ReadError>>> {
        match self {
            Self::Socket(socket) => socket.poll_recv(cx),
            Self::Events(events) => events.poll_recv(cx),
        }
    }

    /// Ready when the client has gone, as far as that shows without reading what it says. Of a socket
    /// nobody is woken for it.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Socket(socket) if socket.stream().is_broken() => Poll::Ready(()),
            Self::Socket(_) => Poll::Pending,
            Self::Events(events) => events.poll_gone(cx),
        }
    }

    /// Writes all these frames and takes them away. Dropped half-way, nothing can be written any more.
    pub(crate) async fn write(&mut self, frames: &mut VecDeque<Frame>) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.write(frames).await,
            Self::Events(events) => events.write(frames).await,
        }
    }

    /// Writes them if that can be done at once. None: the rest is left to [`Self::write`], the same frames.
    pub(crate) fn write_now(&mut self, frames: &mut VecDeque<Frame>) -> Option<io::Result<()>> {
        match self {
            Self::Socket(socket) => socket.write_now(frames),
            Self::Events(_) => None,
        }
    }

    /// The way out, for others; none where only the session can write.
    pub(crate) fn line(&self) -> Option<Line> {
        match self {
            Self::Socket(socket) => Some(Line::new(socket.stream().out(), socket.encoding())),
            Self::Events(_) => None,
        }
    }

    /// See [`websocket::Socket::is_at_rest`].
    pub(crate) fn is_at_rest(&self) -> bool {
        match self {
            Self::Socket(socket) => socket.is_at_rest(),
            Self::Events(_) => false,
        }
    }

    /// See [`websocket::Socket::go_on_with`].
    pub(crate) fn go_on_with(&mut self, rest: Vec<u8>, held: Held) {
        if let Self::Socket(socket) = self {
            socket.go_on_with(rest, held);
        }
    }

    /// Whether several frames may come as one.
    pub(crate) fn takes_runs(&self) -> bool {
        matches!(self, Self::Socket(_))
    }

    /// Sends a heartbeat; a socket's client repeats the payload.
    pub(crate) async fn ping(&mut self, payload: &[u8]) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.ping(payload).await,
            Self::Events(events) => events.ping().await,
        }
    }

    /// Writes what is left of the last words.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.flush().await,
            Self::Events(_) => Ok(()),
        }
    }

    /// Sends the close frame. Does not wait for that of the other side.
    pub(crate) async fn close(&mut self, code: u16, reason: &str) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.close(code, reason).await,
            Self::Events(events) => events.close(code, reason).await,
        }
    }
}
