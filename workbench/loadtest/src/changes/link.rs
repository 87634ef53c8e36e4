//! A socket of a device, as JSON frames.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wire_client::ws::codec::{self, Message, Reader};
use wire_client::ws::handshake::{self, Target};

/// How long a connection may take, and a write.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nobody here has anything to hide from a proxy.
const MASK: [u8; 4] = [7, 7, 7, 7];

/// An upgraded connection.
pub(super) struct Link {
    stream: TcpStream,
    reader: Reader,
    chunk: Vec<u8>,
    frames: Vec<Value>,
    pongs: Vec<u8>,
    is_closed: bool,
}

impl Link {
    /// Connects.
    pub(super) async fn open(target: &Target, token: &str) -> io::Result<Self> {
        let opened = tokio::time::timeout(PATIENCE, handshake::open(target, None, token)).await;
        let opened = opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        let (stream, early) = opened.map_err(io::Error::other)?;
        let mut link = Self {
            stream,
            reader: Reader::default(),
            chunk: vec![0; 16 * 1024],
            frames: Vec::new(),
            pongs: Vec::new(),
            is_closed: false,
        };
        link.feed(&early);
        Ok(link)
    }

    fn feed(&mut self, bytes: &[u8]) {
        let Self { frames, pongs, is_closed, .. } = self;
        let fed = self.reader.feed(bytes, |message| match message {
            Message::Whole(text) => frames.push(serde_json::from_slice(text).unwrap_or_default()),
            Message::Ping(payload) => codec::write_pong(pongs, payload, MASK),
            Message::Close(_) => *is_closed = true,
            Message::Pong | Message::Deflated(_) => {}
        });
        self.is_closed |= fed.is_err();
    }

    /// Waits for bytes; may be given up at any time.
    pub(super) async fn read(&mut self) -> io::Result<()> {
        if !self.frames.is_empty() {
            return Ok(());
        }
        let read = self.stream.read(&mut self.chunk).await?;
        if read == 0 || self.is_closed {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let chunk = std::mem::take(&mut self.chunk);
        self.feed(&chunk[..read]);
        self.chunk = chunk;
        Ok(())
    }

    /// The frames that came.
    pub(super) fn frames(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.frames)
    }

    /// Writes frames, and answers to pings.
    pub(super) async fn write(&mut self, frames: &[Value]) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.pongs);
        for frame in frames {
            codec::write_text(&mut bytes, frame.to_string().as_bytes(), MASK);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let written = tokio::time::timeout(PATIENCE, self.stream.write_all(&bytes)).await;
        written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}
