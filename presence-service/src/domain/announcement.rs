//! Which changes are told: flaps shorter than the grace time are not.

use std::collections::HashMap;

use proto::id::UserId;

use super::device::Change;

/// What is told of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The first device came.
    UserOnline,
    /// The last device went.
    UserOffline,
    /// A further device came.
    DeviceConnected,
    /// One of several devices went.
    DeviceDisconnected,
    /// The state was set by hand.
    StatusChanged,
}

impl Event {
    /// As it stands in frames.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserOnline => "user_online",
            Self::UserOffline => "user_offline",
            Self::DeviceConnected => "device_connected",
            Self::DeviceDisconnected => "device_disconnected",
            Self::StatusChanged => "status_changed",
        }
    }

    /// The event between two counts of devices.
    pub fn between(before: u32, after: u32) -> Option<Self> {
        match (before, after) {
            (0, 0) => None,
            (0, _) => Some(Self::UserOnline),
            (_, 0) => Some(Self::UserOffline),
            (before, after) if after > before => Some(Self::DeviceConnected),
            (before, after) if after < before => Some(Self::DeviceDisconnected),
            _ => None,
        }
    }
}

/// Changes that wait for their time. Time is any growing number of milliseconds.
#[derive(Debug)]
pub struct Pending {
    grace_ms: u64,
    users: HashMap<UserId, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    before: u32,
    after: u32,
    due_ms: u64,
}

impl Pending {
    /// Whoever is back within `grace_ms` was never away.
    pub fn new(grace_ms: u64) -> Self {
        Self { grace_ms, users: HashMap::new() }
    }

    /// Adds a change. The last device going waits for the grace time, anything else is due now.
    pub fn add(&mut self, change: Change, now_ms: u64) {
        let waiting = self.users.entry(change.user_id).or_insert(Waiting {
            before: change.before,
            after: change.before,
            due_ms: now_ms,
        });
        waiting.after = change.after;
        waiting.due_ms = if change.after == 0 { now_ms + self.grace_ms } else { now_ms };
    }

    /// What is due, each user once.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<(UserId, Event)> {
        let due: Vec<UserId> = self
            .users
            .iter()
            .filter(|(_, waiting)| waiting.due_ms <= now_ms)
            .map(|(user, _)| user.clone())
            .collect();
        due.into_iter()
            .filter_map(|user| {
                let waiting = self.users.remove(&user)?;
                Some((user, Event::between(waiting.before, waiting.after)?))
            })
            .collect()
    }

    /// When the next one is due.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.users.values().map(|waiting| waiting.due_ms).min()
    }

    /// How many users wait.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// True when nobody waits.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> UserId {
        UserId::parse("ann").unwrap()
    }

    fn change(before: u32, after: u32) -> Change {
        Change { user_id: user(), before, after, replaced: None }
    }

    #[test]
    fn the_first_device_is_told_at_once_and_the_last_after_the_grace_time() {
        let mut pending = Pending::new(1_000);
        pending.add(change(0, 1), 5);
        assert_eq!(pending.take_due(5), [(user(), Event::UserOnline)]);
        pending.add(change(1, 0), 10);
        assert_eq!(pending.take_due(1_009), []);
        assert_eq!(pending.next_due_ms(), Some(1_010));
        assert_eq!(pending.take_due(1_010), [(user(), Event::UserOffline)]);
    }

    #[test]
    fn whoever_is_back_within_the_grace_time_was_never_away() {
        let mut pending = Pending::new(1_000);
        pending.add(change(1, 0), 0);
        pending.add(change(0, 1), 900);
        assert_eq!(pending.take_due(900), []);
        assert!(pending.is_empty());
    }

    #[test]
    fn further_devices_are_told_as_devices() {
        let mut pending = Pending::new(1_000);
        pending.add(change(1, 2), 0);
        assert_eq!(pending.take_due(0), [(user(), Event::DeviceConnected)]);
        pending.add(change(2, 1), 0);
        assert_eq!(pending.take_due(0), [(user(), Event::DeviceDisconnected)]);
    }
}
