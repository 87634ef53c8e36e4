//! What the failures of a receiver mean: whether one conversation waits, all wait, or nobody is there any more. Pure.

use std::collections::HashSet;

use proto::id::ConversationId;

use crate::domain::webhook::{LastError, delay_ms};

/// Distinct conversations that fail without a success between, after which it is the receiver that fails.
const DISTINCT: usize = 3;
/// Errors that are shown.
const SHOWN: usize = 10;

/// How the receiver of a webhook is.
#[derive(Debug, Clone, Default)]
pub(super) struct Retries {
    pub(super) schedule_ms: Vec<u64>,
    /// The conversations that failed since the last success: at most [`DISTINCT`].
    failed: HashSet<ConversationId>,
    /// How often in a row all had to wait.
    pub(super) attempt: u32,
    pub(super) next_at_ms: u64,
    pub(super) failing_since_ms: Option<u64>,
    /// The newest first.
    pub(super) last_errors: Vec<LastError>,
}

impl Retries {
    /// As it was kept, maybe by another process, whose clock may have been wrong.
    pub(super) fn new(
        schedule_secs: &[u64],
        (attempt, next_at_ms): (u32, u64),
        failing_since_ms: Option<u64>,
        last_errors: Vec<LastError>,
        now_ms: u64,
    ) -> Self {
        let schedule_ms = schedule_secs.iter().map(|secs| secs.saturating_mul(1_000)).collect();
        let mut retries = Self {
            schedule_ms,
            failed: HashSet::new(),
            attempt,
            next_at_ms,
            failing_since_ms,
            last_errors,
        };
        retries.next_at_ms = retries.soon(next_at_ms, attempt, now_ms);
        retries
    }

    /// A time that was kept, but no later than it can be after so many attempts: a receiver that wanted more is tried too early
    /// once.
    pub(super) fn soon(&self, kept_ms: u64, attempt: u32, now_ms: u64) -> u64 {
        let most = self.delay(attempt, None, 1.0).unwrap_or_default();
        kept_ms.min(now_ms.saturating_add(most))
    }

    /// Something was taken. Whether there had been failures.
    pub(super) fn succeeded(&mut self) -> bool {
        let was_failing = self.attempt > 0 || self.failing_since_ms.is_some();
        self.failed.clear();
        (self.attempt, self.next_at_ms, self.failing_since_ms) = (0, 0, None);
        was_failing
    }

    /// Something of a conversation was not taken.
    pub(super) fn failed(&mut self, id: ConversationId, error: &str, now_ms: u64) {
        if self.failed.len() < DISTINCT {
            self.failed.insert(id);
        }
        self.failing_since_ms.get_or_insert(now_ms);
        self.last_errors.insert(0, LastError { at: now_ms, error: error.to_owned() });
        self.last_errors.truncate(SHOWN);
    }

    /// It is the receiver that fails, not a conversation.
    pub(super) fn is_receiver_failing(&self) -> bool {
        self.failed.len() >= DISTINCT || (self.attempt > 0 && !self.failed.is_empty())
    }

    /// All wait. After the last delay the same again: a receiver that never answers is disabled by time.
    pub(super) fn pause(&mut self, wanted_ms: Option<u64>, chance: f64, now_ms: u64) {
        let most = u32::try_from(self.schedule_ms.len()).unwrap_or(u32::MAX).max(1);
        self.attempt = (self.attempt + 1).min(most);
        let delay = self.delay(self.attempt, wanted_ms, chance).unwrap_or_default();
        self.next_at_ms = now_ms + delay;
    }

    /// When something that failed `attempt` times is tried again; `None`: never.
    pub(super) fn delay(&self, attempt: u32, wanted_ms: Option<u64>, chance: f64) -> Option<u64> {
        delay_ms(&self.schedule_ms, attempt, wanted_ms, chance)
    }

    /// Only one delivery is tried: all waited before.
    pub(super) fn is_probing(&self) -> bool {
        self.attempt > 0
    }

    pub(super) fn is_paused(&self, now_ms: u64) -> bool {
        self.next_at_ms > now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(number: u128) -> ConversationId {
        ConversationId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn three_conversations_that_fail_are_the_receivers_fault_and_a_success_ends_it() {
        let mut retries = Retries::new(&[5, 60], (0, 0), None, Vec::new(), 0);
        for (id, now) in [(1, 10), (2, 20)] {
            retries.failed(conversation(id), "no", now);
            assert!(!retries.is_receiver_failing());
        }
        assert!(retries.succeeded(), "it had failed");
        assert!(!retries.succeeded());
        for (id, now) in [(1, 30), (2, 40), (3, 50)] {
            retries.failed(conversation(id), "no", now);
        }
        assert!(retries.is_receiver_failing());
        retries.pause(None, 0.5, 50);
        assert_eq!((retries.next_at_ms, retries.failing_since_ms), (5_050, Some(30)));
        assert!(retries.is_paused(5_049) && !retries.is_paused(5_050) && retries.is_probing());
        for expected in [60_000, 60_000] {
            retries.failed(conversation(1), "no", 6_000);
            assert!(retries.is_receiver_failing(), "one is enough for a probe");
            retries.pause(None, 0.5, 6_000);
            assert_eq!(retries.next_at_ms, 6_000 + expected);
        }
        assert!(retries.succeeded());
        assert!(!retries.is_probing() && !retries.is_paused(0));
        assert_eq!(retries.last_errors.len(), 7);
    }

    #[test]
    fn what_a_process_with_a_wrong_clock_kept_does_not_make_others_wait_for_days() {
        let days_ms = 3 * 86_400_000;
        let kept = |next_at, now| {
            Retries::new(&[5, 60], (2, next_at), Some(1), Vec::new(), now).next_at_ms
        };
        assert_eq!(kept(days_ms, 1_000), 1_000 + 72_000, "a delay, and a fifth");
        assert_eq!(kept(40_000, 1_000), 40_000);
        let retries = Retries::new(&[5, 60], (0, 0), None, Vec::new(), 0);
        assert_eq!(retries.soon(days_ms, 0, 1_000), 1_000, "nothing has failed yet");
        assert_eq!(retries.soon(days_ms, 1, 1_000), 7_000);
    }

    #[test]
    fn one_conversation_that_fails_again_and_again_is_not_the_receivers_fault() {
        let mut retries = Retries::new(&[5], (0, 0), None, Vec::new(), 0);
        for now in 0..20 {
            retries.failed(conversation(1), "no", now);
        }
        assert!(!retries.is_receiver_failing());
    }
}
