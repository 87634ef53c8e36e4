//! Whether the users whose connections were asked to move connect to another gateway. Behind a balancer that always
//! brings a user to the same gateway they come back, and moving them would never end.
//!
//! Where gateways were added, this gateway's share of all connections is the most that comes back: below nine in ten, or
//! this gateway would not have had too many.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::identity::UserHash;

/// A user who has not come back within this time has connected elsewhere.
const GONE: Duration = Duration::from_secs(15);
/// So many users are judged together.
const JUDGED: u32 = 64;
/// When so many of ten users come back, these are too many.
const TOO_MANY_OF_TEN: u32 = 9;
/// At most so many users are watched at a time.
const WATCHED: usize = 1_024;
/// The longest pause, as a multiple of the first one.
const LONGEST: u32 = 64;

/// The users who were asked lately, and which of them came back.
#[derive(Debug)]
pub(super) struct Returns {
    first_pause: Duration,
    /// As a multiple of the first pause.
    next_pause: u32,
    /// By user: whether they have come back.
    asked: HashMap<u64, bool>,
    order: VecDeque<(Instant, u64)>,
    back: u32,
    judged: u32,
    paused_until: Option<Instant>,
}

impl Returns {
    pub(super) fn new(first_pause: Duration) -> Self {
        Self {
            first_pause,
            next_pause: 1,
            asked: HashMap::new(),
            order: VecDeque::new(),
            back: 0,
            judged: 0,
            paused_until: None,
        }
    }

    /// A user is asked to go elsewhere.
    pub(super) fn asked(&mut self, user: UserHash, now: Instant) {
        self.settle(now);
        let user = user.number();
        if self.asked.len() < WATCHED && self.asked.insert(user, false).is_none() {
            self.order.push_back((now, user));
        }
    }

    /// A user has come; whether it had been asked to go.
    pub(super) fn came(&mut self, user: UserHash, now: Instant) -> bool {
        self.settle(now);
        let asked = self.asked.get_mut(&user.number());
        asked.is_some_and(|is_back| !std::mem::replace(is_back, true))
    }

    /// Until when nobody is to be asked.
    pub(super) fn paused_until(&mut self, now: Instant) -> Option<Instant> {
        self.settle(now);
        self.paused_until.filter(|until| *until > now)
    }

    /// Judges users in the order in which they were asked, each after `GONE`: only then is it known who stayed away.
    fn settle(&mut self, now: Instant) {
        while let Some((at, user)) = self.order.front().copied() {
            if at + GONE > now {
                return;
            }
            self.order.pop_front();
            self.back += u32::from(self.asked.remove(&user) == Some(true));
            self.judge(now);
        }
    }

    fn judge(&mut self, now: Instant) {
        self.judged += 1;
        if self.judged < JUDGED {
            return;
        }
        if self.back * 10 >= self.judged * TOO_MANY_OF_TEN {
            let pause = self.first_pause * self.next_pause;
            self.paused_until = Some(now + pause);
            self.next_pause = (self.next_pause * 2).min(LONGEST);
            tracing::warn!(
                came_back = self.back,
                of = self.judged,
                pause_secs = pause.as_secs(),
                "connections that were asked to go elsewhere come back here, as if a balancer kept users at one \
                 gateway: nothing is moved for a while; set rebalance.percent_a_minute to 0 if that is meant"
            );
        } else {
            self.next_pause = 1;
        }
        (self.back, self.judged) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use proto::id::UserId;

    use super::*;

    const PAUSE: Duration = Duration::from_mins(10);

    fn user(number: u32) -> UserHash {
        UserHash::of(&UserId::parse_qualified(&format!("u{number}")).unwrap())
    }

    /// Asks so many users, of whom of every ten so many come back; then all of them are judged.
    fn ask(
        returns: &mut Returns,
        users: std::ops::Range<u32>,
        back_of_ten: u32,
        now: Instant,
    ) -> Instant {
        for number in users {
            returns.asked(user(number), now);
            if number % 10 < back_of_ten {
                assert!(returns.came(user(number), now + Duration::from_secs(1)));
                assert!(!returns.came(user(number), now + Duration::from_secs(1)), "once");
            }
        }
        now + GONE
    }

    #[test]
    fn when_nearly_all_come_back_nobody_is_asked_for_longer_and_longer() {
        let (mut returns, now) = (Returns::new(PAUSE), Instant::now());
        let now = ask(&mut returns, 0..63, 10, now);
        assert_eq!(returns.paused_until(now), None, "too few to judge by");
        let now = ask(&mut returns, 63..64, 10, now);
        assert_eq!(returns.paused_until(now), Some(now + PAUSE));
        let now = now + PAUSE;
        assert_eq!(returns.paused_until(now), None, "it is tried again");
        let now = ask(&mut returns, 100..164, 10, now);
        assert_eq!(returns.paused_until(now), Some(now + 2 * PAUSE));
    }

    #[test]
    fn a_balancer_that_brings_four_of_five_back_is_no_reason_to_stop() {
        let (mut returns, now) = (Returns::new(PAUSE), Instant::now());
        let now = ask(&mut returns, 0..1_000, 8, now);
        assert_eq!(returns.paused_until(now), None);
        assert!(returns.asked.is_empty() && returns.order.is_empty());
        assert!(!returns.came(user(8), now), "it counts as gone by now");
    }

    #[test]
    fn who_was_not_asked_comes_as_anybody_and_no_more_are_watched_than_the_bound() {
        let (mut returns, now) = (Returns::new(PAUSE), Instant::now());
        assert!(!returns.came(user(1), now));
        ask(&mut returns, 0..5_000, 0, now);
        assert_eq!((returns.asked.len(), returns.order.len()), (WATCHED, WATCHED));
    }
}
