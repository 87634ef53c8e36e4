//! `tally` tells how many reacted to a message whose reactions are rows. The server asks for it when they have changed; see
//! [`crate::tallies`].

use proto::bus;
use proto::error_code::ErrorCode;

use super::plan::{Draft, Not, Planner};
use super::{Action, Asked, Counted, Operation, Rejected, Rule, invalid};
use crate::domain::conversation::{self, Refusal};
use crate::domain::entry::{Body, ChangeKind};
use crate::domain::said::Said;

/// Tells the counts of a message.
#[derive(Debug, Clone, Copy)]
pub struct TallyOf {
    pub seq: u64,
}

pub(super) fn read(asked: Asked, wire: bus::TallyReactions) -> Result<Operation, Rejected> {
    let conversation_id = asked.conversation_id()?;
    let mut said = Said::new("tally", conversation_id);
    said.number(wire.seq);
    if !asked.is_admin {
        let refusal = Refusal::new(ErrorCode::Forbidden, "the server alone counts reactions");
        return Err(asked.rejected(Some(said.finish()), refusal));
    }
    if wire.seq == 0 {
        let refusal = invalid("`seq` is that of a message, from 1");
        return Err(asked.rejected(Some(said.finish()), refusal));
    }
    asked.operation(conversation_id, said, Action::Tally(TallyOf { seq: wire.seq }))
}

impl Rule for TallyOf {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let key = operation.conversation();
        if planner.found(key).is_none() {
            return Err(conversation::not_found().into());
        }
        let target = planner.message(key, self.seq, 1)?.with_content()?;
        let counts = planner.tally(key, self.seq, &target).counts.clone();
        let counts = counts.filter(|_| target.state.tallied);
        planner.counted(key, self.seq);
        match counts {
            Some(counts) if counts.reactions != target.state.counts() => {
                let body = Body::Change(ChangeKind::Tally, counts.to_content());
                Ok(target.changed_by(self.seq, body))
            }
            _ => Err(Not::ChangedSince(target.state.as_of.max(self.seq))),
        }
    }

    fn targets(&self) -> Vec<u64> {
        vec![self.seq]
    }

    fn counted(&self) -> Option<Counted<'_>> {
        Some(Counted { seq: self.seq, added: None, is_tally: true })
    }
}
