//! Waits between the attempts of a partition worker at a store, a bus or a presence service that is away.

use std::time::Duration;

use platform::backoff::Backoff;

/// From 20 ms to half a second.
pub(crate) fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(20), Duration::from_millis(500))
}
