//! Sends that have no answer yet, in the order they were made.
//!
//! They are written in that order, as many at once as the server allows, and again after a lost
//! connection, the oldest first and with the same client id.

use std::collections::VecDeque;

use super::mixing::Addition;

/// One unanswered send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Which of the client's sends.
    pub number: u32,
    /// The client's view of the conversation it goes to.
    pub slot: u32,
    /// When it was due, in microseconds.
    pub due_us: u64,
    /// It names the user rather than the conversation, and does so again when repeated.
    pub is_to_user: bool,
    /// What it has beside its text.
    pub addition: Addition,
    /// When it was written on this connection; nothing while it waits.
    pub written_us: Option<u64>,
}

/// The unanswered sends of a client.
#[derive(Debug)]
pub struct Outbox {
    queue: VecDeque<Pending>,
    in_flight: u32,
    /// Most sends that may await their answer, as the server said.
    limit: u32,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { queue: VecDeque::new(), in_flight: 0, limit: 1 }
    }
}

impl Outbox {
    /// How many are unanswered.
    pub fn len(&self) -> u32 {
        self.queue.len() as u32
    }

    /// True when all are answered.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes a new send.
    pub fn push(&mut self, pending: Pending) {
        self.queue.push_back(pending);
    }

    /// Sets how many may await their answer.
    pub fn allow(&mut self, limit: u32) {
        self.limit = limit.max(1);
    }

    /// The next send to write now, marked as written.
    pub fn next_to_write(&mut self, now_us: u64) -> Option<Pending> {
        if self.in_flight >= self.limit || self.in_flight == self.len() {
            return None;
        }
        let next = self.queue.iter_mut().find(|pending| pending.written_us.is_none())?;
        next.written_us = Some(now_us);
        self.in_flight += 1;
        Some(*next)
    }

    /// Takes an answered send out.
    pub fn remove(&mut self, number: u32) -> Option<Pending> {
        let at = self.queue.binary_search_by_key(&number, |pending| pending.number).ok()?;
        let pending = self.queue.remove(at)?;
        self.in_flight -= u32::from(pending.written_us.is_some());
        Some(pending)
    }

    /// A send is to be written again; false when it is unknown.
    pub fn write_again(&mut self, number: u32) -> bool {
        let at = self.queue.binary_search_by_key(&number, |pending| pending.number);
        let Some(pending) = at.ok().and_then(|at| self.queue.get_mut(at)) else { return false };
        self.in_flight -= u32::from(pending.written_us.take().is_some());
        true
    }

    /// The connection is gone: all are to be written again.
    pub fn write_all_again(&mut self) {
        for pending in &mut self.queue {
            pending.written_us = None;
        }
        self.in_flight = 0;
    }

    /// Sends that are written and await their answer.
    pub fn written(&self) -> impl Iterator<Item = u32> + '_ {
        let is_written = |pending: &&Pending| pending.written_us.is_some();
        self.queue.iter().filter(is_written).map(|pending| pending.number)
    }

    /// Sends written before `since_us` and not answered.
    pub fn overdue(&self, since_us: u64) -> Vec<u32> {
        let is_overdue =
            |pending: &&Pending| pending.written_us.is_some_and(|written| written < since_us);
        self.queue.iter().filter(is_overdue).map(|pending| pending.number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(count: u32, limit: u32) -> Outbox {
        let mut outbox = Outbox::default();
        outbox.allow(limit);
        for number in 0..count {
            outbox.push(Pending {
                number,
                slot: 0,
                due_us: 0,
                is_to_user: false,
                addition: Addition::None,
                written_us: None,
            });
        }
        outbox
    }

    fn written(outbox: &mut Outbox) -> Vec<u32> {
        std::iter::from_fn(|| outbox.next_to_write(5)).map(|pending| pending.number).collect()
    }

    #[test]
    fn sends_are_written_in_order_within_the_limit() {
        let mut outbox = outbox(5, 2);
        assert_eq!(written(&mut outbox), [0, 1]);
        assert!(outbox.remove(1).is_some() && outbox.remove(1).is_none());
        assert_eq!(written(&mut outbox), [2]);
        outbox.remove(0);
        outbox.remove(2);
        assert_eq!(written(&mut outbox), [3, 4]);
        assert_eq!(outbox.len(), 2);
    }

    #[test]
    fn a_lost_connection_writes_all_again_oldest_first() {
        let mut outbox = outbox(4, 8);
        written(&mut outbox);
        outbox.remove(1);
        outbox.write_all_again();
        assert_eq!(written(&mut outbox), [0, 2, 3]);
    }

    #[test]
    fn a_refused_send_keeps_its_place() {
        let mut outbox = outbox(4, 2);
        assert_eq!(written(&mut outbox), [0, 1]);
        assert!(outbox.write_again(0));
        assert_eq!(written(&mut outbox), [0]);
        assert_eq!(outbox.overdue(6), [0, 1]);
        assert!(!outbox.write_again(9));
    }
}
