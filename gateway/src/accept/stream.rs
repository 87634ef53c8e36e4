//! A client's TCP connection: counted as long as its file is open, and read no further than it is trusted
//! before it has said who it is.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::admission::{AddressSeat, Place};

/// Everything may be read.
const ALL: usize = usize::MAX;
/// What is read at once while not everything may be.
const PART_BYTES: usize = 1 << 10;

/// What a request may do with the connection that it came on.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Bytes that may still be read.
    allowance: AtomicUsize,
    /// The seat of a connection that is no socket.
    request: Mutex<Option<AddressSeat>>,
}

impl Gate {
    pub(crate) fn new(request: Option<AddressSeat>) -> Arc<Self> {
        Arc::new(Self { allowance: AtomicUsize::new(ALL), request: Mutex::new(request) })
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
    pub(crate) fn is_socket(&self) {
        drop(self.request.lock().take());
    }
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Stream {
    tcp: TcpStream,
    gate: Arc<Gate>,
    /// None where files are not counted.
    _file: Option<Place>,
}

impl Stream {
    pub(crate) fn new(tcp: TcpStream, gate: Arc<Gate>, file: Option<Place>) -> Self {
        Self { tcp, gate, _file: file }
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
            return Pin::new(&mut self.tcp).poll_read(cx, buffer);
        }
        if allowance == 0 {
            return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
        }
        let mut bytes = [0; PART_BYTES];
        let most = allowance.min(buffer.remaining()).min(PART_BYTES);
        let mut part = ReadBuf::new(&mut bytes[..most]);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut part))?;
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
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
