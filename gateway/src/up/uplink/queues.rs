//! What waits for the partitions, and whose turn it is. No I/O.
//!
//! A frame makes its partition ready at once, but for a `delivered`: nobody waits for it, and a channel has
//! thousands of them a second. It goes along with the next frame of its partition, or when it has waited
//! long enough.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bus::Lane;
use proto::bus::{Frame, frame::Body};
use proto::partition::Partition;

use super::{Slot, Weighed};
use crate::limits::LimitsConfig;

/// As their queues are ordered.
const LANES: [Lane; 2] = [Lane::Chat, Lane::Presence];

/// The queues of all partitions of both lanes.
pub(super) struct PartitionQueues {
    queues: Vec<Queue>,
    partitions: Partition,
    /// Those to be published from, the one that has waited longest first.
    ready: VecDeque<Slot>,
    held: usize,
    batch_frames: usize,
    batch_bytes: usize,
    patience: Duration,
    /// When those that are not ready become so.
    due: Option<Instant>,
}

/// Frames of one partition that are published together.
pub(super) struct Batch {
    pub(super) frames: Vec<Frame>,
    /// What they take, nearly.
    pub(super) bytes: usize,
    /// When the first of them came.
    pub(super) oldest: Instant,
}

#[derive(Default)]
struct Queue {
    /// With the moment when each came.
    frames: VecDeque<(Weighed, Instant)>,
    /// Those of them that somebody waits for.
    urgent: usize,
    state: State,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Resting,
    Ready,
    Publishing,
}

impl PartitionQueues {
    pub(super) fn new(partitions: Partition, limits: &LimitsConfig) -> Self {
        Self {
            queues: (0..usize::from(partitions) * LANES.len()).map(|_| Queue::default()).collect(),
            partitions,
            ready: VecDeque::new(),
            held: 0,
            batch_frames: limits.uplink_batch_frames.max(1),
            batch_bytes: limits.uplink_batch_bytes,
            patience: Duration::from_millis(limits.delivered_apart_ms),
            due: None,
        }
    }

    /// Frames of all partitions.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// When [`Self::flush_all`] is to be called, if at all.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn add(&mut self, slot: Slot, frame: Weighed, now: Instant) {
        self.held += 1;
        let queue = self.queue(slot);
        queue.urgent += usize::from(!may_wait(&frame.frame));
        queue.frames.push_back((frame, now));
        self.look(slot, now);
    }

    /// Its publish has ended.
    pub(super) fn published(&mut self, slot: Slot, now: Instant) {
        self.queue(slot).state = State::Resting;
        self.look(slot, now);
    }

    /// Everything that waits is ready.
    pub(super) fn flush_all(&mut self) {
        self.due = None;
        for lane in LANES {
            for partition in 0..self.partitions {
                let slot = Slot { lane, partition };
                let queue = self.queue(slot);
                // One that is being published may be due once more, a bit later.
                if queue.state == State::Resting && !queue.frames.is_empty() {
                    queue.state = State::Ready;
                    self.ready.push_back(slot);
                }
            }
        }
    }

    /// The next batch. Its partition waits until [`Self::published`].
    pub(super) fn next(&mut self) -> Option<(Slot, Batch)> {
        let slot = self.ready.pop_front()?;
        let (most, most_bytes) = (self.batch_frames, self.batch_bytes);
        let queue = self.queue(slot);
        let mut bytes = 0;
        let fits = |(frame, _): &&(Weighed, Instant)| {
            bytes += frame.bytes;
            bytes <= most_bytes
        };
        let count = queue.frames.iter().take(most).take_while(fits).count();
        let count = count.max(1).min(queue.frames.len());
        let oldest = queue.frames.front()?.1;
        let mut bytes = 0;
        let taken = queue.frames.drain(..count);
        let frames: Vec<Frame> = taken
            .map(|(Weighed { frame, bytes: takes }, _)| {
                bytes += takes;
                frame
            })
            .collect();
        queue.urgent -= frames.iter().filter(|frame| !may_wait(frame)).count();
        queue.state = State::Publishing;
        self.held -= count;
        Some((slot, Batch { frames, bytes, oldest }))
    }

    fn look(&mut self, slot: Slot, now: Instant) {
        let (most, patience) = (self.batch_frames, self.patience);
        let queue = self.queue(slot);
        if queue.state != State::Resting || queue.frames.is_empty() {
            return;
        }
        if queue.urgent > 0 || queue.frames.len() >= most || patience.is_zero() {
            queue.state = State::Ready;
            self.ready.push_back(slot);
        } else {
            self.due.get_or_insert(now + patience);
        }
    }

    fn queue(&mut self, slot: Slot) -> &mut Queue {
        let before = if slot.lane == Lane::Chat { 0 } else { self.partitions };
        &mut self.queues[usize::from(before) + usize::from(slot.partition)]
    }
}

/// Nobody waits for it.
fn may_wait(frame: &Frame) -> bool {
    matches!(&frame.body, Some(Body::AdvanceCursor(cursor)) if cursor.read_seq == 0 && cursor.thread_read_seq == 0)
}

#[cfg(test)]
mod tests {
    use proto::bus::{AdvanceCursor, Signal};

    use super::*;

    const ONE: Slot = Slot { lane: Lane::Chat, partition: 1 };
    const OTHER: Slot = Slot { lane: Lane::Presence, partition: 1 };

    fn queues() -> PartitionQueues {
        let limits = LimitsConfig {
            uplink_batch_frames: 4,
            delivered_apart_ms: 100,
            ..LimitsConfig::default()
        };
        PartitionQueues::new(2, &limits)
    }

    fn delivered(seq: u64) -> Weighed {
        let body = AdvanceCursor { delivered_seq: seq, ..AdvanceCursor::default() };
        Frame::from(Body::AdvanceCursor(body)).into()
    }

    fn read(seq: u64) -> Weighed {
        let body = AdvanceCursor { read_seq: seq, ..AdvanceCursor::default() };
        Frame::from(Body::AdvanceCursor(body)).into()
    }

    fn message() -> Weighed {
        says(String::new())
    }

    fn says(data: String) -> Weighed {
        Frame::from(Body::Signal(Signal { data, ..Signal::default() })).into()
    }

    fn next(queues: &mut PartitionQueues) -> Option<(Slot, usize)> {
        queues.next().map(|(slot, batch)| (slot, batch.frames.len()))
    }

    #[test]
    fn a_message_leaves_at_once_and_takes_along_what_was_delivered_before() {
        let (mut queues, now) = (queues(), Instant::now());
        queues.add(ONE, delivered(1), now);
        queues.add(ONE, delivered(2), now);
        assert_eq!(next(&mut queues), None);
        queues.add(ONE, message(), now);
        assert_eq!(next(&mut queues), Some((ONE, 3)));
        assert_eq!((next(&mut queues), queues.held()), (None, 0));
        queues.add(OTHER, read(1), now);
        assert_eq!(
            next(&mut queues),
            Some((OTHER, 1)),
            "a person has read it: that is told at once"
        );
    }

    #[test]
    fn what_was_delivered_leaves_when_it_has_waited_or_fills_a_batch() {
        let (mut queues, now) = (queues(), Instant::now());
        queues.add(ONE, delivered(1), now);
        queues.add(OTHER, delivered(1), now + Duration::from_millis(60));
        assert_eq!(queues.due(), Some(now + Duration::from_millis(100)), "that of the first");
        queues.flush_all();
        assert_eq!([next(&mut queues), next(&mut queues)], [Some((ONE, 1)), Some((OTHER, 1))]);
        assert_eq!(queues.due(), None);
        queues.published(ONE, now);
        for seq in 2..=5 {
            assert_eq!(next(&mut queues), None);
            queues.add(ONE, delivered(seq), now);
        }
        assert_eq!(next(&mut queues), Some((ONE, 4)), "a full batch");
    }

    #[test]
    fn a_batch_has_so_many_bytes_or_one_frame_that_is_larger() {
        let limits = LimitsConfig { uplink_batch_bytes: 10_000, ..LimitsConfig::default() };
        let (mut queues, now) = (PartitionQueues::new(2, &limits), Instant::now());
        for bytes in [4_000, 4_000, 4_000, 20_000, 10] {
            queues.add(ONE, says("x".repeat(bytes)), now);
        }
        for count in [2, 1, 1, 1] {
            assert_eq!(next(&mut queues), Some((ONE, count)));
            queues.published(ONE, now);
        }
        assert_eq!(next(&mut queues), None);
    }

    #[test]
    fn one_batch_of_a_partition_is_under_way_at_a_time() {
        let (mut queues, now) = (queues(), Instant::now());
        queues.add(ONE, message(), now);
        assert_eq!(next(&mut queues), Some((ONE, 1)));
        queues.add(ONE, message(), now);
        queues.add(ONE, delivered(1), now);
        queues.flush_all();
        assert_eq!(next(&mut queues), None);
        queues.published(ONE, now);
        assert_eq!(next(&mut queues), Some((ONE, 2)));
        queues.add(ONE, delivered(2), now);
        queues.published(ONE, now);
        assert_eq!((next(&mut queues), queues.due().is_some()), (None, true), "it waits again");
    }
}
