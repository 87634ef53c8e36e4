//! How long to wait before trying again: exponential, capped, with full jitter.
//!
//! Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

use std::time::Duration;

/// Delays for one row of attempts.
#[derive(Debug, Clone)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    ceiling: Duration,
}

impl Backoff {
    /// The first delay is at most `initial`, and none is above `max`.
    pub fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max, ceiling: initial }
    }

    /// A random delay between a tenth of the ceiling and the ceiling, which then doubles. Never
    /// zero, so that a refusing peer is not hammered.
    pub fn next_delay(&mut self) -> Duration {
        let ceiling = self.ceiling.min(self.max);
        self.ceiling = (self.ceiling * 2).min(self.max);
        ceiling.mul_f64(rand::random_range(0.1..=1.0))
    }

    /// Starts from the first delay again, after a success.
    pub fn reset(&mut self) {
        self.ceiling = self.initial;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_cap_and_start_again_after_a_success() {
        let (initial, max) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(initial, max);
        assert!(backoff.next_delay() <= initial);
        for _ in 0..20 {
            let delay = backoff.next_delay();
            assert!(delay > Duration::ZERO && delay <= max, "{delay:?}");
        }
        backoff.reset();
        assert!(backoff.next_delay() <= initial);
    }
}
