//! Servers that do nothing but hand on: the floor that a gateway's costs are measured against.
//!
//! [`tcp`] writes to sockets, [`axum`] to WebSockets. Nothing is stored, checked or routed.

mod axum;
mod members;
mod tcp;

use std::io;
use std::net::SocketAddr;

use ::axum::body::Bytes;
use clap::{Args, ValueEnum};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// What is answered to a connection that subscribes or will publish.
const READY: &str = "ready";

/// What the help says beyond the options.
pub const HELP: &str = "\
tcp   sockets without HTTP. A line `subscribe` or `publish` begins; each further line of a publisher
      goes to every subscriber as a WebSocket text frame, made once and written by the publisher's
      own task. Lines that came together are written together
axum  WebSockets on /ws: axum with a read buffer of 1 KiB, a task for each connection, a bounded
      queue before it, what has queued written with one flush. The first message is `subscribe` or
      `publish`

Prints `listening HOST:PORT` and serves until it is killed.";

/// What stands between the publisher and the sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Floor {
    /// Nothing.
    Tcp,
    /// axum's WebSocket.
    Axum,
}

/// One floor.
#[derive(Debug, Clone, Args)]
pub struct FloorOptions {
    /// Which.
    pub floor: Floor,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
}

/// Serves and blocks meanwhile. `tell` hears the address.
pub fn run(options: &FloorOptions, tell: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(options.listen).await?;
        tell(listener.local_addr()?);
        match options.floor {
            Floor::Tcp => tcp::serve(listener).await,
            Floor::Axum => axum::serve(listener).await,
        }
    })
}

/// A text frame as a server writes it: not masked.
fn frame(text: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(text.len() + 10);
    append_frame(&mut out, text);
    out.into()
}

/// Appends a text frame.
pub(crate) fn append_frame(out: &mut Vec<u8>, text: &[u8]) {
    out.push(0x81);
    match text.len() {
        short @ 0..=125 => out.push(short as u8),
        middle @ 126..=0xFFFF => {
            out.push(126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(text);
}
