//! A WebSocket of a client (RFC 6455): messages in, prepared frames out.
//!
//! Our own, because it is the hot path: a frame is encoded once for all its sockets and written as it is,
//! many of them with one call; an idle socket holds no buffer. Knows nothing of sessions.

mod deflate;
mod header;
mod inflow;
pub(crate) mod opening;
mod reader;
pub(crate) mod wire;
mod writing;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use proto::id::UserId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::accept::stream::Stream;
use crate::frame::bounds::Held;
use crate::frame::{Encoding, Frame};
use crate::line::Line;
use header::Opcode;
use inflow::Inflow;
pub(crate) use inflow::MessageBounds;
use reader::Reader;
pub(crate) use reader::{Message, ReadError};
pub(crate) use writing::write_frames;

/// What is read at once, on the stack.
const READ_BYTES: usize = 8 << 10;

/// The socket.
#[derive(Debug)]
pub(crate) struct Socket<S = Stream> {
    stream: S,
    reader: Reader,
    inflow: Inflow,
    encoding: Encoding,
    /// A pong, a ping, a close or the rest of a frame: it goes out before anything else.
    control: Vec<u8>,
    /// Counts the rest of a frame.
    held: Held,
    /// So many bytes of the first frame under way are written.
    written: usize,
    /// The client has said goodbye.
    is_closed: bool,
    /// This side has said goodbye.
    has_closed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Of a stream after its upgrade; `read` came in behind the request. No message is larger than
    /// `limit` bytes, and those of all sockets are within `bounds`.
    pub(crate) fn new(
        stream: S,
        read: &[u8],
        limit: usize,
        encoding: Encoding,
        bounds: Arc<MessageBounds>,
    ) -> Self {
        let mut reader = Reader::new(limit, encoding.is_deflated);
        reader.put(read);
        Self {
            stream,
            reader,
            inflow: Inflow::new(bounds),
            encoding,
            control: Vec::new(),
            held: Held::default(),
            written: 0,
            is_closed: false,
            has_closed: false,
        }
    }

    /// How it wants its frames.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// From the next frame on compresses or does not, as far as the extension was agreed on.
    pub(crate) fn compress(&mut self, wanted: bool) {
        self.encoding.is_deflated = wanted && self.reader.inflates();
    }

    /// It is known whose messages these are.
    pub(crate) fn belongs_to(&mut self, user_id: &UserId) {
        self.inflow.owner = Some(user_id.clone());
    }

    /// It is not read for a while: what has come in part is not late for that.
    pub(crate) fn pause(&mut self) {
        self.inflow.pause();
    }

    /// See [`Self::poll_recv`].
    #[cfg(test)]
    pub(crate) async fn recv(&mut self) -> Option<Result<Message, ReadError>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next message; none once the client has gone. Cancel safe. Pings are answered by themselves.
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, ReadError>>> {
        self.inflow.go_on();
        loop {
            // Before more is read: a flood of pings is held up by its own answers.
            if let Err(error) = ready!(self.poll_control(cx)) {
                return Poll::Ready(Some(Err(error.into())));
            }
            if self.is_closed {
                return Poll::Ready(None);
            }
            match self.reader.next() {
                Ok(Some(message)) => {
                    self.answer(&message);
                    if let Some(bytes) = message.data_bytes()
                        && let Err(error) = self.inflow.is_whole(bytes)
                    {
                        return Poll::Ready(Some(Err(error)));
                    }
                    return Poll::Ready(Some(Ok(message)));
                }
                Ok(None) => {}
                Err(error) => {
                    // What follows it cannot be understood, a goodbye least of all.
                    self.is_closed = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            if let Err(error) = ready!(self.inflow.poll_room(cx, self.reader.wanted(READ_BYTES))) {
                self.is_closed = true;
                return Poll::Ready(Some(Err(error)));
            }
            let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
            let mut read = ReadBuf::uninit(&mut space);
            match Pin::new(&mut self.stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Pending if self.reader.is_at_rest() => return Poll::Pending,
                Poll::Pending => {
                    ready!(self.inflow.poll_late(cx));
                    self.is_closed = true;
                    return Poll::Ready(Some(Err(ReadError::Unfinished)));
                }
            }
            if read.filled().is_empty() {
                return Poll::Ready(None);
            }
            self.reader.put(read.filled());
        }
    }

    fn answer(&mut self, message: &Message) {
        match message {
            Message::Ping(payload) => self.control = wire::control(Opcode::Pong, payload),
            Message::Close(code) => {
                self.is_closed = true;
                if !self.has_closed {
                    self.control = match code {
                        Some(code) => wire::close(*code, ""),
                        None => wire::control(Opcode::Close, &[]),
                    };
                }
            }
            _ => {}
        }
    }

    /// Writes all these frames and takes them away. Dropped half-way, nothing can be written any more.
    pub(crate) async fn write(&mut self, frames: &mut VecDeque<Frame>) -> io::Result<()> {
        poll_fn(|cx| self.poll_write(cx, frames)).await
    }

    /// The same, if it can be done at once. None: the rest is left to [`Self::write`].
    pub(crate) fn write_now(&mut self, frames: &mut VecDeque<Frame>) -> Option<io::Result<()>> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.poll_write(&mut cx, frames) {
            Poll::Ready(written) => Some(written),
            Poll::Pending => None,
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_control(cx))?;
        let stream = &mut self.stream;
        let write = |parts: &[IoSlice<'_>]| match parts {
            [one] => Pin::new(&mut *stream).poll_write(cx, one),
            many => Pin::new(&mut *stream).poll_write_vectored(cx, many),
        };
        write_frames(frames, self.encoding, &mut self.written, write, |_| {})
    }

    /// True when it has nothing of its own to write and stands between two frames.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.control.is_empty() && self.written == 0
    }

    /// Others have written a frame in part: this is the rest of it, and goes out before anything else.
    pub(crate) fn go_on_with(&mut self, rest: Vec<u8>, held: Held) {
        debug_assert!(self.is_at_rest(), "it was lent at rest");
        (self.control, self.held) = (rest, held);
    }

    /// Sends a ping, whose payload the pong repeats.
    pub(crate) async fn ping(&mut self, payload: &[u8]) -> io::Result<()> {
        poll_fn(|cx| self.poll_control(cx)).await?;
        self.control = wire::control(Opcode::Ping, payload);
        poll_fn(|cx| self.poll_control(cx)).await
    }

    /// Writes what is left of a control frame: the answer to a close, above all.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_control(cx)).await
    }

    /// Says goodbye. Does not wait for the other side's.
    pub(crate) async fn close(&mut self, code: u16, reason: &str) -> io::Result<()> {
        poll_fn(|cx| self.poll_control(cx)).await?;
        self.has_closed = true;
        self.control = wire::close(code, reason);
        poll_fn(|cx| self.poll_control(cx)).await
    }

    fn poll_control(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.control.is_empty() {
            if self.written > 0 {
                // In the middle of a frame whose rest will never come.
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.control))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => {
                    self.control.drain(..count);
                }
            }
        }
        (self.control, self.held) = (Vec::new(), Held::default());
        Poll::Ready(Ok(()))
    }
}

impl Socket {
    /// True when the connection has broken. A client that only says nothing more still gets its answers.
    pub(crate) fn is_broken(&self) -> bool {
        self.stream.is_broken()
    }

    /// Its way out, for others.
    pub(crate) fn line(&self) -> Line {
        Line::new(self.stream.out(), self.encoding)
    }
}
