//! Call signals, and what an operator says to everybody: measured, in no history.

use std::io::Write as _;

use proto::id::UserName;
use uuid::Uuid;

use super::{Client, Link};
use crate::shared::Shared;

impl Client {
    /// A signal to a user is due; without a connection it is dropped, as a caller would.
    pub fn signal(&mut self, shared: &Shared, to: &UserName, call_id: Uuid, due_us: u64) {
        if self.link != Link::Live || self.leaving.is_some() {
            return;
        }
        let mut frame = shared.scratch.borrow_mut();
        frame.clear();
        // Writing to a Vec does not fail.
        let _ = write!(
            frame,
            r#"{{"type":"signal","to":"{to}","call_id":"{call_id}","kind":"ice","data":{due_us}}}"#
        );
        self.say(shared, &frame);
        shared.counters.signals.add(1);
    }

    pub(super) fn hear_signal(shared: &Shared, due_us: u64, now_us: u64) {
        shared.counters.signals_heard.add(1);
        if shared.is_measured(due_us) {
            shared.measures.borrow_mut().signal.record(now_us.saturating_sub(due_us));
        }
    }

    pub(super) fn hear_notice(shared: &Shared, due_us: u64, now_us: u64) {
        shared.counters.notices.add(1);
        if shared.is_measured(due_us) {
            shared.measures.borrow_mut().notice.record(now_us.saturating_sub(due_us));
        }
    }
}
