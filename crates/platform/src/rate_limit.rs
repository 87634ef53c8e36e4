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
        self.pass_many(1, booked_us, now_us)
    }

    /// Whether so many may pass together. More than ever fit pass when none was used up.
    pub fn pass_many(&self, count: u32, booked_us: &mut u64, now_us: u64) -> Result<(), Duration> {
        let cost_us = self.cost_us(count);
        let next = (*booked_us).max(now_us).saturating_add(cost_us);
        let latest = now_us.saturating_add(self.ahead_us);
        if next > latest {
            return Err(Duration::from_micros(next - latest));
        }
        *booked_us = next;
        Ok(())
    }

    /// What so many use up of the time; no more than all of it.
    pub fn cost_us(&self, count: u32) -> u64 {
        self.each_us.saturating_mul(u64::from(count)).min(self.ahead_us)
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
    fn many_at_once_cost_as_much_as_one_after_the_other() {
        let rate = Rate::new(10, Duration::from_secs(10)).unwrap();
        let mut booked = 0;
        assert_eq!(rate.pass_many(7, &mut booked, SEC), Ok(()));
        assert_eq!(rate.pass_many(4, &mut booked, SEC), Err(Duration::from_secs(1)));
        assert_eq!(rate.pass_many(3, &mut booked, SEC), Ok(()));
        // More than fits at all passes when nothing is used up, and only then.
        assert!(rate.pass_many(11, &mut booked, 10 * SEC).is_err());
        assert_eq!(rate.pass_many(11, &mut booked, 11 * SEC), Ok(()));
    }

    #[test]
    fn nothing_or_no_time_is_no_bound() {
        assert_eq!(Rate::new(0, Duration::from_secs(1)), None);
        assert_eq!(Rate::new(1, Duration::ZERO), None);
        assert!(Rate::new(u32::MAX, Duration::from_micros(1)).is_some());
    }
}
