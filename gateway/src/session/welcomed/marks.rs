//! `delivered` and `read`. Those of a user who chose to be invisible would tell others that the user is
//! there: `delivered` is held back here until the user writes in that conversation or is visible again,
//! and `read`, which the user's own devices count by, goes up with the word that others are not told.

use proto::bus::{self, frame::Body};
use proto::id::ConversationId;

use super::Session;

/// What an invisible user's device has and nobody was told, by conversation.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<(ConversationId, u64)>);

impl Held {
    /// Holds back; beyond `most` conversations the earliest is forgotten, and told with the next entry.
    fn hold(&mut self, id: ConversationId, seq: u64, most: usize) {
        if let Some((_, held)) = self.0.iter_mut().find(|(held, _)| *held == id) {
            *held = seq.max(*held);
            return;
        }
        if self.0.len() >= most.max(1) {
            self.0.remove(0);
        }
        self.0.push((id, seq));
    }

    fn take(&mut self, id: ConversationId) -> Option<u64> {
        let place = self.0.iter().position(|(held, _)| *held == id)?;
        Some(self.0.swap_remove(place).1)
    }
}

impl Session {
    pub(super) fn advance(&mut self, id: ConversationId, delivered_seq: u64, read_seq: u64) {
        let is_of_notices = id == self.notices_id;
        if let Some(unacknowledged) = &mut self.unacknowledged {
            let seq = delivered_seq.max(read_seq);
            let sent_ms = unacknowledged.delivered(id, seq, std::time::Instant::now());
            self.context.metrics.entries_delivered(sent_ms);
        }
        if is_of_notices {
            // Nobody else hears of it, and no worker has to. Beyond the bound the next one says it again.
            let cursors = &self.context.up.notice_cursors;
            cursors.advance(&self.identity.user_id, delivered_seq, read_seq);
            return;
        }
        let is_quiet = self.connection.own_status.is_hidden();
        if is_quiet && read_seq == 0 {
            let most = self.context.limits.followed_conversations;
            return self.held.hold(id, delivered_seq, most);
        }
        self.tell_marks(id, delivered_seq, read_seq, is_quiet);
        self.tell_held();
    }

    /// The user writes here, which others see.
    pub(super) fn tell_held_of(&mut self, id: ConversationId) {
        if let Some(seq) = self.held.take(id) {
            self.tell_marks(id, seq, 0, false);
        }
    }

    /// Tells what was held back, when the user is visible again.
    pub(super) fn tell_held(&mut self) {
        if self.held.0.is_empty() || self.connection.own_status.is_hidden() {
            return;
        }
        for (id, seq) in std::mem::take(&mut self.held).0 {
            self.tell_marks(id, seq, 0, false);
        }
    }

    /// A thread is read by itself: nobody else is told, and it acknowledges nothing.
    pub(super) fn read_thread(&self, id: ConversationId, thread: u64, thread_read_seq: u64) {
        let body = bus::AdvanceCursor { thread, thread_read_seq, ..bus::AdvanceCursor::default() };
        self.tell(id, body);
    }

    fn tell_marks(&self, id: ConversationId, delivered_seq: u64, read_seq: u64, quiet: bool) {
        let body =
            bus::AdvanceCursor { delivered_seq, read_seq, quiet, ..bus::AdvanceCursor::default() };
        self.tell(id, body);
    }

    fn tell(&self, id: ConversationId, mut body: bus::AdvanceCursor) {
        body.conversation_id = id.to_bytes();
        let frame = self.frame(Body::AdvanceCursor(body), String::new());
        // Cumulative: the next one says it again.
        let _ = self.context.up.uplink.chat(id, frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_of_each_conversation_is_held_and_the_earliest_goes_beyond_the_bound() {
        let mut held = Held::default();
        let [a, b, c] = std::array::from_fn(|_| ConversationId::generate());
        for (id, seq) in [(a, 4), (b, 1), (a, 3), (c, 9)] {
            held.hold(id, seq, 2);
        }
        assert_eq!((held.take(a), held.take(b), held.take(c)), (None, Some(1), Some(9)));
        held.hold(a, 4, 2);
        held.hold(a, 3, 2);
        assert_eq!(held.take(a), Some(4));
    }
}
