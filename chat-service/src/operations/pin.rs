//! `pin` pins a message of a conversation, or unpins it: both members of a direct conversation may, in a group its owner
//! and its admins. At most [`MAX_PINS`] messages are pinned at a time.

use proto::bus;
use proto::error_code::ErrorCode;

use super::plan::{Draft, Not, Planner};
use super::{Action, Asked, Operation, Rejected, Rule, invalid};
use crate::domain::conversation::{self, Refusal};
use crate::domain::entry::{Body, PinRow};
use crate::domain::said::Said;

/// Most messages that are pinned in a conversation at a time.
pub const MAX_PINS: u32 = 100;

/// Pins a message, or unpins it.
#[derive(Debug, Clone, Copy)]
pub struct Pin {
    pub seq: u64,
    /// It is pinned from now on.
    pub on: bool,
}

pub(super) fn read(asked: Asked, wire: &bus::Pin) -> Result<Operation, Rejected> {
    let conversation_id = asked.conversation_id()?;
    let mut said = Said::new("pin", conversation_id);
    said.number(wire.seq);
    said.number(u64::from(wire.on));
    if wire.seq == 0 {
        let refusal = invalid("`seq` is that of a message, from 1");
        return Err(asked.rejected(Some(said.finish()), refusal));
    }
    asked.operation(conversation_id, said, Action::Pin(Pin { seq: wire.seq, on: wire.on }))
}

impl Rule for Pin {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let key = operation.conversation();
        let from_seq = conversation::may_pin(planner.snapshot(key)?, &operation.actor)?;
        let target = planner.message(key, self.seq, from_seq)?;
        match (self.on, target.pinned_seq) {
            (true, Some(_)) | (false, None) => {
                return Err(Not::ChangedSince(target.state.as_of.max(self.seq)));
            }
            (true, None) => {
                let target = target.clone().with_content()?;
                if planner.pins(key) >= MAX_PINS {
                    let text = "100 messages are pinned, which is the most; unpin one before";
                    return Err(Refusal::new(ErrorCode::QuotaExceeded, text).into());
                }
                let (by, pinned_seq) = (operation.actor.clone(), planner.next_seq(key));
                let row = PinRow { conversation_id: key.id, seq: self.seq, pinned_seq, by };
                planner.set_pin(key, self.seq, Some(row));
                return Ok(target.changed_by(self.seq, Body::Pin { on: true }));
            }
            (false, Some(_)) => planner.set_pin(key, self.seq, None),
        }
        Ok(target.changed_by(self.seq, Body::Pin { on: false }))
    }

    fn targets(&self) -> Vec<u64> {
        vec![self.seq]
    }
}
