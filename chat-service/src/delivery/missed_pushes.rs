//! Users who may have missed a push, and answers whose gateway was not there. Must not look anybody up: see `catch_up`.
//!
//! Keeps no entries: the log has them. Answers are the one thing that the log does not repeat by
//! itself, so the last of them are kept for a moment and follow their connection to its gateway's next
//! incarnation.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use proto::bus::Push;
use proto::id::UserId;
use tokio::sync::Notify;

/// Users of one look-up.
const CHUNK: usize = 500;
/// An answer older than this is not waited for any more: the gateway has said that it is unknown.
const ANSWER_LIFE: Duration = Duration::from_secs(10);

/// An answer whose gateway was not there.
#[derive(Debug)]
pub(super) struct LostAnswer {
    pub(super) user_id: UserId,
    /// The connection that waits for it.
    pub(super) connection: u64,
    /// The push as it was.
    pub(super) push: Push,
}

/// Lost answers, each with the moment when it was lost.
pub(super) type Kept = Vec<(Instant, LostAnswer)>;

/// Bounded by `lanes.missed_push_users`.
#[derive(Debug, Default)]
pub(crate) struct MissedPushes {
    pending: Mutex<Pending>,
    changed: Notify,
    /// Presence does not answer: batches do not wait for it, one task asks until it does.
    is_directory_away: AtomicBool,
    max_users: usize,
}

#[derive(Debug, Default)]
struct Pending {
    users: BTreeSet<UserId>,
    answers: VecDeque<(Instant, LostAnswer)>,
}

impl MissedPushes {
    /// Remembers at most so many users, and as many answers.
    pub(crate) fn new(max_users: usize) -> Self {
        Self { max_users, ..Self::default() }
    }

    /// Remembers; the number of those for whom there was no room. They find out by their own ping.
    pub(super) fn add(
        &self,
        users: impl IntoIterator<Item = UserId>,
        answers: impl IntoIterator<Item = LostAnswer>,
    ) -> usize {
        let mut pending = self.pending.lock();
        let mut dropped = 0;
        for user in users {
            if pending.users.len() < self.max_users || pending.users.contains(&user) {
                pending.users.insert(user);
            } else {
                dropped += 1;
            }
        }
        let now = Instant::now();
        pending.answers.extend(answers.into_iter().map(|answer| (now, answer)));
        while pending.answers.len() > self.max_users {
            pending.answers.pop_front();
        }
        drop(pending);
        self.changed.notify_one();
        dropped
    }

    /// False while presence does not answer.
    pub(super) fn is_directory_up(&self) -> bool {
        !self.is_directory_away.load(Ordering::Relaxed)
    }

    /// Presence answers again.
    pub(super) fn directory_is_back(&self) {
        self.is_directory_away.store(false, Ordering::Relaxed);
    }

    /// Whether answers are kept.
    pub(super) fn has_answers(&self) -> bool {
        !self.pending.lock().answers.is_empty()
    }

    /// Resolves when there may be something to do.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Presence did not answer.
    pub(super) fn directory_is_away(&self) {
        self.is_directory_away.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Nothing is to be done.
    pub(super) fn is_idle(&self) -> bool {
        let pending = self.pending.lock();
        self.is_directory_up() && pending.users.is_empty() && pending.answers.is_empty()
    }

    /// Some of the users, and all answers that are still waited for.
    pub(super) fn take(&self) -> (Vec<UserId>, Kept) {
        let mut pending = self.pending.lock();
        let mut users = Vec::new();
        while users.len() < CHUNK
            && let Some(user) = pending.users.pop_first()
        {
            users.push(user);
        }
        pending.answers.retain(|(since, _)| since.elapsed() < ANSWER_LIFE);
        let answers = pending.answers.drain(..).collect();
        (users, answers)
    }

    /// Keeps answers whose connections were not found yet.
    pub(super) fn put_back(&self, answers: Kept) {
        let mut pending = self.pending.lock();
        pending.answers.extend(answers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::parse_qualified(name).unwrap()
    }

    #[test]
    fn more_than_the_bound_is_not_remembered_and_said_so() {
        let missed = MissedPushes::new(2);
        assert_eq!(missed.add(["ann", "bob", "ann", "cleo"].map(user), []), 1);
        let (users, _) = missed.take();
        assert_eq!(users, ["ann", "bob"].map(user));
        assert!(missed.is_idle());
    }
}
