//! Where this connection's user is writing, as far as others were told: it is taken back when the
//! connection ends, however it ends. Must not decide who is told.

use std::time::{Duration, Instant};

use proto::bus::{self, frame::Body};
use proto::frame::client;
use proto::frame::server::TYPING_MS;
use proto::id::ConversationId;

use super::Session;

/// The conversations in which others believe that this connection writes, the earliest told first.
#[derive(Debug, Default)]
pub(super) struct Typing(Vec<(ConversationId, Instant)>);

impl Typing {
    /// Takes over a `typing` of the client. Returns the conversation to take back when there are too many.
    fn told(&mut self, frame: client::Typing, most: usize, now: Instant) -> Option<ConversationId> {
        self.0.retain(|(id, at)| *id != frame.conversation_id && !is_over(*at, now));
        if !frame.on {
            return None;
        }
        let evicted = (self.0.len() >= most.max(1)).then(|| self.0.remove(0).0);
        self.0.push((frame.conversation_id, now));
        evicted
    }

    /// Takes out the conversations in which other members still see this user typing.
    fn take(&mut self, now: Instant) -> impl Iterator<Item = ConversationId> + use<> {
        let told = std::mem::take(&mut self.0).into_iter();
        told.filter_map(move |(id, at)| (!is_over(at, now)).then_some(id))
    }
}

/// Clients end it by themselves.
fn is_over(told: Instant, now: Instant) -> bool {
    now.duration_since(told) >= Duration::from_millis(TYPING_MS)
}

impl Session {
    pub(super) fn type_in(&mut self, frame: client::Typing) {
        // `typing` would show that a user with a hidden status is online.
        if self.connection.own_status.is_hidden() {
            return self.stop_typing();
        }
        let most = self.context.limits.typing_conversations;
        if let Some(evicted) = self.typing.told(frame, most, Instant::now()) {
            self.tell_typing(evicted, false);
        }
        self.tell_typing(frame.conversation_id, frame.on);
    }

    /// Nobody writes here any more.
    pub(super) fn stop_typing(&mut self) {
        for id in self.typing.take(Instant::now()) {
            self.tell_typing(id, false);
        }
    }

    fn tell_typing(&self, id: ConversationId, on: bool) {
        let body = bus::Typing { conversation_id: id.to_bytes(), on };
        let frame = self.frame(Body::Typing(body), String::new());
        // Nobody waits for it, and clients end it by themselves.
        let _ = self.context.up.uplink.chat(id, frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(
        typing: &mut Typing,
        id: ConversationId,
        on: bool,
        now: Instant,
    ) -> Option<ConversationId> {
        typing.told(client::Typing { conversation_id: id, on }, 2, now)
    }

    #[test]
    fn what_is_on_and_not_over_is_taken_back() {
        let (mut typing, now) = (Typing::default(), Instant::now());
        let [a, b, c] = std::array::from_fn(|_| ConversationId::generate());
        told(&mut typing, a, true, now);
        told(&mut typing, b, true, now);
        told(&mut typing, a, false, now);
        assert_eq!(typing.take(now).collect::<Vec<_>>(), [b]);
        assert_eq!(typing.take(now).count(), 0, "once");
        told(&mut typing, c, true, now);
        let over = now + Duration::from_millis(TYPING_MS);
        assert_eq!(typing.take(over).count(), 0, "clients have ended it by themselves");
    }

    #[test]
    fn beyond_the_bound_the_earliest_is_taken_back_at_once() {
        let (mut typing, now) = (Typing::default(), Instant::now());
        let [a, b, c] = std::array::from_fn(|_| ConversationId::generate());
        assert_eq!(told(&mut typing, a, true, now), None);
        assert_eq!(told(&mut typing, b, true, now), None);
        assert_eq!(told(&mut typing, a, true, now), None, "said again");
        assert_eq!(told(&mut typing, c, true, now), Some(b));
        assert_eq!(typing.take(now).collect::<Vec<_>>(), [a, c]);
    }
}
