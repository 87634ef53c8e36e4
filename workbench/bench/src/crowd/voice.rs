//! The sending half of a connection: what the socket does not take at once waits.

use std::cell::RefCell;
use std::io;

use tokio::net::tcp::OwnedWriteHalf;

/// Bytes that may wait: far more than a window of messages.
const MAX_WAITING: usize = 1024 * 1024;

/// Speaks for one connection.
#[derive(Debug)]
pub struct Voice {
    writer: OwnedWriteHalf,
    waiting: RefCell<Vec<u8>>,
}

impl Voice {
    /// Nothing said yet.
    pub fn new(writer: OwnedWriteHalf) -> Self {
        Self { writer, waiting: RefCell::default() }
    }

    /// Says it now, or behind what waits.
    pub fn say(&self, bytes: &[u8]) -> io::Result<()> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() + bytes.len() > MAX_WAITING {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "the server does not read"));
        }
        waiting.extend_from_slice(bytes);
        drop(waiting);
        self.flush().map(|_| ())
    }

    /// Writes what waits as far as it goes; true when all is written.
    fn flush(&self) -> io::Result<bool> {
        let mut waiting = self.waiting.borrow_mut();
        let mut written = 0;
        while written < waiting.len() {
            match self.writer.try_write(&waiting[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        waiting.drain(..written);
        Ok(waiting.is_empty())
    }

    /// Waits until all that was said is written.
    pub async fn said(&self) -> io::Result<()> {
        while !self.flush()? {
            self.writer.writable().await?;
        }
        Ok(())
    }

    /// The connection shall end with a reset.
    pub fn reset(&self) {
        let _ = self.writer.as_ref().set_zero_linger();
    }
}
