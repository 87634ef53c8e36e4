//! The clock of the machine, and one that is not set. Must not be used to measure how long something takes.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// How much later than it can be a time that was kept may be before it is taken for that of a wrong clock, in milliseconds.
pub(crate) const DOUBTFUL_MS: u64 = 60_000;

/// Now, in Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// When this process first asked, by both clocks.
static BEGIN: LazyLock<(Instant, u64)> = LazyLock::new(|| (Instant::now(), now_ms()));

/// Now as the machine's clock would have it if nobody had set it since this process first asked: for what is to be done
/// later, which must neither come at once nor in days because the clock jumps.
pub(crate) fn steady_ms() -> u64 {
    let (begin, at_ms) = &*BEGIN;
    at_ms.saturating_add(u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX))
}
