//! The time that leases are measured by, within one process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use platform::number::{fitted, whole_ms};

/// Unix milliseconds that never go back, whatever happens to the machine's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    unix: Duration,
    since: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        // Before 1970 the machine has no clock worth asking.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { unix, since: Instant::now() }
    }

    pub(super) fn now_us(&self) -> u64 {
        fitted((self.unix + self.since.elapsed()).as_micros())
    }

    pub(super) fn now_ms(&self) -> u64 {
        whole_ms(self.unix + self.since.elapsed())
    }
}
