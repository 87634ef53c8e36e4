//! The follower `push`: takes pages of the tail, waits with what members may still receive by themselves, and decides who is
//! told. Up to where everything is done is before the oldest of what is not decided or not answered by a provider.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::hourly::Hourly;
use super::parts::Parts;
use super::told::{News, key, news};
use super::wheel::Wheel;
use super::{edited, round, taken_back};
use crate::followers::{Follower, WorkError};
use crate::store::tail::{Need, Position, TailPage};

/// Names its cursor. Never changes.
const NAME: &str = "push";
/// Conversations that are decided with one look into the store.
const AT_ONCE: usize = 100;
/// Rounds of one call, so that the lease is renewed in between.
const ROUNDS: usize = 20;
/// After an error of the store, and while too much waits.
const AGAIN: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct PushFollower {
    parts: Parts,
    state: Mutex<State>,
    /// How many conversations wait.
    waiting: AtomicUsize,
}

/// What is remembered while this process has the follower.
struct State {
    /// All up to here was given to it.
    read: Position,
    wheel: Wheel,
    hourly: Hourly,
}

impl PushFollower {
    pub(super) fn new(parts: Parts) -> Self {
        let hourly = Hourly::new(parts.push.config.per_hour);
        let state = State { read: Position::default(), wheel: Wheel::default(), hourly };
        Self { parts, state: Mutex::new(state), waiting: AtomicUsize::new(0) }
    }

    /// Decides what is due; up to where everything is done.
    async fn decide(&self, state: &mut State) -> Position {
        for _ in 0..ROUNDS {
            let due = state.wheel.due(self.parts.now().ms, AT_ONCE);
            if due.is_empty() {
                break;
            }
            match round::run(&self.parts, &mut state.hourly, &due).await {
                Ok(later) => {
                    for (waiting, until_ms, from_seq) in later {
                        state.wheel.again(waiting, until_ms, from_seq);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "pushes are decided later");
                    let later_ms = self.parts.now().ms + AGAIN.as_millis() as u64;
                    for waiting in due {
                        state.wheel.put_back(waiting, later_ms);
                    }
                    break;
                }
            }
        }
        self.waiting.store(state.wheel.len(), Ordering::Relaxed);
        self.parts.metrics.waiting(state.wheel.len());
        let held = [state.wheel.oldest(), self.parts.underway.oldest()].into_iter().flatten().min();
        held.map_or(state.read, |held| Position(held.0.saturating_sub(1)).min(state.read))
    }
}

#[async_trait]
impl Follower for PushFollower {
    fn name(&self) -> &str {
        NAME
    }

    fn kind(&self) -> &'static str {
        NAME
    }

    /// Without a device there is nobody to tell.
    fn need(&self) -> Option<Need> {
        Some(Need { table: "push_devices" })
    }

    fn begin(&self, from: Position) {
        self.parts.is_owner.store(true, Ordering::Relaxed);
        // Nobody works now: a call of before has ended.
        if let Ok(mut state) = self.state.try_lock() {
            (state.read, state.wheel) = (from, Wheel::default());
        }
    }

    async fn end(&self) {
        self.parts.is_owner.store(false, Ordering::Relaxed);
    }

    fn pause(&self) -> Option<Duration> {
        let most = self.parts.push.config.waiting_conversations;
        (self.waiting.load(Ordering::Relaxed) >= most).then_some(AGAIN)
    }

    async fn work(&self, page: &TailPage) -> Result<Position, WorkError> {
        let mut state = self.state.lock().await;
        let now = self.parts.now();
        let kept_ms = u64::from(self.parts.push.config.ttl_secs).saturating_mul(1_000);
        let oldest_ms = now.wall_ms.saturating_sub(kept_ms);
        for row in &page.rows {
            match news(row, now.wall_ms, oldest_ms, now.ms) {
                News::Told(told) => state.wheel.add(key(row), *told),
                News::Edited(edit) => {
                    let told = edited::told(&self.parts, row, edit).await;
                    let told = told.map_err(|error| WorkError::Unavailable(error.to_string()))?;
                    if let Some(told) = told {
                        state.wheel.add(key(row), told);
                    }
                }
                News::Deleted(seqs) => {
                    for seq in &seqs {
                        state.wheel.forget(key(row), *seq);
                    }
                    taken_back::deleted(&self.parts, key(row), &seqs).await;
                }
                News::Nothing => {}
            }
        }
        state.read = page.next;
        Ok(self.decide(&mut state).await)
    }

    async fn due(&self) -> Result<Option<Position>, WorkError> {
        let mut state = self.state.lock().await;
        Ok(Some(self.decide(&mut state).await))
    }
}
