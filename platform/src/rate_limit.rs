//! So many in so long: GCRA, whose whole memory is one number. Pure; the caller brings the clock.
//!
//! Source: ITU-T I.371, generic cell rate algorithm, in its virtual scheduling form.

use std::time::Duration;

/// A rate: all at once, or spread; after all at once, one in each equal part of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds that one takes.
    each_us: u64,
    /// Microseconds that may be used ahead of time.
    ahead_us: u64,
}

impl Rate {
    /// So many in so long. None when there is no bound: of none at all, or in no time.
    pub fn new(count: u32, time: Duration) -> Option<Self> {
        let ahead_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let each_us = ahead_us.checked_div(u64::from(count))?.max(1);
        (ahead_us > 0).then_some(Self { each_us, ahead_us })
    }

    /// Whether one more may pass at `now_us`, any clock's microseconds. `booked_us` is the memory, 0 at
    /// first: until when the past ones have used the rate up. Refused: how long to wait.
    pub fn pass(&self, booked_us: &mut u64, now_us: u64) -> Result<(), Duration> {
        let next = (*booked_us).max(now_us).saturating_add(self.each_us);
        let latest = now_us.saturating_add(self.ahead_us);
        if next > latest {
            return Err(Duration::from_micros(next - latest));
        }
        *booked_us = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: u64 = 1_000_000;

    #[test]
    fn all_may_come_at_once_and_then_one_in_each_part_of_the_time() {
        let rate = Rate::new(100, Duration::from_mins(1)).unwrap();
        let mut booked = 0;
        let now = 7 * SEC;
        for _ in 0..100 {
            assert_eq!(rate.pass(&mut booked, now), Ok(()));
        }
        assert_eq!(rate.pass(&mut booked, now), Err(Duration::from_millis(600)));
        assert!(rate.pass(&mut booked, now + 599_999).is_err(), "not before it was told");
        assert_eq!(rate.pass(&mut booked, now + 600_000), Ok(()));
        assert!(rate.pass(&mut booked, now + 600_000).is_err());
    }

    #[test]
    fn what_is_refused_costs_nothing_and_rest_gives_all_back() {
        let rate = Rate::new(3, Duration::from_secs(3)).unwrap();
        let mut booked = 0;
        for _ in 0..1_000 {
            let _ = rate.pass(&mut booked, SEC);
        }
        let after_rest = 4 * SEC;
        for _ in 0..3 {
            assert_eq!(rate.pass(&mut booked, after_rest), Ok(()));
        }
        assert!(rate.pass(&mut booked, after_rest).is_err());
    }

    #[test]
    fn nothing_or_no_time_is_no_bound() {
        assert_eq!(Rate::new(0, Duration::from_secs(1)), None);
        assert_eq!(Rate::new(1, Duration::ZERO), None);
        assert!(Rate::new(u32::MAX, Duration::from_micros(1)).is_some());
    }
}
