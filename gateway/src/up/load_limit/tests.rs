//! A server with a fixed capacity, and clients that ask it for less, for more, and for less again.

use std::collections::{BTreeMap, VecDeque};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const TICK: Duration = Duration::from_millis(10);

fn limited(most: usize) -> Arc<LoadLimit> {
    let limits =
        LimitsConfig { unanswered: most, answer_target_ms: 1_000, ..LimitsConfig::default() };
    Arc::new(LoadLimit::new(&limits, 1, Gauge::default()))
}

const ID: ConversationId = ConversationId(uuid::Uuid::nil());

/// Answers in the order of asking, a fixed number in a time.
struct Stage {
    unanswered: Arc<LoadLimit>,
    now: Instant,
    line: VecDeque<Awaiting>,
    /// Refused, by when they come again.
    refused: BTreeMap<Instant, u32>,
    answered: u32,
    slowest: Duration,
}

impl Stage {
    fn new(most: usize) -> Self {
        Self {
            unanswered: limited(most),
            now: Instant::now(),
            line: VecDeque::new(),
            refused: BTreeMap::new(),
            answered: 0,
            slowest: Duration::ZERO,
        }
    }

    fn ask(&mut self) {
        match self.unanswered.admit(ID, self.now) {
            Ok(awaiting) => self.line.push_back(awaiting),
            Err(wait) => *self.refused.entry(self.now + wait).or_default() += 1,
        }
    }

    /// In each tick come `asking` new requests and the refused ones that are due again; `answering` are answered.
    fn run(&mut self, time: Duration, asking: u32, answering: u32) {
        (self.answered, self.slowest) = (0, Duration::ZERO);
        let end = self.now + time;
        while self.now < end {
            self.now += TICK;
            let later = self.refused.split_off(&self.now);
            let again: u32 = std::mem::replace(&mut self.refused, later).into_values().sum();
            for _ in 0..asking + again {
                self.ask();
            }
            for mut awaiting in self.line.drain(..self.line.len().min(answering as usize)) {
                let took = self.now - awaiting.since();
                self.slowest = self.slowest.max(took);
                self.answered += u32::from(took < Duration::from_secs(10));
                awaiting.end(true, self.now);
            }
        }
    }
}

#[test]
fn a_demand_that_can_be_met_meets_no_limit() {
    let mut stage = Stage::new(20_000);
    stage.run(Duration::from_mins(1), 10, 10);
    assert!(stage.refused.is_empty());
}

#[test]
fn a_demand_three_times_too_high_is_met_as_far_as_it_can_be_and_in_time() {
    let mut stage = Stage::new(20_000);
    stage.run(Duration::from_secs(10), 30, 10);
    stage.run(Duration::from_mins(1), 30, 10);
    let could = 60 * 100 * 10;
    assert!(stage.answered > could * 9 / 10, "{} of {could}", stage.answered);
    assert!(stage.slowest < Duration::from_secs(3), "{:?}", stage.slowest);
}

#[test]
fn when_the_demand_is_over_all_who_wait_are_answered_and_nobody_is_refused_any_more() {
    let mut stage = Stage::new(20_000);
    stage.run(Duration::from_mins(1), 30, 10);
    // A third of the capacity: the rest is for refused requests that come again.
    stage.run(Duration::from_mins(10), 3, 10);
    assert!(stage.refused.is_empty() && stage.line.len() < 10, "{:?}", stage.refused);
}

#[test]
fn a_server_that_stands_still_for_a_while_is_soon_asked_as_much_as_before() {
    let mut stage = Stage::new(20_000);
    stage.run(Duration::from_secs(10), 10, 20);
    stage.run(Duration::from_secs(5), 10, 0);
    stage.run(Duration::from_secs(30), 10, 20);
    stage.run(Duration::from_secs(10), 10, 20);
    assert!(stage.refused.is_empty() && stage.slowest <= TICK, "{:?}", stage.slowest);
}

#[test]
fn the_more_are_refused_the_later_they_are_to_come_again() {
    let unanswered = limited(64);
    let now = Instant::now();
    let admitted: Vec<_> = (0..64).map(|_| unanswered.admit(ID, now).unwrap()).collect();
    let waits: Vec<_> = (0..10_000).map(|_| unanswered.admit(ID, now).unwrap_err()).collect();
    assert!(waits[0] >= Duration::from_secs(1) && waits[0] < Duration::from_secs(2));
    assert!(waits.is_sorted());
    assert_eq!(*waits.last().unwrap(), Duration::from_secs(5));
    drop(admitted);
    let later = now + WINDOW * 3;
    let _again: Vec<_> = (0..64).map(|_| unanswered.admit(ID, later).unwrap()).collect();
    assert!(unanswered.admit(ID, later).unwrap_err() < Duration::from_secs(2), "long forgotten");
}

#[test]
fn a_partition_that_stands_still_holds_up_no_other() {
    let unanswered = Arc::new(LoadLimit::new(&LimitsConfig::default(), 16, Gauge::default()));
    let now = Instant::now();
    let mut stuck = Vec::new();
    while let Ok(awaiting) = unanswered.admit(ID, now) {
        stuck.push(awaiting);
    }
    assert_eq!(stuck.len(), 1_250);
    for mut awaiting in stuck.drain(..) {
        awaiting.end(false, now + Duration::from_secs(10));
    }
    let other = (1..).map(|n| ConversationId(uuid::Uuid::from_u128(n)));
    let apart = |id: &ConversationId| {
        partition::of_conversation(*id, 16) != partition::of_conversation(ID, 16)
    };
    let other = other.into_iter().find(apart).unwrap();
    let all: Vec<_> = (0..1_250).map(|_| unanswered.admit(other, now).unwrap()).collect();
    assert!(unanswered.shown.get() < 20_000 && all.len() == 1_250);
}

proptest! {
    #[test]
    fn as_many_await_as_were_let_in_and_are_not_done_and_the_limit_stays_within_its_bounds(
        steps in vec((0..3_u8, 0..3_000_u64), 0..400),
    ) {
        let unanswered = limited(1_000);
        let (mut now, mut awaiting) = (Instant::now(), VecDeque::new());
        for (what, ms) in steps {
            now += Duration::from_millis(ms);
            match what {
                0 => awaiting.extend(unanswered.admit(ID, now)),
                1 => awaiting.pop_front().into_iter().for_each(|mut done| done.end(true, now)),
                _ => awaiting.pop_back().into_iter().for_each(|mut done| done.end(false, now)),
            }
            let state = unanswered.state(0).lock();
            prop_assert_eq!(state.awaiting, awaiting.len());
            prop_assert!((FEWEST..=1_000.0).contains(&state.limit));
        }
    }
}
