//! When files that may change are read again: at intervals, and whenever somebody asks (SIGHUP).
//!
//! Must not know what is in the files: each part reads its own and keeps what it had when that fails.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

/// How often files are read again unasked.
pub const EVERY: Duration = Duration::from_secs(10);

/// Asks every part of this process to read its files again. Clones are the same.
#[derive(Debug, Clone)]
pub struct Reload(watch::Sender<()>);

impl Default for Reload {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Reload {
    /// Nobody has asked.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks now.
    pub fn ask(&self) {
        self.0.send_replace(());
    }

    /// The moments at which one part reads its files again. Call it inside the runtime.
    pub fn moments(&self) -> Moments {
        let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + EVERY, EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Moments { asked: self.0.subscribe(), interval }
    }
}

/// See [`Reload::moments`].
#[derive(Debug)]
pub struct Moments {
    asked: watch::Receiver<()>,
    interval: Interval,
}

impl Moments {
    /// Resolves at the next one. Cancel safe.
    pub async fn next(&mut self) {
        let asked = async {
            if self.asked.changed().await.is_err() {
                // Nobody can ask any more.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = asked => {}
            _ = self.interval.tick() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn files_are_read_again_when_asked_and_otherwise_within_a_minute() {
        let reload = Reload::new();
        let mut moments = reload.moments();
        let began = tokio::time::Instant::now();
        reload.ask();
        moments.next().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        moments.next().await;
        assert!(began.elapsed() <= Duration::from_mins(1), "{:?}", began.elapsed());
    }
}
