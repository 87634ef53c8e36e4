//! Notices that this process stood still for so long that presence may have given it up.
//!
//! Then presence names no connections here, and what was committed meanwhile was not pushed to them. So the
//! gateway begins anew before it writes to any socket again: a new queue under a new epoch, a full
//! report to presence, heads told to every device. Must not touch sockets itself: writers ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use platform::shutdown::Shutdown;
use proto::common::GatewayRef;
use tokio::sync::{Notify, watch};

use crate::metrics::GatewayMetrics;

/// Beats in the time that may pass between two.
const BEATS: u32 = 10;

/// Milliseconds that never go back and do not stop with the process.
type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// The one of this process. Tasks ask it before they write to sockets or hand frames out.
pub(crate) struct FreezeDetector {
    clock: Clock,
    longest_ms: u64,
    beat_ms: AtomicU64,
    /// It stood still and has not begun anew yet.
    is_stale: AtomicBool,
    epochs: Mutex<Epochs>,
    fit: watch::Sender<()>,
    renew: Notify,
    metrics: GatewayMetrics,
}

#[derive(Default)]
struct Epochs {
    /// Under which pushes come.
    present: Option<GatewayRef>,
    /// Under which it stood still.
    stale: Option<GatewayRef>,
}

impl FreezeDetector {
    /// A pause longer than `longest` is standing still.
    pub(crate) fn new(longest: Duration, metrics: GatewayMetrics) -> Self {
        let began = Instant::now();
        Self::by(Box::new(move || began.elapsed().as_millis() as u64), longest, metrics)
    }

    fn by(clock: Clock, longest: Duration, metrics: GatewayMetrics) -> Self {
        Self {
            beat_ms: AtomicU64::new(clock()),
            clock,
            longest_ms: longest.as_millis() as u64,
            is_stale: AtomicBool::new(false),
            epochs: Mutex::default(),
            fit: watch::Sender::new(()),
            renew: Notify::new(),
            metrics,
        }
    }

    /// Beats until the end.
    pub(crate) async fn run(self: Arc<Self>, shutdown: Shutdown) {
        let period = Duration::from_millis(self.longest_ms.max(1)) / BEATS;
        loop {
            tokio::select! {
                () = tokio::time::sleep(period) => self.beat(),
                () = shutdown.forced() => return,
            }
        }
    }

    fn beat(&self) {
        self.is_fit();
        self.beat_ms.fetch_max((self.clock)(), Ordering::AcqRel);
    }

    /// Whether sockets may be written to. The first call after a pause detects the pause.
    pub(crate) fn is_fit(&self) -> bool {
        let (now, beat) = ((self.clock)(), self.beat_ms.load(Ordering::Acquire));
        if now.saturating_sub(beat) > self.longest_ms {
            self.stood_still(beat, now);
        }
        !self.is_stale.load(Ordering::Acquire)
    }

    fn stood_still(&self, beat: u64, now: u64) {
        let mut epochs = self.epochs.lock();
        // Stale before the beat is renewed: nobody finds it fit in between.
        let is_first = self.beat_ms.load(Ordering::Acquire) == beat;
        if !is_first {
            return;
        }
        self.is_stale.store(true, Ordering::Release);
        epochs.stale = epochs.present.clone();
        self.beat_ms.store(now, Ordering::Release);
        drop(epochs);
        self.metrics.stood_still.inc();
        tracing::warn!(
            paused_ms = now - beat,
            "this process stood still; it begins anew before it writes"
        );
        self.renew.notify_one();
    }

    /// Has the present queue given up for one under a new epoch. Sockets may be written to meanwhile.
    pub(crate) fn renew(&self) {
        self.renew.notify_one();
    }

    /// Resolves when the present queue is to be given up for one under a new epoch.
    pub(crate) async fn renewal(&self) {
        self.renew.notified().await;
    }

    /// Pushes come under this epoch from now on.
    pub(crate) fn opened(&self, gateway: &GatewayRef) {
        self.epochs.lock().present = Some(gateway.clone());
    }

    /// Presence has the full account under this epoch.
    pub(crate) fn reported(&self, gateway: &GatewayRef) {
        let mut epochs = self.epochs.lock();
        if self.is_stale.load(Ordering::Acquire) && epochs.stale.as_ref() != Some(gateway) {
            epochs.stale = None;
            self.is_stale.store(false, Ordering::Release);
            drop(epochs);
            self.fit.send_replace(());
        }
    }

    /// Waits until sockets may be written to; false when that takes longer than `patience`.
    pub(crate) async fn until_fit(&self, patience: Duration) -> bool {
        let mut fit = self.fit.subscribe();
        let wait = async {
            while !self.is_fit() {
                if fit.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(patience, wait).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use platform::metrics::Metrics;

    const LONGEST: Duration = Duration::from_secs(5);

    struct Bench {
        freeze: FreezeDetector,
        now: Arc<AtomicU64>,
    }

    fn bench() -> Bench {
        let now = Arc::new(AtomicU64::new(1_000));
        let clock = Arc::clone(&now);
        let metrics = GatewayMetrics::new(&Metrics::new());
        let clock: Clock = Box::new(move || clock.load(Ordering::Relaxed));
        let freeze = FreezeDetector::by(clock, LONGEST, metrics);
        freeze.opened(&epoch(1));
        Bench { freeze, now }
    }

    fn epoch(epoch: u64) -> GatewayRef {
        GatewayRef { id: "g".to_owned(), epoch }
    }

    impl Bench {
        fn pass(&self, ms: u64) {
            self.now.fetch_add(ms, Ordering::Relaxed);
        }

        fn is_renewal_due(&self) -> bool {
            self.freeze.renewal().now_or_never().is_some()
        }
    }

    #[test]
    fn late_beats_of_a_busy_process_are_no_standstill() {
        let bench = bench();
        for _ in 0..100 {
            bench.pass(4_900);
            assert!(bench.freeze.is_fit());
            bench.freeze.beat();
        }
        assert!(!bench.is_renewal_due());
    }

    #[test]
    fn the_first_writer_after_a_standstill_finds_it_out_before_any_beat() {
        let bench = bench();
        bench.pass(5_001);
        assert!(!bench.freeze.is_fit());
        assert!(bench.is_renewal_due(), "the queue is renewed");
        assert!(!bench.freeze.is_fit(), "asking again changes nothing");
        bench.freeze.beat();
        assert!(!bench.is_renewal_due(), "it is found out once");
        assert_eq!(bench.freeze.metrics.stood_still.get(), 1);
    }

    #[test]
    fn only_an_account_under_another_epoch_makes_it_fit_again() {
        let bench = bench();
        bench.pass(60_000);
        bench.freeze.beat();
        bench.freeze.reported(&epoch(1));
        assert!(!bench.freeze.is_fit(), "a heartbeat under the old epoch came through");
        bench.freeze.opened(&epoch(2));
        assert!(!bench.freeze.is_fit(), "presence does not know it yet");
        bench.freeze.reported(&epoch(2));
        assert!(bench.freeze.is_fit());
        bench.pass(5_001);
        assert!(!bench.freeze.is_fit(), "it can happen again");
    }

    #[tokio::test]
    async fn writers_wait_for_the_account_and_not_for_ever() {
        let bench = bench();
        bench.pass(60_000);
        assert!(!bench.freeze.until_fit(Duration::from_millis(20)).await);
        let waiting = bench.freeze.until_fit(Duration::from_secs(20));
        let reporting = async {
            tokio::task::yield_now().await;
            bench.freeze.reported(&epoch(2));
        };
        assert!(tokio::join!(waiting, reporting).0);
    }
}
