//! What a user has used up of its rates over all gateways: of each rate one number, the moment at which all that was
//! granted so far is paid off. It is the memory of the generic cell rate algorithm (`platform::rate_limit`), in
//! microseconds, with the grants of every gateway booked into it.
//!
//! Gateways grant by what they know, so several may grant the last of a rate at once. What is granted beyond a
//! rate is deducted later and counted like the rest, up to [`MOST_OWED`] rates: otherwise a user would get the same again
//! and again at each gateway.

use std::time::Duration;

use proto::id::UserId;

/// Rates of a user that are told apart; further ones are not counted.
pub const MOST_RATES: usize = 16;
/// How much may be booked at a time, in whole rates.
const MOST_OWED: u64 = 2;

/// What a gateway granted a user since it last said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    pub user_id: UserId,
    /// Of each rate, in the order of the gateways, in microseconds of its time; what is left out is none.
    pub micros: Vec<u64>,
}

/// What is booked at most: a rate is used up when its whole time is.
pub fn most_micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).saturating_mul(MOST_OWED)
}

/// Books what was granted, and says what is used up now; both of each rate, in microseconds.
pub fn book(paid_at_us: &mut Vec<u64>, spent: &[u64], most_us: u64, now_us: u64) -> Vec<u64> {
    let count = paid_at_us.len().max(spent.len()).min(MOST_RATES);
    paid_at_us.resize(count, 0);
    let booked = paid_at_us.iter_mut().enumerate().map(|(place, paid_at)| {
        let spent = spent.get(place).copied().unwrap_or(0);
        *paid_at = (*paid_at).max(now_us).saturating_add(spent).min(now_us.saturating_add(most_us));
        *paid_at - now_us
    });
    booked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000_000;

    #[test]
    fn what_two_gateways_granted_adds_up_and_is_paid_off_once() {
        let mut paid_at = Vec::new();
        assert_eq!(book(&mut paid_at, &[30, 5], 120, NOW), [30, 5]);
        assert_eq!(book(&mut paid_at, &[40], 120, NOW + 10), [60, 0]);
        assert_eq!(book(&mut paid_at, &[], 120, NOW + 40), [30, 0]);
        assert_eq!(book(&mut paid_at, &[7, 7, 7], 120, NOW + 500), [7, 7, 7]);
    }

    #[test]
    fn what_is_owed_is_bounded_and_so_is_the_number_of_rates() {
        assert_eq!(most_micros(Duration::from_mins(1)), 120_000_000);
        assert_eq!(most_micros(Duration::MAX), u64::MAX);
        let mut paid_at = Vec::new();
        assert_eq!(book(&mut paid_at, &[100], 120, NOW), [100]);
        assert_eq!(book(&mut paid_at, &[u64::MAX], 120, NOW), [120]);
        assert_eq!(book(&mut paid_at, &[0; 100], 120, NOW).len(), MOST_RATES);
    }
}
