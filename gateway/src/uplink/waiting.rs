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

use super::{Slot, weight};
use crate::config::LimitsConfig;

/// As their queues are ordered.
const LANES: [Lane; 2] = [Lane::Chat, Lane::Presence];

/// The queues of all partitions of both lanes.
pub(super) struct Waiting {
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

#[derive(Default)]
struct Queue {
    /// With the moment when each came.
    frames: VecDeque<(Frame, Instant)>,
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

impl Waiting {
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

    /// When [`Self::hurry`] is to be called, if at all.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn add(&mut self, slot: Slot, frame: Frame, now: Instant) {
        self.held += 1;
        let queue = self.queue(slot);
        queue.urgent += usize::from(!is_patient(&frame));
        queue.frames.push_back((frame, now));
        self.look(slot, now);
    }

    /// Its publish has ended.
    pub(super) fn published(&mut self, slot: Slot, now: Instant) {
        self.queue(slot).state = State::Resting;
        self.look(slot, now);
    }

    /// Everything that waits is ready.
    pub(super) fn hurry(&mut self) {
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

    /// The next batch, and when its first frame came. Its partition waits until [`Self::published`].
    pub(super) fn next(&mut self) -> Option<(Slot, Vec<Frame>, Instant)> {
        let slot = self.ready.pop_front()?;
        let (most, most_bytes) = (self.batch_frames, self.batch_bytes);
        let queue = self.queue(slot);
        let mut bytes = 0;
        let fits = |(frame, _): &&(Frame, Instant)| {
            bytes += weight(frame);
            bytes <= most_bytes
        };
        let count = queue.frames.iter().take(most).take_while(fits).count();
        let count = count.max(1).min(queue.frames.len());
        let oldest = queue.frames.front()?.1;
        let batch: Vec<Frame> = queue.frames.drain(..count).map(|(frame, _)| frame).collect();
        queue.urgent -= batch.iter().filter(|frame| !is_patient(frame)).count();
        queue.state = State::Publishing;
        self.held -= count;
        Some((slot, batch, oldest))
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
fn is_patient(frame: &Frame) -> bool {
    matches!(&frame.body, Some(Body::AdvanceCursor(cursor)) if cursor.read_seq == 0)
}

#[cfg(test)]
mod tests {
    use proto::bus::{AdvanceCursor, Send};

    use super::*;

    const ONE: Slot = Slot { lane: Lane::Chat, partition: 1 };
    const OTHER: Slot = Slot { lane: Lane::Presence, partition: 1 };

    fn waiting() -> Waiting {
        let limits = LimitsConfig {
            uplink_batch_frames: 4,
            delivered_apart_ms: 100,
            ..LimitsConfig::default()
        };
        Waiting::new(2, &limits)
    }

    fn delivered(seq: u64) -> Frame {
        let body = AdvanceCursor { delivered_seq: seq, ..AdvanceCursor::default() };
        Frame { body: Some(Body::AdvanceCursor(body)), ..Frame::default() }
    }

    fn read(seq: u64) -> Frame {
        let body = AdvanceCursor { read_seq: seq, ..AdvanceCursor::default() };
        Frame { body: Some(Body::AdvanceCursor(body)), ..Frame::default() }
    }

    fn message() -> Frame {
        Frame { body: Some(Body::Send(Send::default())), ..Frame::default() }
    }

    fn next(waiting: &mut Waiting) -> Option<(Slot, usize)> {
        waiting.next().map(|(slot, frames, _)| (slot, frames.len()))
    }

    #[test]
    fn a_message_leaves_at_once_and_takes_along_what_was_delivered_before() {
        let (mut waiting, now) = (waiting(), Instant::now());
        waiting.add(ONE, delivered(1), now);
        waiting.add(ONE, delivered(2), now);
        assert_eq!(next(&mut waiting), None);
        waiting.add(ONE, message(), now);
        assert_eq!(next(&mut waiting), Some((ONE, 3)));
        assert_eq!((next(&mut waiting), waiting.held()), (None, 0));
        waiting.add(OTHER, read(1), now);
        assert_eq!(
            next(&mut waiting),
            Some((OTHER, 1)),
            "a person has read it: that is told at once"
        );
    }

    #[test]
    fn what_was_delivered_leaves_when_it_has_waited_or_fills_a_batch() {
        let (mut waiting, now) = (waiting(), Instant::now());
        waiting.add(ONE, delivered(1), now);
        waiting.add(OTHER, delivered(1), now + Duration::from_millis(60));
        assert_eq!(waiting.due(), Some(now + Duration::from_millis(100)), "that of the first");
        waiting.hurry();
        assert_eq!([next(&mut waiting), next(&mut waiting)], [Some((ONE, 1)), Some((OTHER, 1))]);
        assert_eq!(waiting.due(), None);
        waiting.published(ONE, now);
        for seq in 2..=5 {
            assert_eq!(next(&mut waiting), None);
            waiting.add(ONE, delivered(seq), now);
        }
        assert_eq!(next(&mut waiting), Some((ONE, 4)), "a full batch");
    }

    #[test]
    fn a_batch_has_so_many_bytes_or_one_frame_that_is_larger() {
        let limits = LimitsConfig { uplink_batch_bytes: 10_000, ..LimitsConfig::default() };
        let (mut waiting, now) = (Waiting::new(2, &limits), Instant::now());
        for bytes in [4_000, 4_000, 4_000, 20_000, 10] {
            let send = Send { content: "x".repeat(bytes), ..Send::default() };
            waiting.add(ONE, Frame { body: Some(Body::Send(send)), ..Frame::default() }, now);
        }
        for count in [2, 1, 1, 1] {
            assert_eq!(next(&mut waiting), Some((ONE, count)));
            waiting.published(ONE, now);
        }
        assert_eq!(next(&mut waiting), None);
    }

    #[test]
    fn one_batch_of_a_partition_is_under_way_at_a_time() {
        let (mut waiting, now) = (waiting(), Instant::now());
        waiting.add(ONE, message(), now);
        assert_eq!(next(&mut waiting), Some((ONE, 1)));
        waiting.add(ONE, message(), now);
        waiting.add(ONE, delivered(1), now);
        waiting.hurry();
        assert_eq!(next(&mut waiting), None);
        waiting.published(ONE, now);
        assert_eq!(next(&mut waiting), Some((ONE, 2)));
        waiting.add(ONE, delivered(2), now);
        waiting.published(ONE, now);
        assert_eq!((next(&mut waiting), waiting.due().is_some()), (None, true), "it waits again");
    }
}
