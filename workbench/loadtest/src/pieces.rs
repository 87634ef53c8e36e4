//! When things happened: how many in each tenth of a second, in a room that is bounded.

use std::time::{Duration, Instant};

/// Length of a piece of time.
const PIECE: Duration = Duration::from_millis(100);
/// So many pieces make the busiest five seconds.
const BUSIEST: usize = 50;
/// Most pieces: an hour. What comes later is counted with the last one.
const PIECES: usize = 36_000;

/// Counts by time, from the first one on.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    span: Option<(Instant, Instant)>,
    total: u64,
    counts: Vec<u64>,
}

impl Pieces {
    /// So many happened now; how long that is after the first ones.
    pub(crate) fn add(&mut self, now: Instant, count: u64) -> Duration {
        let (first, _) = self.span.unwrap_or((now, now));
        self.span = Some((first, now));
        self.total += count;
        let since = now.duration_since(first);
        let at = ((since.as_millis() / PIECE.as_millis()) as usize).min(PIECES - 1);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += count;
        since
    }

    /// How many happened.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// When the last ones happened.
    pub(crate) fn last(&self) -> Option<Instant> {
        self.span.map(|(_, last)| last)
    }

    /// From the first ones to the last ones.
    pub(crate) fn length(&self) -> Duration {
        self.span.map_or(Duration::ZERO, |(first, last)| last.duration_since(first))
    }

    /// How many a second, from the first ones to the last ones.
    pub(crate) fn per_second(&self) -> f64 {
        self.total as f64 / self.length().max(PIECE).as_secs_f64()
    }

    /// How many a second in the busiest five seconds, or in all of the time where that is shorter.
    pub(crate) fn busiest_per_second(&self) -> f64 {
        let length = self.counts.len().clamp(1, BUSIEST);
        let most = self.counts.windows(length).map(|some| some.iter().sum::<u64>()).max();
        most.unwrap_or(0) as f64 / (length as f64 * PIECE.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_five_seconds_are_found_wherever_they_are() {
        let mut pieces = Pieces::default();
        assert_eq!((pieces.total(), pieces.last()), (0, None));
        assert!(pieces.busiest_per_second().abs() < 1e-9);
        let begun = Instant::now();
        for second in 0..20_u64 {
            let count = if (8..13).contains(&second) { 100 } else { 10 };
            let since = Duration::from_secs(second);
            assert_eq!(pieces.add(begun + since, count), since);
        }
        assert_eq!((pieces.total(), pieces.length()), (650, Duration::from_secs(19)));
        assert!((pieces.busiest_per_second() - 100.0).abs() < 1e-9);
        assert!((pieces.per_second() - 650.0 / 19.0).abs() < 1e-9);
    }
}
