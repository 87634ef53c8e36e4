//! The write half of a socket. Fan-out tasks may use it while the session task is idle, so that a push does not have to
//! wake the session.
//!
//! A session gives its line away when it begins to wait and takes it back before it does anything else, so there is one
//! writer at a time. Only what the socket takes at once is written; the session writes the rest.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::Poll;

use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use websocket::{Encoding, write_frames};

use crate::net::frame::bounds::Held;
use crate::net::frame::{Frame, Stretches};

/// Stretches of entries that are written before the session is told.
const STRETCHES: usize = 16;

/// Something that takes bytes now or not at all.
pub(crate) trait TryWrite: Send + Sync + std::fmt::Debug {
    /// How many bytes it took; `WouldBlock` when it has no room.
    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// Without asking the runtime first whether there is room: what it knows lies far away. Where there is
/// none, the session asks it.
impl TryWrite for OwnedWriteHalf {
    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let (tcp, flags): (&TcpStream, _) =
            (self.as_ref(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        let sent = match parts {
            [one] => send(tcp, one, flags),
            many => sendmsg(tcp, many, &mut SendAncillaryBuffer::default(), flags),
        };
        Ok(sent?)
    }
}

/// Whether others may use the line, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WritePermission {
    /// The session writes itself.
    No,
    /// For everything but entries: the session has to know when the first is to be acknowledged.
    ButEntries,
    /// For everything; the session is told of entries when it wakes.
    Told,
    /// For everything, and nobody has to be told.
    Untold,
}

/// The line of one session.
#[derive(Debug)]
pub(crate) struct Line {
    out: Arc<dyn TryWrite>,
    encoding: Encoding,
    lent: WritePermission,
    used: Used,
}

/// What others have written over the line.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// Entries, if the session wanted to be told.
    pub(crate) entries: Stretches,
    /// The rest of a frame that is written in part: it has to follow before anything else.
    pub(crate) rest: Vec<u8>,
    /// Counts it.
    pub(crate) held: Held,
}

/// What was written in one go.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Frames, those of runs counted.
    pub(crate) frames: u64,
    /// Their bytes as JSON.
    pub(crate) bytes: u64,
    /// The entries among them.
    pub(crate) entries: Stretches,
    /// When the first of these that is known came to a gateway, in Unix milliseconds; 0 when none is.
    pub(crate) oldest_ms: u64,
}

/// The earlier of two moments, of which 0 is none.
pub(crate) fn earlier(one_ms: u64, other_ms: u64) -> u64 {
    if one_ms == 0 || other_ms == 0 { one_ms.max(other_ms) } else { one_ms.min(other_ms) }
}

impl Line {
    /// Not given away yet.
    pub(crate) fn new(out: Arc<dyn TryWrite>, encoding: Encoding) -> Self {
        Self { out, encoding, lent: WritePermission::No, used: Used::default() }
    }

    /// The session rests.
    pub(crate) fn lend(&mut self, lent: WritePermission) {
        self.lent = lent;
    }

    /// The session is awake. Answers what was written meanwhile.
    pub(crate) fn take_back(&mut self) -> Used {
        self.lent = WritePermission::No;
        std::mem::take(&mut self.used)
    }

    /// The session has to go on itself.
    pub(crate) fn has_rest(&self) -> bool {
        !self.used.rest.is_empty()
    }

    /// Writes these frames and takes away what is written. Nothing when it may not be used for that. When it
    /// has room for no more, the line is the session's again, who has to be woken.
    pub(crate) fn write(&mut self, frames: &mut VecDeque<Frame>) -> Written {
        let mut written = Written::default();
        if !self.is_lent_for(frames) {
            return written;
        }
        let (out, mut begun) = (&self.out, 0);
        let write = |parts: &[IoSlice<'_>]| match out.try_write(parts) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            written => Poll::Ready(written),
        };
        let is_told = self.lent == WritePermission::Told;
        let told = &mut self.used.entries;
        let mut note = |frame: &Frame| {
            written.frames += frame.parts().len() as u64;
            written.bytes += frame.len() as u64;
            written.oldest_ms = earlier(written.oldest_ms, frame.about().sent_ms);
            let Some(entries) = frame.about().entries else { return };
            written.entries.add(entries);
            if is_told {
                told.add(entries);
            }
        };
        let outcome = write_frames(frames, self.encoding, &mut begun, write, &mut note);
        if !matches!(outcome, Poll::Ready(Ok(()))) {
            // Of an error the session learns when it writes what is left.
            self.lent = WritePermission::No;
        }
        if begun > 0
            && let Some(first) = frames.pop_front()
        {
            note(&first);
            self.used.rest = first.wire(self.encoding)[begun..].to_vec();
            self.used.held = Held::new(self.used.rest.len());
        }
        written
    }

    fn is_lent_for(&self, frames: &VecDeque<Frame>) -> bool {
        // An answer settles a request, a span is told of its end, and what is late may be left out: all of that is
        // the session's to do.
        let is_plain = |frame: &Frame| {
            let about = frame.about();
            about.answers.is_empty() && about.traceparent.is_empty() && !about.is_late
        };
        let is_lent = match self.lent {
            WritePermission::No => false,
            WritePermission::ButEntries => {
                frames.iter().all(|frame| frame.about().entries.is_none())
            }
            WritePermission::Told => self.used.entries.len() + frames.len() <= STRETCHES,
            WritePermission::Untold => true,
        };
        is_lent && frames.iter().all(is_plain)
    }
}
