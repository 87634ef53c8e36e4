//! What the loop of a follower and the worker that delivers know of each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::steady_ms;
use crate::store::tail::Position;

/// Of one webhook, while this process has it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    done: AtomicU64,
    paused_until_ms: AtomicU64,
}

impl Progress {
    pub(super) fn from(position: Position) -> Self {
        Self { done: AtomicU64::new(position.0), ..Self::default() }
    }

    /// All up to here was delivered, or is held by a row.
    pub(super) fn done(&self) -> Position {
        Position(self.done.load(Ordering::Acquire))
    }

    pub(super) fn set_done(&self, position: Position) {
        self.done.fetch_max(position.0, Ordering::AcqRel);
    }

    /// Nothing is sent before this, by the clock that is not set.
    pub(super) fn pause_until(&self, ms: u64) {
        self.paused_until_ms.store(ms, Ordering::Release);
    }

    /// For how long nothing is sent.
    pub(super) fn pause(&self) -> Option<Duration> {
        let left = self.paused_until_ms.load(Ordering::Acquire).saturating_sub(steady_ms());
        (left > 0).then(|| Duration::from_millis(left))
    }
}
