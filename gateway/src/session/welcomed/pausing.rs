//! Backpressure: a session does not read its client as long as as many requests as allowed await their
//! answer, there is no room for the last one, or a second sync waits for the end of the first. Everything
//! outbound goes on meanwhile; what depends on hearing the client stands still, as it cannot be heard. A pause
//! for answers or for room ends when the oldest request is answered or given up, so it is never longer than
//! `limits.answer_timeout_ms`; one for a sync ends when that ends or its next page does not come.

use std::time::Duration;

use tokio::time::Instant;

use super::Session;

/// How often it is looked whether the connection has broken, which reading would have told.
const LOOK: Duration = Duration::from_secs(1);

impl Session {
    /// Whether the client is read. A session that ends refuses requests at once and reads on.
    pub(super) fn reads(&self) -> bool {
        let may_ask = self.in_flight.len() < self.context.limits.in_flight.max(1);
        let may_sync = !self.syncing.as_ref().is_some_and(|syncing| syncing.has_next());
        self.is_ending() || (may_ask && may_sync && self.waiting.is_none())
    }

    /// Begins or ends the time in which heartbeat and redelivery stand still: while the client is not read,
    /// and while the pages of a sync, which take their time, are written to it.
    pub(super) fn note_stillness(&mut self) {
        let is_asked = self.syncing.as_ref().is_some_and(|syncing| syncing.is_asked());
        let is_still = is_asked || !self.reads();
        match (self.still_since, is_still) {
            (None, true) => self.still_since = Some(Instant::now()),
            (Some(since), false) => self.go_on(since),
            (None, false) | (Some(_), true) => {}
        }
    }

    /// They go on as if no time had passed.
    fn go_on(&mut self, since: Instant) {
        self.still_since = None;
        let now = Instant::now();
        let longest = Duration::from_millis(self.context.limits.answer_timeout_ms);
        let pause = (now - since).min(longest);
        self.heard_at = (self.heard_at + pause).min(now);
        if let Some(unacknowledged) = &mut self.unacknowledged {
            unacknowledged.put_off(pause);
        }
    }

    /// When it is looked next whether the connection has broken.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let since = self.still_since.filter(|_| !self.reads())?;
        let looks = since.elapsed().as_secs() / LOOK.as_secs() + 1;
        Some(since + LOOK * u32::try_from(looks).unwrap_or(u32::MAX))
    }
}
