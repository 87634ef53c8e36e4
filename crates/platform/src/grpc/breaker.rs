//! When to stop asking a service that does not answer. No I/O and no clock: moments are arguments.
//!
//! Closed: calls pass, failures in a row are counted. Open: calls are refused at once for a while.
//! Half open: one call at a time tries; its end closes or opens again. The pattern is Michael Nygard's,
//! "Release It!", chapter "Stability Patterns".

use std::time::{Duration, Instant};

/// The state of a circuit.
#[derive(Debug)]
pub(super) struct Breaker {
    /// Failures in a row that open it; 0 never does.
    failures: u32,
    open_for: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        failed: u32,
    },
    Open {
        until: Instant,
    },
    /// One call is trying.
    HalfOpen,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The service said something, including any error of its own or of the caller.
    Answered,
    /// It could not be reached, or said nothing in time.
    Failed,
    /// The caller gave up: nothing is known.
    Dropped,
}

/// What a call is let through as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// One of many.
    Ordinary,
    /// The one that tries while the circuit is half open.
    Trial,
}

/// What changed by the end of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
}

impl Breaker {
    pub(super) fn new(failures: u32, open_for: Duration) -> Self {
        Self { failures, open_for, state: State::Closed { failed: 0 } }
    }

    /// Whether a call may begin.
    pub(super) fn pass(&mut self, now: Instant) -> Option<Pass> {
        match self.state {
            State::Closed { .. } => Some(Pass::Ordinary),
            State::Open { until } if now >= until => {
                self.state = State::HalfOpen;
                Some(Pass::Trial)
            }
            State::Open { .. } | State::HalfOpen => None,
        }
    }

    /// Takes note of the end of a call.
    pub(super) fn ended(&mut self, pass: Pass, ended: Ended, now: Instant) -> Option<Change> {
        let open = State::Open { until: now + self.open_for };
        match (self.state, pass, ended) {
            (State::HalfOpen, Pass::Trial, Ended::Failed) => {
                self.state = open;
                None
            }
            (State::HalfOpen, Pass::Trial, Ended::Dropped) => {
                // Another one may try at once.
                self.state = State::Open { until: now };
                None
            }
            // Also one that began before the circuit opened: an answer is an answer.
            (State::HalfOpen | State::Open { .. }, _, Ended::Answered) => {
                self.state = State::Closed { failed: 0 };
                Some(Change::Closed)
            }
            (State::Closed { .. }, _, Ended::Answered) => {
                self.state = State::Closed { failed: 0 };
                None
            }
            (State::Closed { failed }, _, Ended::Failed) => {
                let failed = failed.saturating_add(1);
                let opens = self.failures > 0 && failed >= self.failures;
                self.state = if opens { open } else { State::Closed { failed } };
                opens.then_some(Change::Opened)
            }
            (State::Closed { .. } | State::Open { .. } | State::HalfOpen, ..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Duration = Duration::from_secs(1);

    fn after(breaker: &mut Breaker, now: Instant, ends: &[Ended]) -> Option<Change> {
        let mut change = None;
        for ended in ends {
            let pass = breaker.pass(now).unwrap();
            change = breaker.ended(pass, *ended, now);
        }
        change
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_not_before() {
        let (mut breaker, now) = (Breaker::new(3, OPEN), Instant::now());
        assert_eq!(after(&mut breaker, now, &[Ended::Failed; 2]), None);
        assert_eq!(
            after(&mut breaker, now, &[Ended::Answered, Ended::Failed, Ended::Failed]),
            None
        );
        assert_eq!(after(&mut breaker, now, &[Ended::Dropped]), None);
        assert_eq!(after(&mut breaker, now, &[Ended::Failed]), Some(Change::Opened));
        assert_eq!(breaker.pass(now), None);
    }

    #[test]
    fn one_call_tries_after_a_while_and_its_end_decides() {
        let (mut breaker, start) = (Breaker::new(1, OPEN), Instant::now());
        assert_eq!(after(&mut breaker, start, &[Ended::Failed]), Some(Change::Opened));
        let now = start + OPEN;
        assert_eq!(breaker.pass(now), Some(Pass::Trial));
        assert_eq!(breaker.pass(now), None, "one at a time");
        assert_eq!(breaker.ended(Pass::Trial, Ended::Failed, now), None);
        assert_eq!(breaker.pass(now), None);
        let now = now + OPEN;
        assert_eq!(breaker.pass(now), Some(Pass::Trial));
        assert_eq!(breaker.ended(Pass::Trial, Ended::Dropped, now), None);
        assert_eq!(breaker.pass(now), Some(Pass::Trial), "a call that gave up blocks no other");
        assert_eq!(breaker.ended(Pass::Trial, Ended::Answered, now), Some(Change::Closed));
        assert_eq!(breaker.pass(now), Some(Pass::Ordinary));
    }

    #[test]
    fn an_answer_to_an_earlier_call_closes_it() {
        let (mut breaker, now) = (Breaker::new(1, OPEN), Instant::now());
        let early = breaker.pass(now).unwrap();
        assert_eq!(after(&mut breaker, now, &[Ended::Failed]), Some(Change::Opened));
        assert_eq!(breaker.ended(early, Ended::Answered, now), Some(Change::Closed));
    }

    #[test]
    fn without_a_limit_it_never_opens() {
        let (mut breaker, now) = (Breaker::new(0, OPEN), Instant::now());
        assert_eq!(after(&mut breaker, now, &[Ended::Failed; 100]), None);
        assert_eq!(breaker.pass(now), Some(Pass::Ordinary));
    }
}
