//! A client's TCP connection: counted as long as its file is open, and read no further than it is trusted
//! before it has said who it is. Must not know what is asked or answered over it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Sleep;

use crate::admission::{AddressSeat, Place};

/// Everything may be read.
const ALL: usize = usize::MAX;
/// What is read at once while not everything may be.
const PART_BYTES: usize = 1 << 10;
/// How long what a client still sends is read, and thrown away, after the last answer.
const LINGER: Duration = Duration::from_secs(1);

/// What a request may do with the connection that it came on.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Bytes that may still be read.
    allowance: AtomicUsize,
    /// The seat of a connection that is no socket.
    request: Mutex<Option<AddressSeat>>,
    /// Its session looks after itself.
    is_socket: AtomicBool,
}

impl Gate {
    pub(crate) fn new(request: Option<AddressSeat>) -> Arc<Self> {
        let (allowance, is_socket) = (AtomicUsize::new(ALL), AtomicBool::new(false));
        Arc::new(Self { allowance, request: Mutex::new(request), is_socket })
    }

    /// From now on so many bytes are read and no more.
    pub(crate) fn narrow(&self, bytes: usize) {
        self.allowance.store(bytes, Ordering::Relaxed);
    }

    /// From now on everything is read.
    pub(crate) fn open(&self) {
        self.allowance.store(ALL, Ordering::Relaxed);
    }

    /// It is a socket now and has another seat.
    pub(crate) fn became_socket(&self) {
        self.is_socket.store(true, Ordering::Relaxed);
        drop(self.request.lock().take());
    }
}

/// Says what is written instead of these bytes; nothing for those that are written as they are.
pub(crate) type StandIn = fn(&[u8]) -> Option<Vec<u8>>;

/// The connection.
#[derive(Debug)]
pub(crate) struct Stream {
    read: OwnedReadHalf,
    /// Others write, too, while the session of the socket rests.
    out: Arc<OwnedWriteHalf>,
    gate: Arc<Gate>,
    /// None where files are not counted.
    _file: Option<Place>,
    /// Another answer in the place of one that the HTTP library writes by itself.
    stand_in: StandIn,
    /// What is left to write of an answer that stands in for the HTTP library's own; nearly always nothing.
    rest: Vec<u8>,
    /// Until when what comes after the last answer is read.
    lingering: Option<Pin<Box<Sleep>>>,
    /// How long the network may take nothing of an answer.
    patience: Duration,
    /// Until when it may; none while it takes what it is given.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    /// An answer of which the network takes nothing for so long is given up.
    pub(crate) fn new(
        tcp: TcpStream,
        gate: Arc<Gate>,
        file: Option<Place>,
        patience: Duration,
        stand_in: StandIn,
    ) -> Self {
        let (read, out) = tcp.into_split();
        let (out, rest) = (Arc::new(out), Vec::new());
        Self {
            read,
            out,
            gate,
            _file: file,
            stand_in,
            rest,
            lingering: None,
            patience,
            stuck: None,
        }
    }

    /// True when nothing can be written any more: the client's side has reset the connection.
    pub(crate) fn is_broken(&self) -> bool {
        let tcp: &TcpStream = (*self.out).as_ref();
        let state = tcp.ready(Interest::READABLE | Interest::WRITABLE).now_or_never();
        state.is_some_and(|state| state.is_ok_and(Ready::is_write_closed))
    }

    /// Its way out.
    pub(crate) fn out(&self) -> Arc<OwnedWriteHalf> {
        Arc::clone(&self.out)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let allowance = self.gate.allowance.load(Ordering::Relaxed);
        if allowance == ALL {
            return Pin::new(&mut self.read).poll_read(cx, buffer);
        }
        if allowance == 0 {
            return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
        }
        let mut bytes = [0; PART_BYTES];
        let most = allowance.min(buffer.remaining()).min(PART_BYTES);
        let mut part = ReadBuf::new(&mut bytes[..most]);
        ready!(Pin::new(&mut self.read).poll_read(cx, &mut part))?;
        buffer.put_slice(part.filled());
        let left = allowance - part.filled().len();
        // Opened meanwhile it stays open.
        let _ = self.gate.allowance.compare_exchange(
            allowance,
            left,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_replaced(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = self.poll_out(cx, |out| out.try_write(bytes));
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = parts
            && self.is_replaced(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        let written = self.poll_out(cx, |out| out.try_write_vectored(parts));
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket has no buffer of this process, but for an answer that stands in for another.
        while !self.rest.is_empty() {
            let written = ready!(self.poll_out(cx, |out| out.try_write(&self.rest)))?;
            self.rest.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Ends the way out, and reads what the client still sends for a moment: a body that nobody wanted would
    /// reset the connection otherwise, and the answer would be lost with it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        if self.lingering.is_none() {
            let tcp: &TcpStream = (*self.out).as_ref();
            match socket2::SockRef::from(tcp).shutdown(std::net::Shutdown::Write) {
                Ok(()) => {}
                // The client was faster.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    return Poll::Ready(Ok(()));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let this = &mut *self;
        let lingering = this.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let mut bytes = [0; PART_BYTES];
        loop {
            let mut part = ReadBuf::new(&mut bytes);
            match Pin::new(&mut this.read).poll_read(cx, &mut part) {
                Poll::Ready(Ok(())) if !part.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return lingering.as_mut().poll(cx).map(Ok),
            }
            if lingering.is_elapsed() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Stream {
    /// Whether another answer is written instead of these bytes.
    fn is_replaced(&mut self, bytes: &[u8]) -> bool {
        let Some(answer) = (self.stand_in)(bytes) else { return false };
        self.rest = answer;
        true
    }

    /// What was written, or that nothing could be for too long.
    fn in_time(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() || self.gate.is_socket.load(Ordering::Relaxed) {
            self.stuck = None;
            return written;
        }
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stuck.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_out(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&OwnedWriteHalf) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let tcp: &TcpStream = (*self.out).as_ref();
        loop {
            match write(&self.out) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(tcp.poll_write_ready(cx))?;
                }
                written => return Poll::Ready(written),
            }
        }
    }
}
