//! Answers to sends: acknowledged, refused, or to be sent again.

use std::time::Duration;

use proto::error_code::{ErrorCode, Stored};
use verdict::event::Doubt;
use verdict::history::{Mark, Oddity, Outcome};
use wire_client::hear::{ErrorFrame, Sent};

use super::{Client, Link};
use crate::shared::Shared;

/// Waited after an error that says nothing about waiting.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Waited after a refusal for good, so that a closed loop does not spin.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);
/// The `ref` of a sync.
pub(super) const SYNC_REF: &str = "sync";

/// True when the same send may succeed later.
fn is_retryable(code: ErrorCode) -> bool {
    match code {
        ErrorCode::RateLimited
        | ErrorCode::Expired
        | ErrorCode::Unavailable
        | ErrorCode::Internal => true,
        ErrorCode::BadFrame
        | ErrorCode::UnknownType
        | ErrorCode::Unsupported
        | ErrorCode::Invalid
        | ErrorCode::TooLarge
        | ErrorCode::Unauthenticated
        | ErrorCode::NotMember
        | ErrorCode::NotFound
        | ErrorCode::Forbidden
        | ErrorCode::Conflict
        | ErrorCode::QuotaExceeded => false,
    }
}

impl Client {
    pub(super) fn sent(&mut self, shared: &Shared, sent: &Sent, now_us: u64) {
        if self.reacted(shared, sent, now_us) {
            return;
        }
        self.record_answer(shared, sent, now_us);
        let number = shared
            .plan()
            .run
            .sender_of(sent.client_id)
            .filter(|(sender, _)| *sender == self.number)
            .map(|(_, number)| number);
        let slot = self.slot(shared, sent.conversation_id, now_us);
        let send = number.and_then(|number| self.sends.get_mut(number as usize));
        let (Some(number), Some(slot), Some(send)) = (number, slot, send) else {
            shared.odd(Oddity::StrangeAnswer { client: self.number });
            return;
        };
        let held = &mut self.held[slot];
        let (Ok(seq), mark) = (u32::try_from(sent.seq), Mark::of(sent.id)) else {
            self.unreadable_frame(shared, now_us);
            return;
        };
        if send.conversation != held.conversation || send.outcome == Outcome::Unsent {
            shared.odd(Oddity::StrangeAnswer { client: self.number });
            return;
        }
        if send.outcome == Outcome::Acknowledged {
            if (send.seq, send.mark) == (seq, mark) {
                shared.counters.repeated_answers.add(1);
            } else {
                shared.odd(Oddity::ChangedAnswer { client: self.number, number });
            }
            return;
        }
        (send.outcome, send.seq, send.mark) = (Outcome::Acknowledged, seq, mark);
        send.acknowledged_us = now_us;
        held.cursor.take(seq, sent.id);
        shared.common.heads.raise(held.conversation, seq);
        shared.counters.acknowledged.add(1);
        if let Some(pending) = self.outbox.remove(number)
            && shared.is_measured(pending.due_us)
        {
            let latency_us = now_us.saturating_sub(pending.due_us);
            shared.measures.borrow_mut().acknowledgement.record(latency_us);
        }
        self.refill(shared, now_us);
        self.write_sends(shared, now_us);
        self.leave_when_answered(now_us);
    }

    pub(super) fn error(&mut self, shared: &Shared, error: &ErrorFrame, now_us: u64) {
        shared.counters.errors.add(1);
        shared.count_error(format!("error {}", error.code));
        let wait = error.retry_after_ms.map_or(RETRY_AFTER, Duration::from_millis);
        let reference = error.r#ref.as_deref();
        if reference == Some(SYNC_REF) {
            self.sync_failed(shared, wait, now_us);
            return;
        }
        let by_client_id = error.client_id.and_then(|id| shared.plan().run.sender_of(id));
        let number = by_client_id
            .map(|(_, number)| number)
            .or_else(|| reference.and_then(|text| text.parse().ok()));
        let Some(number) = number else { return };
        let Some(send) = self.sends.get_mut(number as usize) else { return };
        if send.outcome == Outcome::Acknowledged {
            return;
        }
        match error.stored {
            Stored::No => self.record_refusal(shared, number, error.code.to_string(), now_us),
            Stored::Unknown => self.record_doubt(shared, number, Doubt::Told, now_us),
        }
        let Some(send) = self.sends.get_mut(number as usize) else { return };
        if is_retryable(error.code) {
            if !self.outbox.write_again(number) {
                return;
            }
            send.is_late = true;
            match error.stored {
                // What is written next is a new beginning, unless an earlier attempt may be stored.
                Stored::No if !send.is_doubtful => send.outcome = Outcome::Refused,
                Stored::No => {}
                Stored::Unknown => send.is_doubtful = true,
            }
            self.pause(shared, wait + shared.jitter(wait), now_us);
            self.leave_when_answered(now_us);
        } else {
            self.outbox.remove(number);
            send.outcome = match error.stored {
                Stored::No if !send.is_doubtful => Outcome::Refused,
                Stored::No | Stored::Unknown => Outcome::Unknown,
            };
            self.pause(shared, AFTER_REFUSAL, now_us);
        }
    }

    /// Sends nothing for a while.
    fn pause(&mut self, shared: &Shared, wait: Duration, now_us: u64) {
        let until_us = now_us + wait.as_micros() as u64;
        self.paused_until_us = self.paused_until_us.max(until_us);
        shared.waiting.borrow_mut().push(self.number);
    }

    /// Goes on when the pause is over; false when it is not.
    pub fn resume(&mut self, shared: &Shared, now_us: u64) -> bool {
        if now_us < self.paused_until_us {
            return false;
        }
        if self.link == Link::Live {
            self.refill(shared, now_us);
            self.write_sends(shared, now_us);
            self.flush();
        }
        true
    }
}
