//! When a session pings: with all others whose turn is about then, so that an idle gateway sleeps in
//! between instead of waking for each.

use std::time::Duration;

use tokio::time::Instant;

use super::Session;

/// Groups into which the pings of one heartbeat fall. At 30 s they are 117 ms apart, and 19,000
/// connections are 74 in each.
const GROUPS: u128 = 256;

impl Session {
    /// When the next ping is due.
    pub(super) fn next_ping(&self) -> Instant {
        let heartbeat = self.heartbeat();
        together(self.pinged_at + heartbeat, self.context.began, heartbeat)
    }
}

/// The end of the group that `due` falls into; never before it.
fn together(due: Instant, began: Instant, heartbeat: Duration) -> Instant {
    let width = heartbeat.as_nanos() / GROUPS;
    if width == 0 {
        return due;
    }
    let beyond = due.saturating_duration_since(began).as_nanos() % width;
    // Less than a heartbeat.
    due + Duration::from_nanos(((width - beyond) % width) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pings_that_are_due_together_go_together_and_none_goes_early_or_much_later(
            heartbeat_ms in 1..120_000_u64, first_ms in 0..10_000_000_u64, apart_ms in 0..1_000_u64,
        ) {
            let (began, heartbeat) = (Instant::now(), Duration::from_millis(heartbeat_ms));
            let group = |ms| together(began + Duration::from_millis(ms), began, heartbeat);
            let due = began + Duration::from_millis(first_ms);
            let first = group(first_ms);
            prop_assert!(first >= due && first - due < heartbeat / GROUPS as u32 + Duration::from_nanos(1));
            let second = group(first_ms + apart_ms);
            // In order, and the same where it is due before the first goes.
            prop_assert!(second >= first);
            prop_assert!(second == first || due + Duration::from_millis(apart_ms) > first);
        }
    }
}
