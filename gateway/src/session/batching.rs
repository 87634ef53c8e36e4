//! When frames that wait for a client go out as one `batch`: only where it asked for that, and no later
//! than it said. A pure rule; time is handed in.

use std::time::{Duration, Instant};

use proto::frame::msgpack::MOST_GROWTH;

/// The most frames of one batch.
pub(crate) const MOST_FRAMES: u32 = 100;
/// The longest that a frame may wait for others, in milliseconds.
pub(crate) const MOST_WAIT_MS: u64 = 100;
/// A batch is closed when it has so many bytes, so that it is never much larger than its frames.
pub(crate) const ENOUGH_BYTES: usize = 256 << 10;

/// What a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batching {
    /// The most frames of one batch; 1: none is made.
    pub(crate) frames: usize,
    /// How long the first frame may wait for others. Zero: what has piled up goes out at once.
    pub(crate) wait: Duration,
}

/// How long what waits is held back.
#[derive(Debug, Default)]
pub(crate) struct Hold(Option<Instant>);

impl Hold {
    /// Frames have come and so many wait now. True when they are to be written at once.
    pub(crate) fn came(&mut self, waiting: usize, batching: Batching, now: Instant) -> bool {
        if batching.wait.is_zero() || waiting >= batching.frames {
            self.0 = None;
            return true;
        }
        let until = *self.0.get_or_insert(now + batching.wait);
        self.is_over(now, until)
    }

    /// When what waits is to be written.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.0
    }

    /// True when something was held back for long enough; then it is to be written.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        self.0.is_some_and(|until| self.is_over(now, until))
    }

    fn is_over(&mut self, now: Instant, until: Instant) -> bool {
        if now < until {
            return false;
        }
        self.0 = None;
        true
    }
}

/// How many of the frames of these sizes, from the front, make the next batch: one at least. In MessagePack, too,
/// the batch is no larger than a frame may be.
pub(crate) fn next(sizes: impl Iterator<Item = usize>, frames: usize, frame_bytes: usize) -> usize {
    let enough = ENOUGH_BYTES.min(frame_bytes / MOST_GROWTH);
    let mut bytes = 0_usize;
    let mut count = 0;
    for size in sizes.take(frames.max(1)) {
        bytes = bytes.saturating_add(size);
        if count > 0 && bytes > enough {
            break;
        }
        count += 1;
    }
    count.max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN: Batching = Batching { frames: 10, wait: Duration::from_millis(50) };

    #[test]
    fn without_a_wait_everything_goes_at_once() {
        let mut hold = Hold::default();
        let batching = Batching { wait: Duration::ZERO, ..TEN };
        assert!(hold.came(1, batching, Instant::now()));
        assert_eq!(hold.due(), None);
    }

    #[test]
    fn the_first_frame_waits_as_long_as_was_said_and_not_longer_for_later_ones() {
        let (mut hold, start) = (Hold::default(), Instant::now());
        assert!(!hold.came(1, TEN, start));
        assert_eq!(hold.due(), Some(start + TEN.wait));
        assert!(!hold.came(2, TEN, start + TEN.wait / 2));
        assert_eq!(hold.due(), Some(start + TEN.wait));
        assert!(!hold.is_due(start + TEN.wait / 2));
        assert!(hold.is_due(start + TEN.wait));
        assert_eq!(hold.due(), None);
        assert!(!hold.is_due(start + TEN.wait * 2), "nothing waits");
    }

    #[test]
    fn a_full_batch_waits_for_nothing() {
        let (mut hold, now) = (Hold::default(), Instant::now());
        assert!(!hold.came(9, TEN, now));
        assert!(hold.came(10, TEN, now));
        assert_eq!(hold.due(), None);
    }

    proptest! {
        #[test]
        fn batches_hold_all_frames_and_no_more_than_allowed(
            sizes in prop::collection::vec(0_usize..(ENOUGH_BYTES / 3), 0..300), frames in 0_usize..150,
        ) {
            let mut rest = &sizes[..];
            while !rest.is_empty() {
                let count = next(rest.iter().copied(), frames, 1 << 20);
                prop_assert!(count >= 1 && count <= frames.max(1));
                let bytes: usize = rest[..count].iter().sum();
                prop_assert!(count == 1 || bytes <= ENOUGH_BYTES);
                rest = &rest[count..];
            }
        }
    }
}
