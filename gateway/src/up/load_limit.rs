//! How many requests of all connections may await their answer: as many as are answered in time. What comes
//! beyond is refused at once, with the time after which to ask again. So when clients ask for more than the
//! services can do, only the refused clients lose time: without a limit, queues grow until every answer
//! comes later than the client's next attempt. Each partition has its own limit: one that stops delays no
//! other. No I/O.
//!
//! The limit follows what is seen: a little more with each answer in time while there is use for more, three
//! tenths less when answers are late (additive increase, multiplicative decrease, as TCP and
//! <https://github.com/Netflix/concurrency-limits>).

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use proto::id::ConversationId;
use proto::partition::{self, Partition};

use crate::limits::LimitsConfig;

/// What a late answer leaves of the limit.
const LESS: f64 = 0.7;
/// What a limit's worth of answers in time adds.
const MORE: f64 = 8.0;
/// So many may always wait, unless the configuration says fewer: a pause of some seconds is no overload.
const FEWEST: f64 = 128.0;
/// Over which it is counted how many are refused.
const WINDOW: Duration = Duration::from_secs(1);

/// The requests that await their answer.
#[derive(Debug)]
pub(crate) struct LoadLimit {
    bounds: Bounds,
    /// Shows the limit.
    shown: Gauge,
    /// Of each partition.
    states: Vec<Mutex<State>>,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// In a partition.
    most: f64,
    fewest: f64,
    /// An answer that takes longer is late.
    target: Duration,
    retry: Duration,
    longest_retry: Duration,
}

#[derive(Debug)]
struct State {
    awaiting: usize,
    limit: f64,
    /// When it was decreased last: late answers to requests from before do not decrease it again.
    decreased_at: Option<Instant>,
    window_began: Option<Instant>,
    present: Counts,
    last: Counts,
}

/// Of one window.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    admitted: f64,
    refused: f64,
}

/// One that awaits its answer, until this is dropped.
#[derive(Debug)]
pub(crate) struct Awaiting {
    /// None when it has ended.
    load_limit: Option<Arc<LoadLimit>>,
    partition: Partition,
    since: Instant,
}

impl LoadLimit {
    pub(crate) fn new(limits: &LimitsConfig, partitions: Partition, shown: Gauge) -> Self {
        let partitions = usize::from(partitions.max(1));
        let most = limits.unanswered.div_ceil(partitions).max(1) as f64;
        let bounds = Bounds {
            most,
            fewest: FEWEST.min(most),
            target: Duration::from_millis(limits.answer_target_ms.max(1)),
            retry: Duration::from_millis(limits.retry_after_ms),
            longest_retry: Duration::from_millis(
                limits.longest_retry_after_ms.max(limits.retry_after_ms),
            ),
        };
        let state = || State {
            awaiting: 0,
            limit: most,
            decreased_at: None,
            window_began: None,
            present: Counts::default(),
            last: Counts::default(),
        };
        shown.set(most as i64 * partitions as i64);
        let states = (0..partitions).map(|_| Mutex::new(state())).collect();
        Self { bounds, shown, states }
    }

    /// One more about a conversation, or when it is to come again.
    pub(crate) fn admit(
        self: &Arc<Self>,
        id: ConversationId,
        now: Instant,
    ) -> Result<Awaiting, Duration> {
        let partition = partition::of_conversation(id, self.states.len() as Partition);
        let mut state = self.state(partition).lock();
        state.turn(now);
        if state.awaiting as f64 >= state.limit {
            state.present.refused += 1.0;
            return Err(self.bounds.retry_after(state.last, state.present));
        }
        state.present.admitted += 1.0;
        state.awaiting += 1;
        Ok(Awaiting { load_limit: Some(Arc::clone(self)), partition, since: now })
    }

    fn state(&self, partition: Partition) -> &Mutex<State> {
        // Partitions are counted from 0 to below their number.
        &self.states[usize::from(partition)]
    }

    fn ended(&self, partition: Partition, since: Instant, is_answered: bool, now: Instant) {
        let mut state = self.state(partition).lock();
        let before = state.limit;
        let had = state.awaiting;
        state.awaiting = had.saturating_sub(1);
        let took = now.saturating_duration_since(since);
        if took > self.bounds.target {
            // Requests from before the last decrease do not show its effect.
            if state.decreased_at.is_none_or(|at| since >= at) {
                state.limit = (state.limit.min(had as f64) * LESS).max(self.bounds.fewest);
                state.decreased_at = Some(now);
            }
        } else if is_answered && had as f64 * 2.0 >= state.limit {
            state.limit = (state.limit + MORE / state.limit).min(self.bounds.most);
        }
        self.shown.inc_by(state.limit as i64 - before as i64);
    }
}

impl State {
    fn turn(&mut self, now: Instant) {
        let age = self.window_began.map(|began| now.saturating_duration_since(began));
        if age.is_none_or(|age| age >= WINDOW) {
            // After a quiet time what was before it says nothing.
            let is_next = age.is_some_and(|age| age < WINDOW * 2);
            self.last = if is_next { self.present } else { Counts::default() };
            self.present = Counts::default();
            self.window_began = Some(now);
        }
    }
}

impl Bounds {
    /// The retry delay grows with the ratio of refused to admitted requests.
    fn retry_after(&self, last: Counts, present: Counts) -> Duration {
        let refused = last.refused + present.refused;
        let admitted = (last.admitted + present.admitted).max(1.0);
        self.retry.mul_f64(1.0 + refused / admitted).min(self.longest_retry)
    }
}

impl Awaiting {
    /// When it began.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Its answer is there.
    pub(crate) fn answered(mut self) {
        self.end(true, Instant::now());
    }

    fn end(&mut self, is_answered: bool, now: Instant) {
        if let Some(load_limit) = self.load_limit.take() {
            load_limit.ended(self.partition, self.since, is_answered, now);
        }
    }
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        self.end(false, Instant::now());
    }
}
