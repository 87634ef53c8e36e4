//! The floor of a socket: one write for each message and member, and nothing else.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::members::Members;
use super::{READY, append_frame, frame};

/// Longest line in bytes, and what is read at once.
const MAX_LINE: usize = 128 * 1024;
/// The first line is short; an idle connection keeps no more.
const FIRST_LINE: usize = 64;

type Writers = Members<OwnedWriteHalf>;

/// Serves until the listener fails.
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    let writers = Arc::new(Writers::default());
    let connections = TaskTracker::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let writers = Arc::clone(&writers);
        // How a connection ended matters to nobody: its peer sees it.
        connections.spawn(async move { drop(connection(stream, &writers).await) });
    }
}

async fn connection(stream: TcpStream, writers: &Writers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, writer) = stream.into_split();
    let mut line = Vec::with_capacity(FIRST_LINE);
    while !line.ends_with(b"\n") {
        let byte = reader.read_u8().await?;
        line.push(byte);
        if line.len() > FIRST_LINE {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    write_all(&writer, &frame(READY.as_bytes())).await?;
    match line.as_slice() {
        b"subscribe\n" => {
            drop(line);
            let number = writers.join(writer);
            let ended = wait_for_end(&mut reader).await;
            writers.leave(number);
            ended
        }
        b"publish\n" => publish(reader, writers).await,
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A subscriber says nothing more; what it says is not read.
async fn wait_for_end(reader: &mut OwnedReadHalf) -> io::Result<()> {
    let mut ignored = [0; 16];
    while reader.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// Hands on what comes. A member that does not read holds up the publisher, so nothing piles up.
async fn publish(mut reader: OwnedReadHalf, writers: &Writers) -> io::Result<()> {
    let mut lines = Vec::with_capacity(MAX_LINE);
    let mut frames = Vec::new();
    loop {
        if reader.read_buf(&mut lines).await? == 0 {
            return Ok(());
        }
        let Some(end) = memchr::memrchr(b'\n', &lines) else {
            if lines.len() >= MAX_LINE {
                return Err(io::ErrorKind::InvalidData.into());
            }
            continue;
        };
        frames.clear();
        for line in lines[..end].split(|byte| *byte == b'\n') {
            append_frame(&mut frames, line);
        }
        lines.drain(..=end);
        for writer in writers.all().iter() {
            // Its own task sees that a member is gone.
            let _ = write_all(writer, &frames).await;
        }
    }
}

async fn write_all(writer: &OwnedWriteHalf, bytes: &[u8]) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match writer.try_write(&bytes[written..]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => writer.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
