//! What all members have heard: which messages are on their way, and how long they took.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use tokio::sync::Notify;
use wire_client::latency::Latency;

/// Messages on their way, at most: beyond it the server cannot follow.
pub const MAX_FLIGHTS: usize = 10_000;

/// A message on its way.
#[derive(Debug)]
struct Flight {
    due: Instant,
    heard: u32,
}

/// Latencies of one measurement.
#[derive(Debug, Clone)]
pub struct Latencies {
    /// From due to each member's socket.
    pub each: Latency,
    /// From due to the last member's socket.
    pub last: Latency,
}

/// The account of a run.
#[derive(Debug)]
pub struct Tally {
    members: Cell<u32>,
    flights: RefCell<VecDeque<Flight>>,
    /// The number of the first of them.
    first: Cell<u32>,
    delivered: Cell<u64>,
    received_bytes: Cell<u64>,
    out_of_turn: Cell<u64>,
    /// Messages that are stored.
    stored: Cell<u32>,
    /// What members asked for, by member and number, and when that was due.
    asked: RefCell<HashMap<(u32, u32), Instant>>,
    /// From then to the answers.
    answers: RefCell<Latency>,
    /// Place in the log less number, of the messages that are stored.
    base: Cell<Option<u64>>,
    /// Only what is due from then on is measured.
    measured_from: Cell<Option<Instant>>,
    latencies: RefCell<Latencies>,
    arrived: Notify,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            members: Cell::new(0),
            flights: RefCell::default(),
            first: Cell::new(0),
            delivered: Cell::new(0),
            received_bytes: Cell::new(0),
            out_of_turn: Cell::new(0),
            stored: Cell::new(0),
            asked: RefCell::default(),
            answers: RefCell::new(Latency::new()),
            base: Cell::new(None),
            measured_from: Cell::new(None),
            latencies: RefCell::new(Latencies { each: Latency::new(), last: Latency::new() }),
            arrived: Notify::new(),
        }
    }
}

impl Tally {
    /// So many members are to hear each message.
    pub fn expect(&self, members: u32) {
        self.members.set(members);
    }

    /// A message is published; its number.
    pub fn begin(&self, due: Instant) -> u32 {
        let mut flights = self.flights.borrow_mut();
        flights.push_back(Flight { due, heard: 0 });
        self.first.get() + flights.len() as u32 - 1
    }

    /// The socket of a member gave so many bytes.
    pub fn receive(&self, bytes: usize) {
        self.received_bytes.set(self.received_bytes.get() + bytes as u64);
    }

    /// A member, whose next message should be `next`, hears one.
    pub fn hear(&self, next: &Cell<u32>, number: u32, now: Instant) {
        if number != next.get() {
            self.out_of_turn.set(self.out_of_turn.get() + 1);
            // A repeat counts once; what was skipped stays missing.
            if number < next.get() {
                return;
            }
        }
        next.set(number + 1);
        self.delivered.set(self.delivered.get() + 1);
        let mut flights = self.flights.borrow_mut();
        let at = number.wrapping_sub(self.first.get()) as usize;
        let Some(flight) = flights.get_mut(at) else { return };
        flight.heard += 1;
        let is_last = flight.heard == self.members.get();
        if self.measured_from.get().is_some_and(|from| flight.due >= from) {
            let us = now.saturating_duration_since(flight.due).as_micros() as u64;
            let mut latencies = self.latencies.borrow_mut();
            latencies.each.record(us);
            if is_last {
                latencies.last.record(us);
            }
        }
        if is_last {
            while flights.front().is_some_and(|first| first.heard >= self.members.get()) {
                flights.pop_front();
                self.first.set(self.first.get() + 1);
            }
            self.arrived.notify_one();
        }
    }

    /// A message has its place in the log.
    pub fn stored(&self, number: u32, seq: u64) {
        self.stored.set(self.stored.get() + 1);
        self.base.set(seq.checked_sub(u64::from(number)));
    }

    /// The place in the log of a message, when one of the run is known.
    pub fn place(&self, number: u32) -> Option<u64> {
        self.base.get().map(|base| base + u64::from(number))
    }

    /// Messages that have their place in the log.
    pub fn stored_count(&self) -> u32 {
        self.stored.get()
    }

    /// A member asks for something that was due then.
    pub fn ask(&self, which: (u32, u32), due: Instant) {
        self.asked.borrow_mut().insert(which, due);
    }

    /// It has the answer.
    pub fn answer(&self, which: (u32, u32), now: Instant) {
        if let Some(due) = self.asked.borrow_mut().remove(&which) {
            let us = now.saturating_duration_since(due).as_micros() as u64;
            self.answers.borrow_mut().record(us);
        }
    }

    /// How many have no answer.
    pub fn unanswered(&self) -> usize {
        self.asked.borrow().len()
    }

    /// How long the answers took.
    pub fn answers(&self) -> Latency {
        self.answers.borrow().clone()
    }

    /// From now on latencies are kept.
    pub fn measure(&self) {
        self.measured_from.set(Some(Instant::now()));
    }

    /// What is due from now on is no longer measured; the latencies of what was, so far.
    pub fn latencies(&self) -> Latencies {
        self.latencies.borrow().clone()
    }

    /// Messages on their way.
    pub fn on_their_way(&self) -> usize {
        self.flights.borrow().len()
    }

    /// The oldest message on its way, and how many members have it.
    pub fn oldest(&self) -> (u32, u32) {
        (self.first.get(), self.flights.borrow().front().map_or(0, |flight| flight.heard))
    }

    /// Messages that every member has.
    pub fn completed(&self) -> u32 {
        self.first.get()
    }

    /// Messages heard, over all members.
    pub fn delivered(&self) -> u64 {
        self.delivered.get()
    }

    /// What the members' sockets gave, over all of them.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.get()
    }

    /// Messages that came again, or before an earlier one.
    pub fn out_of_turn(&self) -> u64 {
        self.out_of_turn.get()
    }

    /// Waits until one more message has reached everybody.
    pub async fn arrival(&self) {
        self.arrived.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_message_has_arrived_when_the_last_member_has_it() {
        let tally = Tally::default();
        tally.expect(2);
        tally.measure();
        let due = Instant::now();
        let members = [Cell::new(0), Cell::new(0)];
        assert_eq!((tally.begin(due), tally.begin(due)), (0, 1));
        let ms = |ms| due + Duration::from_millis(ms);
        tally.hear(&members[0], 0, ms(1));
        tally.hear(&members[0], 1, ms(2));
        assert_eq!((tally.completed(), tally.on_their_way(), tally.oldest()), (0, 2, (0, 1)));
        tally.hear(&members[1], 0, ms(3));
        assert_eq!((tally.completed(), tally.on_their_way()), (1, 1));
        tally.hear(&members[1], 1, ms(9));
        assert_eq!((tally.completed(), tally.delivered(), tally.out_of_turn()), (2, 4, 0));
        let latencies = tally.latencies();
        assert_eq!((latencies.each.histogram().len(), latencies.last.histogram().len()), (4, 2));
        assert!((8_900..9_100).contains(&latencies.last.histogram().max()));
    }

    #[test]
    fn repeats_and_holes_are_out_of_turn_and_nothing_arrives_by_them() {
        let tally = Tally::default();
        tally.expect(1);
        let member = Cell::new(0);
        let now = Instant::now();
        for _ in 0..3 {
            tally.begin(now);
        }
        tally.hear(&member, 0, now);
        tally.hear(&member, 0, now);
        tally.hear(&member, 2, now);
        assert_eq!((tally.out_of_turn(), tally.delivered(), tally.completed()), (2, 2, 1));
        assert_eq!(tally.oldest(), (1, 0));
    }

    #[test]
    fn what_members_ask_for_is_answered_once() {
        let tally = Tally::default();
        let due = Instant::now();
        tally.ask((3, 1), due);
        tally.ask((4, 1), due);
        tally.answer((3, 1), due + Duration::from_millis(2));
        tally.answer((3, 1), due + Duration::from_millis(9));
        assert_eq!((tally.unanswered(), tally.answers().histogram().len()), (1, 1));
    }

    #[test]
    fn the_place_of_one_message_tells_that_of_all() {
        let tally = Tally::default();
        assert_eq!(tally.place(3), None);
        tally.stored(2, 12);
        assert_eq!((tally.place(3), tally.stored_count()), (Some(13), 1));
    }
}
