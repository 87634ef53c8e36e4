//! How many connections a gateway is to move, and when: plain functions, the time is an argument.
//!
//! A gateway begins above `above_percent` of the mean and stops at the mean. What it has moved lately counts as carried
//! by others although they have not said so yet: so it stops early rather than late, and nobody ends below the mean
//! because of it. Of its own connections it counts the fewest that it had while the others may have counted theirs: where
//! many come everywhere at once, it has no more than they have.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::config::RebalanceConfig;

/// What another gateway carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) connections: u64,
    /// Further connections are let in there.
    pub(crate) takes: bool,
}

/// What all gateways carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) own: u64,
    pub(crate) others: Vec<Carried>,
}

impl View {
    /// What each would carry if all carried the same, rounded up, when so many more are on their way.
    fn mean(&self, on_their_way: u64) -> u64 {
        let others: u64 = self.others.iter().map(|it| it.connections).sum();
        (self.own + others + on_their_way).div_ceil(self.others.len() as u64 + 1)
    }

    /// How many connections this gateway has beyond the mean, as far as there is room for them elsewhere.
    fn excess(&self, on_their_way: u64) -> u64 {
        let mean = self.mean(on_their_way);
        let takers = self.others.iter().filter(|it| it.takes);
        let room: u64 = takers.map(|it| mean.saturating_sub(it.connections)).sum();
        self.own.saturating_sub(mean).min(room.saturating_sub(on_their_way))
    }

    /// Whether this gateway has too many connections.
    pub(crate) fn is_overfull(&self, config: &RebalanceConfig) -> bool {
        let mean = self.mean(0);
        self.own * 100 > mean * u64::from(config.above_percent.max(100))
            && self.own - mean >= u64::from(config.least_excess)
            && self.excess(0) > 0
    }
}

/// What is asked of connections, step by step.
#[derive(Debug)]
pub(crate) struct Shedding {
    config: RebalanceConfig,
    /// How long it may take until another gateway counts what was moved.
    counted_after: Duration,
    /// Connections a second; none while nothing is moved.
    rate: Option<f64>,
    credit: f64,
    stepped_at: Option<Instant>,
    /// How many there were here, since what others carry is known.
    own: VecDeque<(Instant, u64)>,
    /// When how many were asked.
    lately: VecDeque<(Instant, u64)>,
}

impl Shedding {
    pub(crate) fn new(config: RebalanceConfig, counted_after: Duration) -> Self {
        Self {
            config,
            counted_after,
            rate: None,
            credit: 0.0,
            stepped_at: None,
            own: VecDeque::new(),
            lately: VecDeque::new(),
        }
    }

    /// How many connections are to be asked now. `view` is none while nothing may be moved; its own connections are
    /// those that have not been asked yet.
    pub(crate) fn step(&mut self, view: Option<&View>, now: Instant) -> u64 {
        if view.is_none() {
            self.own.clear();
        }
        let passed = self.stepped_at.replace(now).map_or(Duration::ZERO, |before| now - before);
        while self.lately.front().is_some_and(|(at, _)| *at + self.counted_after < now) {
            self.lately.pop_front();
        }
        let view = view.and_then(|view| self.cautious(view, now));
        let on_their_way: u64 = self.lately.iter().map(|(_, count)| count).sum();
        let excess = view.as_ref().map_or(0, |view| view.excess(on_their_way));
        if self.rate.is_none()
            && let Some(view) = view.filter(|view| view.is_overfull(&self.config))
        {
            let a_minute = view.own as f64 * f64::from(self.config.percent_a_minute) / 100.0;
            self.rate = Some(a_minute / 60.0);
        }
        let Some(rate) = self.rate.filter(|_| excess > 0) else {
            (self.rate, self.credit) = (None, 0.0);
            return 0;
        };
        // A step that comes late makes no burst.
        self.credit = (self.credit + rate * passed.as_secs_f64()).min(rate.max(1.0));
        let count = (self.credit as u64).min(excess);
        self.credit -= count as f64;
        if count > 0 {
            self.lately.push_back((now, count));
        }
        count
    }

    /// What all carry, with the fewest that were here within the time in which others counted theirs; none before it
    /// has passed.
    fn cautious(&mut self, view: &View, now: Instant) -> Option<View> {
        self.own.push_back((now, view.own));
        while self.own.get(1).is_some_and(|(at, _)| *at + self.counted_after <= now) {
            self.own.pop_front();
        }
        let (first, _) = self.own.front()?;
        let least = self.own.iter().map(|(_, own)| *own).min()?;
        (*first + self.counted_after <= now)
            .then(|| View { own: least, others: view.others.clone() })
    }
}

#[cfg(test)]
mod tests;
