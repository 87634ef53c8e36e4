//! Changes that wait to be told: one entry a user, however often they come and go.
//!
//! An entry remembers what others believe (`before`) and what is true now (`after`); when both are
//! the same again there is nothing to tell. Losing the last device waits for the grace time.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use platform::number::whole_ms;
use proto::id::UserId;

use super::announce::{Timing, timing};
use super::registration::{Change, Place};
use super::status::{Chosen, Standing};

/// What is to be told of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    pub user_id: UserId,
    /// What others believe.
    pub before: Standing,
    /// What is true.
    pub after: Standing,
    /// In Unix milliseconds; 0 when never seen.
    pub last_seen_ms: u64,
    /// Is not told itself.
    pub by: Option<Place>,
    /// What own devices believe.
    pub own_before: Standing,
    /// How the user stood when everybody had last been told. Unlike `before` it is never made up so that all are told again.
    pub seen_before: Standing,
    /// Some of the others may know it already, and some not.
    pub is_partly_told: bool,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It will be told, or there is nothing to tell.
    Taken,
    /// The user was back before anybody was told.
    Suppressed,
    /// The bound is reached: it will not be told.
    Dropped,
}

#[derive(Debug)]
struct Entry {
    before: Standing,
    after: Standing,
    last_seen_ms: u64,
    by: Option<Place>,
    own_before: Standing,
    seen_before: Standing,
    is_partly_told: bool,
    /// Set while it waits for the grace time.
    due_ms: Option<u64>,
}

/// What could not be told is told again after so long, or after the grace time where that is longer.
const AGAIN: Duration = Duration::from_millis(500);

impl Entry {
    /// What could not be told, to be told at a later time.
    fn again(told: Announcement, due_ms: u64) -> (UserId, Self) {
        let Announcement { before, after, last_seen_ms, by, .. } = told;
        let Announcement { own_before, seen_before, is_partly_told, .. } = told;
        let due_ms = Some(due_ms);
        let entry = Self {
            before,
            after,
            last_seen_ms,
            by,
            own_before,
            seen_before,
            is_partly_told,
            due_ms,
        };
        (told.user_id, entry)
    }

    fn announcement(self, user_id: UserId) -> Announcement {
        let Self {
            before, after, last_seen_ms, by, own_before, seen_before, is_partly_told, ..
        } = self;
        Announcement {
            user_id,
            before,
            after,
            last_seen_ms,
            by,
            own_before,
            seen_before,
            is_partly_told,
        }
    }

    /// Whether nothing is left to tell. Where some know of a change that is undone and some never heard of
    /// it, all are told what is true.
    fn is_back(&mut self) -> bool {
        if self.before != self.after {
            return false;
        }
        if self.is_partly_told {
            self.before.devices = u32::from(!self.after.is_visible());
            if self.before.chosen == Chosen::Invisible {
                self.before.chosen = Chosen::Online;
            }
        }
        self.before == self.after
    }
}

/// The waiting changes. The time is any clock that does not go back.
#[derive(Debug)]
pub struct Pending {
    grace: Duration,
    /// Most users.
    bound: usize,
    users: HashMap<UserId, Entry>,
    /// Both queues may name users whose entry has gone or moved: that is seen when they are taken.
    ready: VecDeque<UserId>,
    held: VecDeque<(u64, UserId)>,
}

impl Pending {
    /// Nothing waits. Of more than `bound` users the rest is not told.
    pub fn new(grace: Duration, bound: usize) -> Self {
        let (users, ready, held) = (HashMap::new(), VecDeque::new(), VecDeque::new());
        Self { grace, bound, users, ready, held }
    }

    /// How many users wait.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub fn add(&mut self, change: Change, now_ms: u64) -> Added {
        let timing = timing(&change, self.grace);
        let user_id = change.user_id;
        let Some(entry) = self.users.get_mut(&user_id) else {
            if timing == Timing::Never {
                return Added::Suppressed;
            }
            if change.before == change.after {
                return Added::Taken;
            }
            if self.users.len() >= self.bound {
                return Added::Dropped;
            }
            let due_ms = (timing == Timing::AfterGrace).then(|| self.due_ms(now_ms));
            let Change { before, after, last_seen_ms, by, .. } = change;
            self.queue(&user_id, due_ms);
            let entry = Entry {
                before,
                after,
                last_seen_ms,
                by,
                own_before: before,
                seen_before: before,
                is_partly_told: false,
                due_ms,
            };
            self.users.insert(user_id, entry);
            return Added::Taken;
        };
        let is_own_told = entry.own_before == entry.after;
        entry.after = change.after;
        entry.last_seen_ms = change.last_seen_ms;
        // Two connections did it: then both are told.
        entry.by = if is_own_told || entry.by == change.by { change.by } else { None };
        if entry.is_back() {
            self.users.remove(&user_id);
            return Added::Suppressed;
        }
        let was_held = entry.due_ms.is_some();
        let is_gone = entry.after.devices == 0;
        if was_held && (!is_gone || timing == Timing::Now) {
            entry.due_ms = None;
            self.queue(&user_id, None);
        } else if !was_held && timing == Timing::AfterGrace {
            let due_ms = Some(now_ms + whole_ms(self.grace));
            entry.due_ms = due_ms;
            self.queue(&user_id, due_ms);
        }
        Added::Taken
    }

    /// Takes back what could not be told to everybody, to be told later and with what changed meanwhile.
    pub fn put_back(&mut self, told: Announcement, now_ms: u64) -> Added {
        let due_ms = now_ms + whole_ms(self.grace.max(AGAIN));
        if let Some(entry) = self.users.get_mut(&told.user_id) {
            entry.before = told.before;
            entry.own_before = told.own_before;
            entry.seen_before = told.seen_before;
            entry.is_partly_told |= told.is_partly_told;
            if entry.is_back() {
                self.users.remove(&told.user_id);
                return Added::Suppressed;
            }
            return Added::Taken;
        }
        if self.users.len() >= self.bound {
            return Added::Dropped;
        }
        self.queue(&told.user_id, Some(due_ms));
        let (user_id, entry) = Entry::again(told, due_ms);
        self.users.insert(user_id, entry);
        Added::Taken
    }

    fn due_ms(&self, now_ms: u64) -> u64 {
        now_ms + whole_ms(self.grace)
    }

    fn queue(&mut self, user_id: &UserId, due_ms: Option<u64>) {
        match due_ms {
            Some(due_ms) => self.held.push_back((due_ms, user_id.clone())),
            None => self.ready.push_back(user_id.clone()),
        }
        // Users who flap leave outdated places behind; they must not outgrow the users.
        let most = self.bound.saturating_mul(2).max(16);
        let users = &self.users;
        if self.held.len() > most {
            self.held.retain(|(due_ms, user_id)| {
                users.get(user_id).is_some_and(|entry| entry.due_ms == Some(*due_ms))
            });
        }
        if self.ready.len() > most {
            self.ready
                .retain(|user_id| users.get(user_id).is_some_and(|entry| entry.due_ms.is_none()));
        }
    }

    /// When something can be taken, at the earliest.
    pub fn next_due_ms(&self) -> Option<u64> {
        if self.ready.is_empty() { self.held.front().map(|(due_ms, _)| *due_ms) } else { Some(0) }
    }

    /// Takes at most `most` users whose time has come, the longest waiting first.
    pub fn take(&mut self, now_ms: u64, most: usize) -> Vec<Announcement> {
        while let Some((due_ms, _)) = self.held.front()
            && *due_ms <= now_ms
        {
            self.release_front();
        }
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(user_id) = self.ready.pop_front()
        {
            if self.users.get(&user_id).is_none_or(|entry| entry.due_ms.is_some()) {
                continue;
            }
            if let Some(entry) = self.users.remove(&user_id) {
                taken.push(entry.announcement(user_id));
            }
        }
        taken
    }

    fn release_front(&mut self) {
        if let Some((due_ms, user_id)) = self.held.pop_front()
            && let Some(entry) = self.users.get_mut(&user_id)
            && entry.due_ms == Some(due_ms)
        {
            entry.due_ms = None;
            self.ready.push_back(user_id);
        }
    }

    /// Waits no longer for anybody's return: this replica is leaving.
    pub fn release_held(&mut self) {
        while !self.held.is_empty() {
            self.release_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::registration::Cause;
    use super::super::status::Chosen;
    use super::*;

    const GRACE: Duration = Duration::from_secs(2);

    fn change(user: &str, before: u32, after: u32, cause: Cause) -> Change {
        let standing = |devices| Standing { devices, chosen: Chosen::Online };
        Change {
            user_id: UserId::parse_qualified(user).unwrap(),
            before: standing(before),
            after: standing(after),
            last_seen_ms: 0,
            cause,
            by: None,
            replaced: Vec::new(),
        }
    }

    fn came(user: &str, before: u32) -> Change {
        change(user, before, before + 1, Cause::Connected { offline_ms: None, is_anew: false })
    }

    fn left(user: &str, before: u32) -> Change {
        change(user, before, before - 1, Cause::Disconnected)
    }

    fn taken(pending: &mut Pending, now_ms: u64) -> Vec<(String, u32, u32)> {
        pending
            .take(now_ms, 100)
            .into_iter()
            .map(|told| (told.user_id.to_string(), told.before.devices, told.after.devices))
            .collect()
    }

    #[test]
    fn who_comes_is_told_at_once_and_who_goes_after_the_grace_time() {
        let mut pending = Pending::new(GRACE, 10);
        pending.add(came("ann", 0), 0);
        pending.add(left("bob", 1), 100);
        assert_eq!(pending.next_due_ms(), Some(0));
        assert_eq!(taken(&mut pending, 100), [("ann".to_owned(), 0, 1)]);
        assert_eq!(pending.next_due_ms(), Some(2_100));
        assert!(taken(&mut pending, 2_099).is_empty());
        assert_eq!(taken(&mut pending, 2_100), [("bob".to_owned(), 1, 0)]);
        assert!(pending.is_empty());
    }

    #[test]
    fn a_flap_is_never_told() {
        let mut pending = Pending::new(GRACE, 10);
        for round in 0..100 {
            pending.add(left("bob", 1), round);
            assert_eq!(pending.add(came("bob", 0), round), Added::Suppressed);
        }
        assert!(taken(&mut pending, 100_000).is_empty());
    }

    #[test]
    fn who_leaves_again_after_a_flap_gets_the_whole_grace_time() {
        let mut pending = Pending::new(GRACE, 10);
        pending.add(left("bob", 1), 0);
        pending.add(came("bob", 0), 500);
        pending.add(left("bob", 1), 1_000);
        assert!(taken(&mut pending, 2_500).is_empty());
        assert_eq!(taken(&mut pending, 3_000), [("bob".to_owned(), 1, 0)]);
    }

    #[test]
    fn several_changes_of_a_user_are_told_as_one() {
        let mut pending = Pending::new(GRACE, 10);
        pending.add(came("ann", 0), 0);
        pending.add(came("ann", 1), 0);
        assert_eq!(taken(&mut pending, 0), [("ann".to_owned(), 0, 2)]);
    }

    #[test]
    fn who_comes_and_goes_before_anybody_was_told_is_not_mentioned() {
        let mut pending = Pending::new(GRACE, 10);
        pending.add(came("ann", 0), 0);
        assert_eq!(pending.add(left("ann", 1), 0), Added::Suppressed);
        assert!(taken(&mut pending, 100_000).is_empty());
    }

    #[test]
    fn users_beyond_the_bound_are_dropped_and_flapping_does_not_fill_the_queues() {
        let mut pending = Pending::new(GRACE, 1);
        pending.add(came("ann", 0), 0);
        assert_eq!(pending.add(came("bob", 0), 0), Added::Dropped);
        for _ in 0..1_000 {
            pending.add(left("ann", 1), 0);
            pending.add(left("ann", 1), 0);
            pending.add(came("ann", 0), 0);
        }
        assert!(pending.held.len() <= 17 && pending.ready.len() <= 17);
    }

    #[test]
    fn a_replica_that_leaves_tells_what_it_holds() {
        let mut pending = Pending::new(GRACE, 10);
        pending.add(left("bob", 1), 0);
        pending.release_held();
        assert_eq!(taken(&mut pending, 0), [("bob".to_owned(), 1, 0)]);
    }

    #[test]
    fn what_is_put_back_is_told_later_with_what_changed_meanwhile() {
        let mut pending = Pending::new(GRACE, 10);
        pending.add(came("ann", 0), 0);
        let told = pending.take(0, 10).remove(0);
        pending.put_back(told.clone(), 0);
        assert_eq!(taken(&mut pending, 2_000), [("ann".to_owned(), 0, 1)]);
        pending.add(came("ann", 1), 3_000);
        assert_eq!(pending.put_back(told.clone(), 3_000), Added::Taken);
        assert_eq!(taken(&mut pending, 3_000), [("ann".to_owned(), 0, 2)]);
        pending.put_back(told, 4_000);
        assert_eq!(pending.add(left("ann", 1), 4_001), Added::Suppressed, "nobody heard of it");
        assert!(taken(&mut pending, 100_000).is_empty());
    }

    #[test]
    fn what_some_heard_and_some_did_not_is_told_to_all_when_it_is_undone() {
        let mut pending = Pending::new(GRACE, 10);
        pending.add(came("ann", 0), 0);
        let mut told = pending.take(0, 10).remove(0);
        told.is_partly_told = true;
        pending.put_back(told, 0);
        assert_eq!(pending.add(left("ann", 1), 1), Added::Taken);
        let told = pending.take(100_000, 10).remove(0);
        assert_eq!((told.before.devices, told.after.devices), (1, 0));
        assert_eq!(told.seen_before.devices, 0, "nobody was told all of it before");
    }
}
