//! What happens when nothing comes: holes are asked for, late answers sent for again, silent
//! connections given up. And `delivered`, said now and then.

use std::io::Write as _;
use std::time::Duration;

use verdict::event::Doubt;

use super::{Client, HangUp, Link};
use crate::shared::Shared;

/// A hole may close by itself for so long.
const HOLE: Duration = Duration::from_secs(1);
/// The same where unanswered sends of the client's own may be what stands there.
const HOLE_OF_OWN: Duration = Duration::from_secs(5);
/// At most one sync for missing entries in this time.
pub(super) const BETWEEN_SYNCS: Duration = Duration::from_secs(2);
/// No answer for so long: the send is written again, with the same client id.
const OVERDUE: Duration = Duration::from_secs(10);
/// `welcome` and `synced` come within this time.
const OPENING: Duration = Duration::from_secs(15);

pub(super) fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

impl Client {
    /// Looks after the connection; called about once a second.
    pub fn tick(&mut self, shared: &Shared, now_us: u64) {
        match self.link {
            Link::Opening(since_us) if now_us > since_us + micros(OPENING) => {
                self.hang_up(HangUp::Silent);
                return;
            }
            Link::Down | Link::Opening(_) => return,
            Link::Syncing(since_us) => match self.sync_again_us {
                Some(again_us) if now_us >= again_us => self.sync(shared, now_us),
                None if now_us > since_us + micros(OPENING) => self.hang_up(HangUp::Silent),
                _ => {}
            },
            Link::Live => {
                self.leave_when_answered(now_us);
                self.ask_for_holes(shared, now_us);
                self.ping(shared, now_us);
                self.write_overdue(shared, now_us);
            }
        }
        if now_us > self.heard_us.saturating_add(self.heartbeat_us.saturating_mul(3)) {
            self.hang_up(HangUp::Silent);
        }
        self.flush();
    }

    fn ask_for_holes(&mut self, shared: &Shared, now_us: u64) {
        let patience = if self.outbox.is_empty() { HOLE } else { HOLE_OF_OWN };
        let mut is_missing = false;
        for held in &mut self.held {
            if held.cursor.has_hole() {
                let since_us = *held.hole_since_us.get_or_insert(now_us);
                is_missing |= now_us > since_us + micros(patience);
            } else {
                held.hole_since_us = None;
            }
        }
        if is_missing && now_us >= self.next_gap_sync_us {
            shared.counters.gap_syncs.add(1);
            self.next_gap_sync_us = now_us + micros(BETWEEN_SYNCS);
            self.write_sync(shared, now_us);
        }
    }

    fn write_overdue(&mut self, shared: &Shared, now_us: u64) {
        if self.outbox.is_empty() {
            return;
        }
        let overdue = self.outbox.overdue(now_us.saturating_sub(micros(OVERDUE)));
        if !overdue.is_empty() && now_us > self.heard_us + micros(OVERDUE) {
            // Not a word meanwhile: the server is stuck, and another may not be.
            self.hang_up(HangUp::Silent);
            return;
        }
        for number in overdue {
            if self.outbox.write_again(number) {
                shared.counters.overdue_answers.add(1);
                if let Some(send) = self.sends.get_mut(number as usize) {
                    (send.is_late, send.is_doubtful) = (true, true);
                }
                self.record_doubt(shared, number, Doubt::Overdue, now_us);
            }
        }
        self.write_sends(shared, now_us);
    }

    /// Says how far it got, where that is news.
    pub fn tell_delivered(&mut self, shared: &Shared, now_us: u64) {
        if self.link != Link::Live {
            return;
        }
        for slot in 0..self.held.len() {
            let held = &mut self.held[slot];
            let (conversation, seq) = (held.conversation, held.cursor.contiguous());
            if seq == held.told {
                continue;
            }
            held.told = seq;
            self.record_delivered(shared, conversation, seq, now_us);
            let id = shared.plan().conversations[conversation as usize].id;
            let mut frame = shared.scratch.borrow_mut();
            frame.clear();
            // Writing to a Vec does not fail.
            let _ = write!(frame, r#"{{"type":"delivered","conversation_id":"{id}","seq":{seq}}}"#);
            self.say(shared, &frame);
        }
        self.flush();
    }
}
