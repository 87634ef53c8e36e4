//! Asks open connections to connect anew while this gateway has more than its share: a few at a time, those that have
//! been here longest first, so that nobody is asked twice before everybody was asked once.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use platform::shutdown::Shutdown;
use tokio::time::{Instant, MissedTickBehavior};

use super::Balance;
use super::plan::Shedding;
use crate::connections::Registry;
use crate::metrics::GatewayMetrics;

/// From one look to the next.
const STEP: Duration = Duration::from_millis(250);
/// Connections that are looked up at once, in those that a step asks.
const AHEAD: usize = 40;

/// The task.
pub(crate) struct Mover {
    pub(crate) balance: Arc<Balance>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: GatewayMetrics,
    /// Of the process: a gateway that leaves asks everybody.
    pub(crate) shutdown: Shutdown,
}

impl Mover {
    /// Runs until stopping begins.
    pub(crate) async fn run(self) {
        let config = self.balance.config.clone();
        if config.percent_a_minute == 0 {
            return;
        }
        // One heartbeat here, one there, and the way of the client.
        let mut shedding = Shedding::new(config, self.balance.fresh);
        let (mut asked, mut next) = (HashSet::new(), VecDeque::new());
        let mut steps = tokio::time::interval(STEP);
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = steps.tick() => {}
                () = self.shutdown.begun() => return,
            }
            let now = Instant::now();
            asked.retain(|number| self.registry.get(*number).is_some());
            let view = self.balance.view(asked.len() as u64, now);
            let count = shedding.step(view.as_ref(), now);
            if count == 0 {
                continue;
            }
            self.ask(count as usize, &mut asked, &mut next, now);
        }
    }

    fn ask(&self, count: usize, asked: &mut HashSet<u64>, next: &mut VecDeque<u64>, now: Instant) {
        let mut left = count;
        let mut is_looked_up = false;
        while left > 0 {
            let Some(number) = next.pop_front() else {
                if std::mem::replace(&mut is_looked_up, true) {
                    return;
                }
                next.extend(self.registry.oldest(asked.len() + count * AHEAD));
                continue;
            };
            let Some(connection) = self.registry.get(number).filter(|_| asked.insert(number))
            else {
                continue;
            };
            connection.is_to_move.store(true, Ordering::Relaxed);
            self.balance.asks(connection.user_hash, now);
            connection.outbox.nudge();
            self.metrics.rebalanced.inc();
            left -= 1;
        }
    }
}
