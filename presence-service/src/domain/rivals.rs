//! Whether two living processes speak under one gateway id: plain functions, no clock.
//!
//! Every process has a number of its own. One that was never heard before takes the name over: so does a
//! gateway that starts again, and nobody is its rival, since the process before it is silent. Two are rivals
//! when one whose name was taken over goes on speaking while the other one lives. It must be heard twice, some
//! time apart: a heartbeat of a process that has ended may arrive late.

use std::collections::VecDeque;

/// Processes of one name that are told apart from new ones.
const PAST: usize = 32;
/// The part of a lease that lies between two signs of life of a process whose name was taken over.
const APART: u64 = 20;

/// What a process is told that speaks under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nobody else does.
    Alone,
    /// Another has taken the name over; whether this one lives the next heartbeat shows.
    TakenOver,
    /// Another living process does.
    Rival,
}

/// The processes that spoke under one name. Times are in milliseconds.
#[derive(Debug, Default)]
pub struct Speakers {
    /// Who has the name.
    holder: u64,
    heard_ms: u64,
    past: VecDeque<u64>,
    /// When one whose name was taken over spoke for the first time.
    doubt_ms: Option<u64>,
    rivals_until_ms: u64,
}

impl Speakers {
    /// A process speaks.
    pub fn hear(&mut self, process: u64, now_ms: u64, lease_ms: u64) -> Heard {
        let holder_lives = self.heard_ms + lease_ms > now_ms;
        if self.holder != process {
            if self.past.contains(&process) && holder_lives {
                return self.hear_again(now_ms, lease_ms);
            }
            // New, or the other one has ended.
            self.take_over(process);
        }
        self.heard_ms = now_ms;
        if self.rivals_until_ms > now_ms { Heard::Rival } else { Heard::Alone }
    }

    /// Of one whose name was taken over.
    fn hear_again(&mut self, now_ms: u64, lease_ms: u64) -> Heard {
        let since = *self.doubt_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since) < lease_ms / APART {
            return Heard::TakenOver;
        }
        self.rivals_until_ms = now_ms + lease_ms;
        Heard::Rival
    }

    fn take_over(&mut self, process: u64) {
        self.past.retain(|past| *past != process);
        self.past.push_front(self.holder);
        self.past.truncate(PAST);
        (self.holder, self.doubt_ms, self.rivals_until_ms) = (process, None, 0);
    }

    /// Whether nobody spoke for so long.
    pub fn are_silent_for(&self, ms: u64, now_ms: u64) -> bool {
        self.heard_ms + ms <= now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: u64 = 10_000;

    #[test]
    fn a_process_that_starts_again_under_its_name_has_no_rival_however_soon() {
        let mut speakers = Speakers::default();
        for process in 1..100 {
            for beat in 0..3 {
                let heard = speakers.hear(process, process * 100 + beat, LEASE);
                assert_eq!(heard, Heard::Alone, "process {process}");
            }
        }
    }

    #[test]
    fn late_heartbeats_of_a_process_that_has_ended_make_no_rival() {
        let mut speakers = Speakers::default();
        speakers.hear(1, 1_000, LEASE);
        speakers.hear(2, 2_000, LEASE);
        // What piled up at a presence service that stood still comes in one go.
        for _ in 0..5 {
            assert_eq!(speakers.hear(1, 2_100, LEASE), Heard::TakenOver);
        }
        assert_eq!(speakers.hear(2, 5_000, LEASE), Heard::Alone);
    }

    #[test]
    fn two_that_go_on_speaking_are_both_told_until_one_has_ended() {
        let mut speakers = Speakers::default();
        assert_eq!(speakers.hear(1, 0, LEASE), Heard::Alone);
        assert_eq!(speakers.hear(2, 1_000, LEASE), Heard::Alone);
        assert_eq!(speakers.hear(1, 3_000, LEASE), Heard::TakenOver);
        assert_eq!(speakers.hear(1, 3_500, LEASE), Heard::Rival);
        assert_eq!(speakers.hear(2, 4_000, LEASE), Heard::Rival);
        assert_eq!(speakers.hear(1, 6_500, LEASE), Heard::Rival);
        assert_eq!(speakers.hear(2, 7_000, LEASE), Heard::Rival);
        // The first one ends.
        assert_eq!(speakers.hear(2, 16_000, LEASE), Heard::Rival);
        assert_eq!(speakers.hear(2, 16_500, LEASE), Heard::Alone);
    }

    #[test]
    fn the_older_one_has_its_name_back_when_the_younger_has_ended() {
        let mut speakers = Speakers::default();
        speakers.hear(1, 0, LEASE);
        speakers.hear(2, 1_000, LEASE);
        speakers.hear(1, 3_000, LEASE);
        assert_eq!(speakers.hear(1, 3_500, LEASE), Heard::Rival);
        assert_eq!(speakers.hear(1, 10_999, LEASE), Heard::Rival);
        assert_eq!(speakers.hear(1, 11_000, LEASE), Heard::Alone);
        assert_eq!(speakers.hear(1, 14_000, LEASE), Heard::Alone);
    }
}
