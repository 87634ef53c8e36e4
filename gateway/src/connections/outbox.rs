//! What waits for one socket: bounded by frames and bytes, so that a slow reader costs nobody else. In three lines: what is
//! high (urgent notices and call signals) before everything else, bulk behind it. Each keeps its order; notices, which
//! are in two of them, are never written in another order than that of their log.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use proto::error_code::Stored;

use crate::connections::dropped::Dropped;
use crate::limits::LimitsConfig;
use crate::net::close::Close;
use crate::net::frame::{Class, Frame};
use crate::net::line::{Line, Used, WritePermission, Written};

/// Requests that no service answers: the connection knows what to repeat in the answer.
#[derive(Debug)]
pub enum Failed {
    /// One whose publish failed.
    Publish {
        /// The client id.
        client_id: Bytes,
        /// Whether it may be stored.
        stored: Stored,
    },
    /// All that were sent until then: their answers went to a queue that is gone.
    Lost {
        /// When it was lost.
        sent_until: Instant,
    },
}

/// Everything there is for a socket at this moment.
#[derive(Debug, Default)]
pub struct Taken {
    /// In order.
    pub frames: VecDeque<Frame>,
    /// To be answered by the connection.
    pub failed: Vec<Failed>,
    /// After the frames.
    pub close: Option<Close>,
    /// The gateway stops, or asks the connection to move.
    pub is_nudged: bool,
}

/// The bounds of outboxes.
#[derive(Debug, Clone, Copy)]
pub struct OutboxLimits {
    /// Frames.
    pub frames: usize,
    /// Bytes.
    pub bytes: usize,
    /// Bulk frames, besides.
    pub bulk: usize,
}

/// Bulk frames that are written before it is looked again whether anything else has come.
const BULK_AT_ONCE: usize = 4;

impl From<&LimitsConfig> for OutboxLimits {
    fn from(limits: &LimitsConfig) -> Self {
        Self {
            frames: limits.outbox_frames,
            bytes: limits.outbox_bytes,
            bulk: limits.outbox_broadcasts.max(1),
        }
    }
}

/// The queue of one socket. Nothing is allocated before the first frame.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    /// The place of the last notice that was put in.
    noticed: u64,
    /// Before all others; counted with them.
    high: VecDeque<Frame>,
    frames: VecDeque<Frame>,
    /// How many these are, those of runs counted.
    count: usize,
    bytes: usize,
    bulk: VecDeque<Frame>,
    failed: Vec<Failed>,
    close: Option<Close>,
    is_nudged: bool,
    /// Bytes that the reader has taken and not written yet, where the socket does not take them at once.
    writing: usize,
    /// The reader is to end whatever it does.
    is_cut: bool,
    /// Something was added that the reader has not been told of.
    is_changed: bool,
    /// The one reader there is.
    reader: Option<Waker>,
    /// The reader's way to its socket; none where only it can write.
    line: Option<Box<Line>>,
}

impl Outbox {
    /// Adds a frame. A full outbox drops what is ephemeral first; when that does not help, the socket
    /// is closed with 4009 and the device comes back by sync. A signal that finds no room is dropped
    /// itself, and bulk pushes out the oldest bulk. Answers what is dropped.
    pub fn push(&self, frame: Frame, limits: OutboxLimits) -> Dropped {
        self.change(|waiting| {
            let mut dropped = Dropped::default();
            waiting.push(frame, limits, &mut dropped);
            (dropped, true)
        })
    }

    /// Adds frames without waking anybody: [`Self::write`] follows. Answers what is dropped.
    pub fn push_quietly(
        &self,
        frames: impl Iterator<Item = Frame>,
        limits: OutboxLimits,
    ) -> Dropped {
        let (mut waiting, mut dropped) = (self.waiting.lock(), Dropped::default());
        frames.for_each(|frame| waiting.push(frame, limits, &mut dropped));
        dropped
    }

    /// Writes what waits, where the reader has given its line, and wakes the reader where something is left
    /// for it. Answers what was written.
    pub(crate) fn write(&self) -> Written {
        self.change(|waiting| {
            let written = waiting.write();
            let has_rest = waiting.line.as_ref().is_some_and(|line| line.has_rest());
            let is_left = has_rest
                || !waiting.frames.is_empty()
                || !waiting.high.is_empty()
                || waiting.close.is_some();
            (written, is_left)
        })
    }

    /// Wakes the reader for what was added quietly.
    pub fn wake(&self) {
        self.change(|_| ((), true));
    }

    /// From now on the line can be given to others; none: not any more.
    pub(crate) fn connect(&self, line: Option<Line>) {
        self.waiting.lock().line = line.map(Box::new);
    }

    /// The reader takes its line back, and hears what was written over it meanwhile.
    pub(crate) fn take_back(&self) -> Used {
        let mut waiting = self.waiting.lock();
        waiting.writing = 0;
        waiting.line.as_mut().map(|line| line.take_back()).unwrap_or_default()
    }

    /// So many bytes beside what waits here are being written and are not taken at once.
    pub(crate) fn begin_writing(&self, bytes: usize) {
        self.waiting.lock().writing = bytes;
    }

    /// Bytes that wait for this socket: here, and where they are being written.
    pub(crate) fn bytes(&self) -> usize {
        let waiting = self.waiting.lock();
        let bulk: usize = waiting.bulk.iter().map(Frame::len).sum();
        waiting.bytes + bulk + waiting.writing
    }

    /// Gives up what waits and closes the socket, so that its memory is there for others. Answers what is
    /// dropped.
    pub(crate) fn cut(&self) -> Dropped {
        let mut waiting = self.waiting.lock();
        let dropped = waiting.clear();
        waiting.close.get_or_insert(Close::Crowded);
        waiting.is_cut = true;
        waiting.is_changed = true;
        let reader = waiting.reader.take();
        drop(waiting);
        if let Some(reader) = reader {
            reader.wake();
        }
        dropped
    }

    /// Resolves when the socket is cut. Cancel safe; for the one reader.
    pub(crate) async fn is_cut(&self) {
        poll_fn(|cx| {
            let mut waiting = self.waiting.lock();
            if waiting.is_cut {
                return Poll::Ready(());
            }
            waiting.wake_by(cx);
            Poll::Pending
        })
        .await;
    }

    /// Reports requests that no service answers.
    pub fn fail(&self, failed: Failed) {
        self.change(|waiting| (waiting.failed.push(failed), true));
    }

    /// Closes the socket after what waits. The first reason counts.
    pub fn close(&self, close: Close) {
        self.change(|waiting| {
            waiting.close.get_or_insert(close);
            ((), true)
        });
    }

    /// Wakes the reader without anything to write: the gateway stops, or asks the connection to move.
    pub fn nudge(&self) {
        self.change(|waiting| {
            waiting.is_nudged = true;
            ((), true)
        });
    }

    /// Changes what waits, and wakes the reader, outside the lock, where that is said.
    fn change<T>(&self, change: impl FnOnce(&mut Contents) -> (T, bool)) -> T {
        let mut waiting = self.waiting.lock();
        let (outcome, is_changed) = change(&mut waiting);
        let reader = if is_changed && !std::mem::replace(&mut waiting.is_changed, true) {
            waiting.reader.take()
        } else {
            None
        };
        drop(waiting);
        if let Some(reader) = reader {
            reader.wake();
        }
        outcome
    }

    /// How many frames wait, and whether there is something beside them that cannot be held back.
    pub fn waiting(&self) -> (usize, bool) {
        let waiting = self.waiting.lock();
        let is_urgent = waiting.close.is_some() || waiting.is_nudged || !waiting.failed.is_empty();
        (waiting.count + waiting.bulk.len(), is_urgent)
    }

    #[cfg(test)]
    pub(crate) fn take(&self) -> Taken {
        self.take_for(VecDeque::new())
    }

    /// Takes everything there is, and of the bulk behind it a few frames; [`Self::poll_changed`] is ready again
    /// when more of that is left. Leaves this empty queue to be filled: the memory of the last one is used again.
    pub fn take_for(&self, empty: VecDeque<Frame>) -> Taken {
        let mut waiting = self.waiting.lock();
        (waiting.count, waiting.bytes) = (0, 0);
        waiting.is_changed = false;
        let mut frames = std::mem::replace(&mut waiting.frames, empty);
        while let Some(frame) = waiting.high.pop_back() {
            frames.push_front(frame);
        }
        if !waiting.bulk.is_empty() {
            let count = waiting.bulk.len().min(BULK_AT_ONCE);
            frames.extend(waiting.bulk.drain(..count));
            if waiting.bulk.is_empty() {
                waiting.bulk = VecDeque::new();
            } else {
                waiting.is_changed = true;
            }
        }
        Taken {
            frames,
            failed: std::mem::take(&mut waiting.failed),
            close: waiting.close.clone(),
            is_nudged: std::mem::take(&mut waiting.is_nudged),
        }
    }

    /// Takes everything but entries, which stay where they are: while pages of a sync are written, they wait
    /// behind them.
    pub fn take_but_entries(&self) -> Taken {
        let waiting = &mut *self.waiting.lock();
        let is_entry =
            |frame: &Frame| frame.about().class == Class::Entry || frame.about().notice > 0;
        let mut frames = VecDeque::new();
        let Contents { high, frames: usual, bulk, .. } = waiting;
        for line in [high, usual, bulk] {
            let (entries, others): (VecDeque<_>, VecDeque<_>) =
                std::mem::take(line).into_iter().partition(is_entry);
            *line = entries;
            frames.extend(others);
        }
        waiting.count_anew();
        waiting.is_changed = false;
        Taken {
            frames,
            failed: std::mem::take(&mut waiting.failed),
            close: waiting.close.clone(),
            is_nudged: std::mem::take(&mut waiting.is_nudged),
        }
    }

    #[cfg(test)]
    pub(crate) async fn changed(&self) {
        poll_fn(|cx| self.poll_changed(cx, WritePermission::No)).await;
    }

    /// Ready when something was added since the last time, for the one reader. While nothing is, others may use the line.
    pub(crate) fn poll_changed(&self, cx: &mut Context<'_>, lent: WritePermission) -> Poll<()> {
        let mut waiting = self.waiting.lock();
        if std::mem::take(&mut waiting.is_changed) {
            return Poll::Ready(());
        }
        if let Some(line) = &mut waiting.line {
            line.lend(lent);
        }
        waiting.wake_by(cx);
        Poll::Pending
    }
}

impl Contents {
    fn wake_by(&mut self, cx: &Context<'_>) {
        match &mut self.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Drops all frames.
    fn clear(&mut self) -> Dropped {
        let mut dropped = Dropped::default();
        for line in [&mut self.high, &mut self.frames, &mut self.bulk] {
            for frame in &std::mem::take(line) {
                dropped.add(frame);
            }
        }
        (self.count, self.bytes) = (0, 0);
        dropped
    }

    fn push(&mut self, frame: Frame, limits: OutboxLimits, dropped: &mut Dropped) {
        if self.close.is_some() {
            return;
        }
        let class = frame.about().class;
        let (notice, is_high) =
            (frame.about().notice, matches!(class, Class::Signal | Class::Urgent));
        if notice > 0 {
            if notice <= self.noticed {
                // A later one went before: the device sees by that one that it lacks this one.
                return dropped.add(&frame);
            }
            self.noticed = notice;
        }
        if class == Class::Bulk {
            return self.push_bulk(frame, limits.bulk, dropped);
        }
        if self.is_full(&frame, limits) {
            if class == Class::Ephemeral {
                return dropped.add(&frame);
            }
            self.drop_ephemeral(dropped);
            let is_full = self.is_full(&frame, limits);
            if is_full {
                dropped.add(&frame);
            }
            if is_full && is_high {
                // Nobody can close another's socket by calling; a notice is asked for again.
                return;
            }
            if is_full {
                dropped.extend(self.clear());
                self.close = Some(Close::TooSlow);
                return;
            }
        }
        self.count += frame.parts().len();
        self.bytes += frame.len();
        if is_high {
            if notice > 0 {
                self.drop_overtaken(notice, dropped);
            }
            self.high.push_back(frame);
        } else {
            self.frames.push_back(frame);
        }
    }

    /// Notices that would be written after a later one of their log: the device sees by that one what it lacks.
    fn drop_overtaken(&mut self, notice: u64, dropped: &mut Dropped) {
        self.bulk.retain(|frame| {
            let is_overtaken = frame.about().notice > 0 && frame.about().notice < notice;
            if is_overtaken {
                dropped.add(frame);
            }
            !is_overtaken
        });
    }

    fn write(&mut self) -> Written {
        // Whatever it was told of is its own to write, and in what order.
        let line = self.line.as_mut().filter(|_| !self.is_changed && self.close.is_none());
        let Some(line) = line else { return Written::default() };
        let written = line.write(&mut self.frames);
        self.count_anew();
        written
    }

    fn count_anew(&mut self) {
        let all = self.frames.iter().chain(&self.high);
        self.bytes = all.clone().map(Frame::len).sum();
        self.count = all.map(|frame| frame.parts().len()).sum();
    }

    fn is_full(&self, next: &Frame, limits: OutboxLimits) -> bool {
        self.count >= limits.frames || self.bytes + next.len() > limits.bytes.max(next.len())
    }

    fn push_bulk(&mut self, frame: Frame, most: usize, dropped: &mut Dropped) {
        while self.bulk.len() >= most {
            if let Some(oldest) = self.bulk.pop_front() {
                dropped.add(&oldest);
            }
        }
        self.bulk.push_back(frame);
    }

    fn drop_ephemeral(&mut self, dropped: &mut Dropped) {
        self.frames.retain(|frame| {
            let is_ephemeral = frame.about().class == Class::Ephemeral;
            if is_ephemeral {
                dropped.add(frame);
            }
            !is_ephemeral
        });
        self.count_anew();
    }
}
