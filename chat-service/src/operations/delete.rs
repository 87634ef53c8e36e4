//! `delete` takes the content of messages away for everybody: one's own, in a group also those of members below one's own
//! role; moderators and operators delete any, which is written down. A message keeps its place. Of several at once, all of them
//! are one's own.

use proto::bus;
use proto::error_code::ErrorCode;
use proto::id::ConversationKey;

use super::plan::{Draft, Not, Planner};
use super::{Action, Asked, Operation, Rejected, Rule, Size, invalid};
use crate::domain::act::{Act, Authority};
use crate::domain::conversation::{self, Refusal};
use crate::domain::entry::{Body, ChangeKind, ConversationKind};
use crate::domain::said::Said;
use crate::domain::state::{DeleteContent, DeletedBy, ranges};

/// Most messages that are deleted at once.
pub const MAX_DELETED: usize = 100;
/// Longest reason, in characters.
const REASON_CHARS: usize = 500;

/// Deletes messages.
#[derive(Debug, Clone)]
pub struct Delete {
    /// In order, each once.
    pub seqs: Vec<u64>,
    /// They were named as a list, which is one entry without a target.
    pub is_list: bool,
    /// For people.
    pub reason: Option<String>,
    /// What the token lets its user do.
    pub authority: Authority,
    /// Where the actor is, of those with an authority.
    pub ip: String,
}

pub(super) fn read(mut asked: Asked, wire: bus::Delete) -> Result<Operation, Rejected> {
    let conversation_id = asked.conversation_id()?;
    let (mut seqs, is_list) =
        if wire.seq > 0 { (vec![wire.seq], false) } else { (wire.seqs, true) };
    seqs.sort_unstable();
    seqs.dedup();
    let mut said = Said::new("delete", conversation_id);
    said.number(u64::from(is_list));
    said.number(seqs.len() as u64);
    for seq in &seqs {
        said.number(*seq);
    }
    said.text(&wire.reason);
    let wrong = if seqs.is_empty() || seqs[0] == 0 {
        Some("`seq` is that of a message, from 1")
    } else if seqs.len() > MAX_DELETED {
        Some("at most 100 messages are deleted at once")
    } else if wire.reason.chars().count() > REASON_CHARS || wire.reason.contains('\0') {
        Some("`reason` has at most 500 characters")
    } else {
        None
    };
    if let Some(wrong) = wrong {
        return Err(asked.rejected(Some(said.finish()), invalid(wrong)));
    }
    let reason = (!wire.reason.is_empty()).then_some(wire.reason);
    let (authority, ip) = (asked.authority, std::mem::take(&mut asked.ip));
    let delete = Delete { seqs, is_list, reason, authority, ip };
    asked.operation(conversation_id, said, Action::Delete(delete))
}

impl Rule for Delete {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let key = operation.conversation();
        if self.is_list {
            self.own(planner, operation, key)
        } else {
            self.one(planner, operation, key)
        }
    }

    fn targets(&self) -> Vec<u64> {
        self.seqs.clone()
    }

    fn changes_edits(&self) -> bool {
        true
    }

    fn size(&self) -> Size {
        let bytes = self.reason.as_ref().map_or(0, String::len) + self.seqs.len() * 16;
        Size { bytes, memberships: 0 }
    }
}

impl Delete {
    fn one(
        &self,
        planner: &mut Planner<'_>,
        operation: &Operation,
        key: ConversationKey,
    ) -> Result<Draft, Not> {
        let has_authority = self.authority != Authority::None;
        let snapshot = match planner.found(key) {
            None if has_authority => return Err(conversation::not_found().into()),
            None => return Err(conversation::not_member().into()),
            Some(snapshot) => snapshot,
        };
        let from_seq = match conversation::member(snapshot, &operation.actor) {
            _ if has_authority => 1,
            Ok(member) => member.from_seq,
            Err(refusal) => return Err(refusal.into()),
        };
        let seq = self.seqs[0];
        let target = planner.message(key, seq, from_seq)?;
        let by = conversation::may_delete(snapshot, &operation.actor, &target, self.authority)?;
        // What becomes of notices is written down where they are kept.
        let is_kept_elsewhere = snapshot.kind == ConversationKind::Notices;
        if target.state.gone.is_some() {
            return Err(Not::ChangedSince(target.state.as_of));
        }
        if !is_kept_elsewhere {
            self.write_down(planner, operation, by);
        }
        Ok(target.changed_by(seq, self.body(by, Vec::new())))
    }

    /// What is not done as a member is an act.
    fn write_down(&self, planner: &mut Planner<'_>, operation: &Operation, by: DeletedBy) {
        let details = match by {
            DeletedBy::Sender | DeletedBy::Admin => return,
            DeletedBy::Moderator => r#"{"by":"moderator"}"#,
            DeletedBy::Operator => r#"{"by":"operator"}"#,
        };
        planner.act(Act {
            actor: operation.actor.clone(),
            ip: self.ip.clone(),
            action: "message.delete".to_owned(),
            target: format!("{}:{}", operation.conversation_id, self.seqs[0]),
            reason: self.reason.clone().unwrap_or_default(),
            details: details.to_owned(),
            at_ms: planner.now_ms,
        });
    }

    fn own(
        &self,
        planner: &mut Planner<'_>,
        operation: &Operation,
        key: ConversationKey,
    ) -> Result<Draft, Not> {
        let from_seq = conversation::member(planner.snapshot(key)?, &operation.actor)?.from_seq;
        let (mut left, mut gone_since) = (Vec::new(), 0);
        for seq in &self.seqs {
            let target = planner.message(key, *seq, from_seq)?;
            if target.author != operation.actor {
                let text = "a list of `seqs` names messages of your own alone";
                return Err(Refusal::new(ErrorCode::Forbidden, text).into());
            }
            if target.state.gone.is_some() {
                gone_since = gone_since.max(target.state.as_of);
            } else {
                left.push(*seq);
            }
        }
        if left.is_empty() {
            return Err(Not::ChangedSince(gone_since));
        }
        Ok(Draft::of(self.body(DeletedBy::Sender, ranges(&left))))
    }

    fn body(&self, by: DeletedBy, seqs: Vec<(u64, u64)>) -> Body {
        let content = DeleteContent { by, seqs, reason: self.reason.clone() };
        // Cannot fail: words and numbers.
        Body::Change(ChangeKind::Delete, serde_json::to_string(&content).unwrap_or_default())
    }
}
