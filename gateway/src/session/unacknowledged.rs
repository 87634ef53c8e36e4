//! What was pushed to a connection and not acknowledged yet: of each conversation the highest seq pushed
//! and the highest delivered, no frames. What stays unacknowledged is pushed again from the store, a few
//! times; then the connection is given up, and the device syncs when it comes back.
//!
//! An entry that is pushed after a later one of its conversation is left out: the device has it, or sees by the
//! later one that it is missing. What is acknowledged needs no such memory: the device has all of it.
//!
//! Knows no socket and no clock: time is handed in.

use std::time::{Duration, Instant};

use proto::id::ConversationId;

use crate::limits::LimitsConfig;
use crate::net::frame::Entries;

/// When to push again, counted from the first push, and when to give up.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// Ascending.
    pub(crate) again_after: Vec<Duration>,
    /// After the last of them.
    pub(crate) give_up_after: Duration,
    /// Conversations that are watched at once; further ones are left to the digest in `pong`.
    pub(crate) conversations: usize,
}

impl From<&LimitsConfig> for Patience {
    fn from(limits: &LimitsConfig) -> Self {
        Self {
            again_after: limits.redelivery_ms.iter().copied().map(Duration::from_millis).collect(),
            give_up_after: Duration::from_millis(limits.delivery_timeout_ms),
            conversations: limits.followed_conversations,
        }
    }
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Push everything after this seq again.
    Again(ConversationId, u64),
    /// The device does not acknowledge.
    GiveUp,
}

/// The conversations of one connection with something unacknowledged; empty it holds no memory.
#[derive(Debug, Default)]
pub(crate) struct Unacknowledged(Vec<Pushed>);

#[derive(Debug)]
struct Pushed {
    id: ConversationId,
    delivered: u64,
    pushed: u64,
    /// Since the first of the unacknowledged was pushed, or the last progress.
    since: Instant,
    tries: usize,
    /// When the first of them came to a gateway, in Unix milliseconds; 0 when it is not known. Only measured by.
    sent_ms: u64,
}

impl Unacknowledged {
    /// Entries were written.
    pub(crate) fn pushed(&mut self, entries: Entries, now: Instant, patience: &Patience) {
        self.pushed_since(entries, 0, now, patience);
    }

    /// Entries were written that came to a gateway then.
    pub(crate) fn pushed_since(
        &mut self,
        entries: Entries,
        sent_ms: u64,
        now: Instant,
        patience: &Patience,
    ) {
        let Entries { conversation_id: id, first, last } = entries;
        if let Some(waiting) = self.0.iter_mut().find(|waiting| waiting.id == id) {
            waiting.pushed = waiting.pushed.max(last);
        } else if self.0.len() < patience.conversations {
            let delivered = first.saturating_sub(1);
            let waiting = Pushed { id, delivered, pushed: last, since: now, tries: 0, sent_ms };
            self.0.push(waiting);
        }
    }

    /// Entries are about to be written. False: a later one of their conversation was, so they are to be left out. Until
    /// the device acknowledges that one they are part of what is pushed again.
    pub(crate) fn takes(
        &mut self,
        entries: Entries,
        sent_ms: u64,
        now: Instant,
        patience: &Patience,
    ) -> bool {
        let Entries { conversation_id: id, first, last } = entries;
        if let Some(waiting) = self.0.iter_mut().find(|waiting| waiting.id == id)
            && last < waiting.pushed
        {
            waiting.delivered = waiting.delivered.min(first.saturating_sub(1));
            return false;
        }
        self.pushed_since(entries, sent_ms, now, patience);
        true
    }

    /// The device has everything up to here. The answer is when the first of that which it had not said so of came to
    /// a gateway, in Unix milliseconds; 0 when it is not known.
    pub(crate) fn delivered(&mut self, id: ConversationId, seq: u64, now: Instant) -> u64 {
        let Some(place) = self.0.iter().position(|waiting| waiting.id == id) else { return 0 };
        let waiting = &mut self.0[place];
        if seq >= waiting.pushed {
            let sent_ms = waiting.sent_ms;
            self.forget(id);
            return sent_ms;
        }
        if seq > waiting.delivered {
            (waiting.delivered, waiting.since, waiting.tries) = (seq, now, 0);
            // When the next of them came is not kept.
            return std::mem::take(&mut waiting.sent_ms);
        }
        0
    }

    /// Nothing of this conversation is waited for any more.
    pub(crate) fn forget(&mut self, id: ConversationId) {
        self.0.retain(|waiting| waiting.id != id);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
    }

    /// The device could not be heard for so long: that does not count.
    pub(crate) fn put_off(&mut self, pause: Duration) {
        for waiting in &mut self.0 {
            waiting.since += pause;
        }
    }

    /// Nothing is waited for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When something is due.
    pub(crate) fn next_due(&self, patience: &Patience) -> Option<Instant> {
        self.0.iter().map(|waiting| waiting.due_at(patience)).min()
    }

    /// Something that is due now, once.
    pub(crate) fn take_due(&mut self, now: Instant, patience: &Patience) -> Option<Due> {
        let waiting = self.0.iter_mut().find(|waiting| waiting.due_at(patience) <= now)?;
        if waiting.tries >= patience.again_after.len() {
            return Some(Due::GiveUp);
        }
        waiting.tries += 1;
        Some(Due::Again(waiting.id, waiting.delivered))
    }
}

impl Pushed {
    fn due_at(&self, patience: &Patience) -> Instant {
        self.since + patience.again_after.get(self.tries).copied().unwrap_or(patience.give_up_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        let again_after = [3, 6, 12].map(Duration::from_secs).to_vec();
        Patience { again_after, give_up_after: Duration::from_secs(24), conversations: 2 }
    }

    fn id(number: u128) -> ConversationId {
        ConversationId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn what_is_acknowledged_in_time_is_never_pushed_again_and_leaves_nothing_behind() {
        let (mut waiting, start) = (Unacknowledged::default(), Instant::now());
        waiting.pushed(Entries::one(id(1), 7), start, &patience());
        waiting.pushed(Entries::one(id(1), 8), start, &patience());
        waiting.delivered(id(1), 8, start);
        assert_eq!(waiting.next_due(&patience()), None);
        assert_eq!(waiting.0.capacity(), 0);
    }

    #[test]
    fn silence_is_met_by_three_pushes_and_then_the_end() {
        let (mut waiting, start) = (Unacknowledged::default(), Instant::now());
        waiting.pushed(Entries::one(id(1), 7), start, &patience());
        let after = |secs| start + Duration::from_secs(secs);
        for secs in [3, 6, 12] {
            assert_eq!(waiting.next_due(&patience()), Some(after(secs)));
            assert_eq!(waiting.take_due(after(secs - 1), &patience()), None);
            assert_eq!(waiting.take_due(after(secs), &patience()), Some(Due::Again(id(1), 6)));
        }
        assert_eq!(waiting.take_due(after(24), &patience()), Some(Due::GiveUp));
    }

    #[test]
    fn time_in_which_the_device_could_not_be_heard_does_not_count() {
        let (mut waiting, start) = (Unacknowledged::default(), Instant::now());
        waiting.pushed(Entries::one(id(1), 7), start, &patience());
        waiting.put_off(Duration::from_secs(5));
        assert_eq!(waiting.next_due(&patience()), Some(start + Duration::from_secs(8)));
    }

    #[test]
    fn progress_begins_the_patience_anew() {
        let (mut waiting, start) = (Unacknowledged::default(), Instant::now());
        waiting.pushed(Entries::one(id(1), 7), start, &patience());
        waiting.pushed(Entries::one(id(1), 9), start, &patience());
        let later = start + Duration::from_secs(3);
        assert_eq!(waiting.take_due(later, &patience()), Some(Due::Again(id(1), 6)));
        waiting.delivered(id(1), 8, later);
        assert_eq!(waiting.take_due(start + Duration::from_secs(5), &patience()), None);
        let due = waiting.take_due(later + Duration::from_secs(3), &patience());
        assert_eq!(due, Some(Due::Again(id(1), 8)));
        waiting.delivered(id(1), 4, later);
        assert!(waiting.next_due(&patience()).is_some(), "an old word changes nothing");
    }

    #[test]
    fn of_entries_that_were_written_together_the_device_is_waited_for_from_the_first_to_the_last() {
        let (mut waiting, start) = (Unacknowledged::default(), Instant::now());
        waiting.pushed(Entries { last: 9, ..Entries::one(id(1), 7) }, start, &patience());
        let after = start + Duration::from_secs(3);
        assert_eq!(waiting.take_due(after, &patience()), Some(Due::Again(id(1), 6)));
        waiting.delivered(id(1), 8, after);
        assert!(waiting.next_due(&patience()).is_some());
        waiting.delivered(id(1), 9, after);
        assert_eq!(waiting.next_due(&patience()), None);
    }

    #[test]
    fn an_entry_that_comes_after_a_later_one_is_left_out_until_that_is_acknowledged() {
        let (mut waiting, start) = (Unacknowledged::default(), Instant::now());
        let mut takes = |entries| waiting.takes(entries, 0, start, &patience());
        assert!(takes(Entries::one(id(1), 6)), "with a gap before it, which the device sees");
        assert!(!takes(Entries::one(id(1), 4)));
        assert!(takes(Entries::one(id(2), 4)), "of another conversation");
        assert!(takes(Entries::one(id(1), 6)), "a repeat reorders nothing");
        assert!(takes(Entries::one(id(1), 7)));
        let after = start + Duration::from_secs(3);
        let due = [waiting.take_due(after, &patience()), waiting.take_due(after, &patience())];
        let again = |number, seq| Some(Due::Again(id(number), seq));
        assert_eq!(due, [again(1, 3), again(2, 3)], "what was left out comes again, too");
        waiting.delivered(id(1), 7, after);
        assert!(waiting.takes(Entries::one(id(1), 4), 0, after, &patience()), "it has it anyway");
    }

    #[test]
    fn no_more_conversations_are_watched_than_the_bound() {
        let (mut waiting, start) = (Unacknowledged::default(), Instant::now());
        for number in 0..5 {
            waiting.pushed(Entries::one(id(number), 1), start, &patience());
        }
        assert_eq!(waiting.0.len(), 2);
    }
}
