//! WebSockets (RFC 6455). The server's side: messages of a client in, prepared frames out. The client's side, for generators:
//! [`client`].
//!
//! Our own, because it is the hot path: a frame is encoded once for all its sockets and written as it is,
//! many of them with one call; an idle socket holds no buffer. Must not know what is said over it, whose socket it
//! is, or how the memory of its process is shared out: that is for the types that implement [`Prepared`] and [`ReadBounds`].

pub mod client;
mod deflate;
mod header;
mod inflate;
pub mod opening;
mod reader;
pub mod wire;
mod writing;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use header::Opcode;
use reader::Reader;
pub use reader::{Message, ReadError};
pub use writing::write_frames;

/// How a socket wants its frames, as it was agreed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Compressed, where that saves something.
    pub is_deflated: bool,
    /// Binary messages, not text messages.
    pub is_binary: bool,
}

/// A frame of the server that is ready for every socket.
pub trait Prepared {
    /// Its bytes for sockets of this encoding, its head included. The same bytes whenever they are asked for.
    fn wire(&self, encoding: Encoding) -> &[u8];
}

/// What a message may take while it is read: memory and time. The owner of the socket decides both.
pub trait ReadBounds {
    /// Counts what is left of a frame that others have written in part, for as long as it is there.
    type Counted: std::fmt::Debug + Default;

    /// The next message is asked for: the one before is done with, and a pause is over.
    fn go_on(&mut self);

    /// Nobody reads: the time does not count.
    fn pause(&mut self);

    /// Ready when a message may take so many bytes.
    fn poll_room(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<Result<(), ReadError>>;

    /// A message of so many bytes is whole; one that was compressed may be larger than what came.
    fn take_whole(&mut self, bytes: usize) -> Result<(), ReadError>;

    /// Ready when a message that has come in part has taken too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// What is read at once, on the stack.
const READ_BYTES: usize = 8 << 10;

/// The socket.
#[derive(Debug)]
pub struct Socket<S, B: ReadBounds> {
    stream: S,
    reader: Reader,
    bounds: B,
    encoding: Encoding,
    /// A pong, a ping, a close or the rest of a frame: it goes out before anything else.
    control: Vec<u8>,
    /// Counts the rest of a frame for as long as it is there.
    counted: B::Counted,
    /// So many bytes of the first frame under way are written.
    written: usize,
    /// The client has sent its close frame.
    is_closed: bool,
    /// This side has sent its close frame.
    has_closed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin, B: ReadBounds> Socket<S, B> {
    /// Of a stream after its upgrade; `read` came in behind the request. No message is larger than
    /// `limit` bytes, and none takes more memory or time than `bounds` allow.
    pub fn new(stream: S, read: &[u8], limit: usize, encoding: Encoding, bounds: B) -> Self {
        let mut reader = Reader::new(limit, encoding.is_deflated);
        reader.put(read);
        Self {
            stream,
            reader,
            bounds,
            encoding,
            control: Vec::new(),
            counted: B::Counted::default(),
            written: 0,
            is_closed: false,
            has_closed: false,
        }
    }

    /// How it wants its frames.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// From the next frame on compresses or does not, as far as the extension was agreed on.
    pub fn compress(&mut self, wanted: bool) {
        self.encoding.is_deflated = wanted && self.reader.inflates();
    }

    /// What its messages may take.
    pub fn bounds(&mut self) -> &mut B {
        &mut self.bounds
    }

    /// The stream below.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// See [`Self::poll_recv`].
    #[cfg(test)]
    pub async fn recv(&mut self) -> Option<Result<Message, ReadError>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next message; none once the client has gone. Cancel safe. Pings are answered by themselves.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, ReadError>>> {
        self.bounds.go_on();
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
                        && let Err(error) = self.bounds.take_whole(bytes)
                    {
                        return Poll::Ready(Some(Err(error)));
                    }
                    return Poll::Ready(Some(Ok(message)));
                }
                Ok(None) => {}
                Err(error) => {
                    // What follows it cannot be read, not even a close frame.
                    self.is_closed = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            if let Err(error) = ready!(self.bounds.poll_room(cx, self.reader.wanted(READ_BYTES))) {
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
                    ready!(self.bounds.poll_late(cx));
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
    pub async fn write<F: Prepared>(&mut self, frames: &mut VecDeque<F>) -> io::Result<()> {
        poll_fn(|cx| self.poll_write(cx, frames)).await
    }

    /// The same, if it can be done at once. None: the rest is left to [`Self::write`].
    pub fn write_now<F: Prepared>(&mut self, frames: &mut VecDeque<F>) -> Option<io::Result<()>> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.poll_write(&mut cx, frames) {
            Poll::Ready(written) => Some(written),
            Poll::Pending => None,
        }
    }

    fn poll_write<F: Prepared>(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut VecDeque<F>,
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
    pub fn is_at_rest(&self) -> bool {
        self.control.is_empty() && self.written == 0
    }

    /// Others have written a frame in part: this is the rest of it, and goes out before anything else.
    /// `counted` is kept for as long as the rest is.
    pub fn go_on_with(&mut self, rest: Vec<u8>, counted: B::Counted) {
        debug_assert!(self.is_at_rest(), "it was lent at rest");
        (self.control, self.counted) = (rest, counted);
    }

    /// Sends a ping, whose payload the pong repeats.
    pub async fn ping(&mut self, payload: &[u8]) -> io::Result<()> {
        poll_fn(|cx| self.poll_control(cx)).await?;
        self.control = wire::control(Opcode::Ping, payload);
        poll_fn(|cx| self.poll_control(cx)).await
    }

    /// Writes what is left of a control frame: the answer to a close, above all.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_control(cx)).await
    }

    /// Sends the close frame. Does not wait for that of the other side.
    pub async fn close(&mut self, code: u16, reason: &str) -> io::Result<()> {
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
        (self.control, self.counted) = (Vec::new(), B::Counted::default());
        Poll::Ready(Ok(()))
    }
}
