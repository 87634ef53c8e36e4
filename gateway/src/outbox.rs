//! What waits for one socket: bounded by frames and bytes, so that a slow reader costs nobody else. Bulk
//! stands in a line of its own, behind everything else.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use proto::bus::PushClass;
use proto::error_code::Stored;

use crate::config::LimitsConfig;
use crate::connection::close::Close;
use crate::dropped::Dropped;
use crate::frame::Frame;

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
    /// The gateway stops.
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
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    /// How many these are, those of runs counted.
    count: usize,
    bytes: usize,
    bulk: VecDeque<Frame>,
    failed: Vec<Failed>,
    close: Option<Close>,
    is_nudged: bool,
    /// Something was added that the reader has not been told of.
    is_changed: bool,
    /// The one reader there is.
    reader: Option<Waker>,
}

impl Outbox {
    /// Adds a frame. A full outbox drops what is ephemeral first; when that does not help, the socket
    /// is closed with 4009 and the device comes back by sync. A signal that finds no room is dropped
    /// itself, and bulk pushes out the oldest bulk. Answers what is dropped.
    pub fn push(&self, frame: Frame, limits: OutboxLimits) -> Dropped {
        self.push_all(std::iter::once(frame), limits)
    }

    /// Adds frames, and wakes the reader once. Answers what is dropped.
    pub fn push_all(&self, frames: impl Iterator<Item = Frame>, limits: OutboxLimits) -> Dropped {
        self.change(|waiting| {
            let (mut dropped, mut is_changed) = (Dropped::default(), false);
            for frame in frames {
                is_changed = true;
                waiting.push(frame, limits, &mut dropped);
            }
            (dropped, is_changed)
        })
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

    /// Wakes the reader without anything to write: the gateway stops.
    pub fn nudge(&self) {
        self.change(|waiting| {
            waiting.is_nudged = true;
            ((), true)
        });
    }

    /// Changes what waits, and wakes the reader, outside the lock, where that is said.
    fn change<T>(&self, change: impl FnOnce(&mut Waiting) -> (T, bool)) -> T {
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

    /// Takes everything there is, and of the bulk behind it a few frames; [`Self::changed`] resolves again
    /// when more of that is left.
    pub fn take(&self) -> Taken {
        self.take_for(VecDeque::new())
    }

    /// The same, and leaves this empty queue to be filled: the memory of the last one is used again.
    pub fn take_for(&self, empty: VecDeque<Frame>) -> Taken {
        let mut waiting = self.waiting.lock();
        (waiting.count, waiting.bytes) = (0, 0);
        waiting.is_changed = false;
        let mut frames = std::mem::replace(&mut waiting.frames, empty);
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

    /// Resolves when something was added since the last time. Cancel safe; for one reader.
    pub async fn changed(&self) {
        poll_fn(|cx| self.poll_changed(cx)).await;
    }

    /// See [`Self::changed`].
    pub fn poll_changed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting.lock();
        if std::mem::take(&mut waiting.is_changed) {
            return Poll::Ready(());
        }
        match &mut waiting.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Waiting {
    fn push(&mut self, frame: Frame, limits: OutboxLimits, dropped: &mut Dropped) {
        if self.close.is_some() {
            return;
        }
        let class = frame.about().class;
        if class == PushClass::Bulk {
            return self.push_bulk(frame, limits.bulk, dropped);
        }
        if self.is_full(&frame, limits) {
            if class == PushClass::Ephemeral {
                return dropped.add(&frame);
            }
            self.drop_ephemeral(dropped);
            let is_full = self.is_full(&frame, limits);
            if is_full {
                dropped.add(&frame);
            }
            if is_full && class == PushClass::Signal {
                // Nobody can close another's socket by calling.
                return;
            }
            if is_full {
                for frame in self.frames.drain(..).chain(self.bulk.drain(..)) {
                    dropped.add(&frame);
                }
                (self.frames, self.bulk) = (VecDeque::new(), VecDeque::new());
                self.count = 0;
                self.close = Some(Close::TooSlow);
                return;
            }
        }
        self.count += frame.parts().len();
        self.bytes += frame.len();
        self.frames.push_back(frame);
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
            let is_ephemeral = frame.about().class == PushClass::Ephemeral;
            if is_ephemeral {
                dropped.add(frame);
            }
            !is_ephemeral
        });
        self.bytes = self.frames.iter().map(Frame::len).sum();
        self.count = self.frames.iter().map(|frame| frame.parts().len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::About;

    const LIMITS: OutboxLimits = OutboxLimits { frames: 3, bytes: 100, bulk: 8 };

    fn queued(class: PushClass, bytes: usize) -> Frame {
        Frame::new(&vec![b'x'; bytes], About::class(class))
    }

    /// How many of which kind.
    fn push(outbox: &Outbox, class: PushClass, bytes: usize) -> Vec<(&'static str, u32)> {
        outbox.push(queued(class, bytes), LIMITS).by_kind().collect()
    }

    #[test]
    fn a_full_outbox_drops_the_ephemeral_and_keeps_the_entries() {
        let outbox = Outbox::default();
        push(&outbox, PushClass::Entry, 10);
        push(&outbox, PushClass::Ephemeral, 10);
        push(&outbox, PushClass::Ephemeral, 10);
        let itself = push(&outbox, PushClass::Ephemeral, 10);
        assert_eq!(itself, [("ephemeral", 1)]);
        assert_eq!(push(&outbox, PushClass::Entry, 10), [("ephemeral", 2)]);
        let taken = outbox.take();
        assert_eq!(taken.frames.len(), 2);
        assert!(taken.close.is_none());
    }

    #[test]
    fn entries_that_find_no_room_close_the_socket_and_hold_no_memory() {
        let outbox = Outbox::default();
        for class in [PushClass::Entry, PushClass::Bulk, PushClass::Receipt] {
            assert_eq!(push(&outbox, class, 40), []);
        }
        let cleared = push(&outbox, PushClass::Entry, 40);
        assert_eq!(cleared, [("entry", 2), ("receipt", 1), ("bulk", 1)], "itself among them");
        let taken = outbox.take();
        assert_eq!(taken.close, Some(Close::TooSlow));
        assert!(taken.frames.is_empty());
    }

    #[test]
    fn a_signal_that_finds_no_room_is_dropped_and_closes_nothing() {
        let outbox = Outbox::default();
        push(&outbox, PushClass::Ephemeral, 10);
        push(&outbox, PushClass::Entry, 10);
        push(&outbox, PushClass::Entry, 10);
        let before_typing = push(&outbox, PushClass::Signal, 10);
        assert_eq!(before_typing, [("ephemeral", 1)]);
        let itself = push(&outbox, PushClass::Signal, 10);
        assert_eq!(itself, [("signal", 1)]);
        let taken = outbox.take();
        assert_eq!(taken.frames.len(), 3);
        assert!(taken.close.is_none());
    }

    fn classes(taken: &Taken) -> Vec<PushClass> {
        taken.frames.iter().map(|frame| frame.about().class).collect()
    }

    #[test]
    fn whatever_comes_later_overtakes_the_bulk_that_waits() {
        let outbox = Outbox::default();
        for _ in 0..6 {
            push(&outbox, PushClass::Bulk, 10);
        }
        push(&outbox, PushClass::Entry, 10);
        push(&outbox, PushClass::Signal, 10);
        let mut first = vec![PushClass::Entry, PushClass::Signal];
        first.extend([PushClass::Bulk; BULK_AT_ONCE]);
        assert_eq!(classes(&outbox.take()), first);
        // While those were written: it stands before the rest of the bulk.
        push(&outbox, PushClass::Answer, 10);
        let rest = [PushClass::Answer, PushClass::Bulk, PushClass::Bulk];
        assert_eq!(classes(&outbox.take()), rest);
    }

    #[tokio::test]
    async fn bulk_that_is_left_is_told_again_without_anything_new() {
        let outbox = Outbox::default();
        for _ in 0..=BULK_AT_ONCE {
            push(&outbox, PushClass::Bulk, 10);
        }
        outbox.changed().await;
        assert_eq!(outbox.take().frames.len(), BULK_AT_ONCE);
        outbox.changed().await;
        assert_eq!(outbox.take().frames.len(), 1);
    }

    #[test]
    fn bulk_takes_no_room_from_entries_and_pushes_out_only_its_oldest() {
        let outbox = Outbox::default();
        for number in 0..20 {
            let dropped = push(&outbox, PushClass::Bulk, number);
            assert_eq!(dropped, [("bulk", 1)][usize::from(number < LIMITS.bulk)..]);
        }
        for _ in 0..3 {
            assert_eq!(push(&outbox, PushClass::Entry, 10), []);
        }
        let taken = outbox.take();
        assert!(taken.close.is_none());
        assert_eq!(taken.frames.len(), 3 + BULK_AT_ONCE);
        assert_eq!(taken.frames[3].len(), 20 - LIMITS.bulk, "the oldest that is left");
    }

    #[test]
    fn a_run_takes_the_room_of_its_frames_and_is_dropped_as_so_many() {
        let outbox = Outbox::default();
        let run = Frame::run(vec![queued(PushClass::Entry, 10); 2]);
        assert!(outbox.push(run.clone(), LIMITS).is_none());
        assert_eq!(outbox.waiting().0, 2);
        push(&outbox, PushClass::Entry, 10);
        let dropped: Vec<_> = outbox.push(run, LIMITS).by_kind().collect();
        assert_eq!(dropped, [("entry", 5)]);
        assert_eq!(outbox.take().close, Some(Close::TooSlow));
    }

    #[test]
    fn one_frame_larger_than_the_bound_still_goes_out_alone() {
        let outbox = Outbox::default();
        push(&outbox, PushClass::Entry, 1_000);
        assert_eq!(outbox.take().frames.len(), 1);
    }
}
