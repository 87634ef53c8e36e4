//! One direction of a connection: reads, holds back as the fault says, writes.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rand::Rng;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::{BUFFER_BYTES, Counts, Fault, Orders, Way, Word};

/// Read at once.
const CHUNK: usize = 16 * 1024;

/// What a direction needs.
pub(super) struct Direction<'a> {
    pub(super) way: Way,
    pub(super) from: ReadHalf<'a>,
    pub(super) to: WriteHalf<'a>,
    pub(super) orders: watch::Receiver<Orders>,
    /// What is to be said beside what is forwarded; nothing on the way up.
    pub(super) words: Option<Words>,
    /// Bytes forwarded.
    pub(super) bytes: &'a AtomicU64,
    /// Chunks held back.
    pub(super) held: &'a AtomicU64,
    /// Truncations ordered before the connection began.
    pub(super) truncations: u64,
}

/// What is said in the name of the upstream to one connection.
pub(super) struct Words {
    pub(super) number: u64,
    pub(super) words: broadcast::Receiver<Word>,
}

impl Words {
    /// The next one for this connection.
    async fn next(words: &mut Option<Self>) -> Vec<u8> {
        if let Some(Self { number, words }) = words {
            loop {
                match words.recv().await {
                    Ok((to_whom, bytes)) if to_whom == *number => return bytes,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break,
                }
            }
        }
        std::future::pending().await
    }
}

/// What was read and not written yet; nothing is the end of the stream.
struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Queue {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    is_ended: bool,
    last_due: Option<Instant>,
}

impl Queue {
    /// Takes what was read, due as the fault says and never before what is ahead of it.
    fn take(&mut self, mode: Fault, bytes: Vec<u8>, held: &AtomicU64) {
        let wait = match mode {
            Fault::Delay { ms, jitter_ms } => {
                let jitter_ms = rand::rng().random_range(0..=jitter_ms);
                Duration::from_millis(ms + jitter_ms)
            }
            Fault::Throttle { bytes_per_second } => {
                Duration::from_secs_f64(bytes.len() as f64 / bytes_per_second.max(1) as f64)
            }
            _ => Duration::ZERO,
        };
        if !wait.is_zero() {
            Counts::add(held, 1);
        }
        let now = Instant::now();
        let due = match (mode, self.last_due) {
            // A slow wire takes the next bytes when it is done with these.
            (Fault::Throttle { .. }, Some(last)) => last.max(now) + wait,
            (_, Some(last)) => (now + wait).max(last),
            (_, None) => now + wait,
        };
        self.last_due = Some(due);
        self.bytes += bytes.len();
        self.is_ended = bytes.is_empty();
        self.chunks.push_back(Chunk { due, bytes });
    }

    /// The fault is over: nothing waits any longer.
    fn release(&mut self) {
        let now = Instant::now();
        for chunk in &mut self.chunks {
            chunk.due = chunk.due.min(now);
        }
        self.last_due = None;
    }
}

/// Forwards to the end of the stream; false when it was truncated before.
pub(super) async fn forward(mut direction: Direction<'_>) -> io::Result<bool> {
    let mut queue = Queue::default();
    let mut buffer = vec![0; CHUNK];
    let mut orders = *direction.orders.borrow_and_update();
    let mut left = direction.bytes_left(orders);
    loop {
        let is_stalled = orders.is_stalled(direction.way);
        let can_read = !is_stalled && !queue.is_ended && queue.bytes < BUFFER_BYTES;
        let due = queue.chunks.front().map(|chunk| chunk.due);
        tokio::select! {
            changed = direction.orders.changed() => {
                if changed.is_err() {
                    return Ok(false);
                }
                let now = *direction.orders.borrow_and_update();
                if now.mode != orders.mode {
                    queue.release();
                }
                if now.truncations.0 != orders.truncations.0 {
                    left = direction.bytes_left(now);
                }
                orders = now;
            }
            read = read(&direction.from, &mut buffer, orders.mode), if can_read => {
                let count = read?;
                queue.take(orders.mode, buffer[..count].to_vec(), direction.held);
            }
            word = Words::next(&mut direction.words) => {
                direction.write(&word, &mut None).await?;
            }
            () = until(due), if due.is_some() && !is_stalled => {
                let Some(chunk) = queue.chunks.pop_front() else { continue };
                if chunk.bytes.is_empty() {
                    direction.to.shutdown().await?;
                    return Ok(true);
                }
                queue.bytes -= chunk.bytes.len();
                if !direction.write(&chunk.bytes, &mut left).await? {
                    return Ok(false);
                }
            }
        }
    }
}

/// One read, small on a slow wire so that it trickles rather than stops and jumps.
async fn read(from: &ReadHalf<'_>, buffer: &mut [u8], mode: Fault) -> io::Result<usize> {
    let most = match mode {
        Fault::Throttle { bytes_per_second } => (bytes_per_second / 20).clamp(1, CHUNK as u64),
        _ => CHUNK as u64,
    };
    loop {
        from.readable().await?;
        match from.try_read(&mut buffer[..most as usize]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
    }
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}

impl Direction<'_> {
    /// How many bytes may still pass, when this way is to be truncated.
    fn bytes_left(&self, orders: Orders) -> Option<u64> {
        let (number, way, after_bytes) = orders.truncations;
        (number != self.truncations && way == self.way).then_some(after_bytes)
    }

    /// Writes; false when the stream ends here.
    async fn write(&self, bytes: &[u8], left: &mut Option<u64>) -> io::Result<bool> {
        let most = left.map_or(bytes.len(), |left| bytes.len().min(left as usize));
        let mut written = 0;
        while written < most {
            self.to.writable().await?;
            match self.to.try_write(&bytes[written..most]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Counts::add(self.bytes, written as u64);
        if let Some(left) = left {
            *left -= written as u64;
        }
        Ok(*left != Some(0))
    }
}
