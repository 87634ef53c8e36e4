//! `edit` gives a message another content, whole: its author may, within `messages.edit_secs`. The owner and the admins of a
//! group and bots may at any time. Nobody edits what another has written.

use proto::bus;
use proto::error_code::ErrorCode;
use proto::id::{ConversationId, UserId};
use serde_json::value::RawValue;

use super::plan::{Draft, Not, Planner};
use super::{Action, Asked, Operation, Rejected, Rule, Size, invalid, users};
use crate::domain::content::{self, Writer};
use crate::domain::conversation::{self, Refusal};
use crate::domain::entry::{Body, ChangeKind, Role, Snapshot, Target};
use crate::domain::said::Said;
use crate::domain::state::EditContent;

/// Gives a message another content.
#[derive(Debug, Clone)]
pub struct Edit {
    pub seq: u64,
    /// A JSON object, to be checked by the kind of the message.
    pub content: String,
    /// Users named in it.
    pub mentions: Vec<UserId>,
    /// A checked JSON object.
    pub extra: Option<String>,
    /// The last edit that its author has seen, 0 for none: another one is a conflict.
    pub base: Option<u64>,
    /// The token has the role `admin`: its user may write notices.
    pub is_operator: bool,
}

pub(super) fn read(asked: Asked, wire: bus::Edit) -> Result<Operation, Rejected> {
    let conversation_id = asked.conversation_id()?;
    let mentions = users(&wire.mentions)?;
    let mut said = Said::new("edit", conversation_id);
    said.number(wire.seq);
    said.number(wire.base.map_or(0, |base| base.saturating_add(1)));
    said.texts(wire.mentions.iter().map(String::as_str));
    let mut refusal = content::check_bounds(&wire.content, &mut said).err();
    let mut is_said = refusal.is_none();
    if !wire.extra.is_empty()
        && let Err(wrong) = content::check_extra(&wire.extra, &mut said)
    {
        is_said = false;
        refusal = refusal.or(Some(wrong));
    }
    if mentions.len() > proto::limits::MENTIONS {
        refusal = refusal.or_else(|| Some(invalid("a message names at most 64 users")));
    }
    if wire.seq == 0 {
        refusal = refusal.or_else(|| Some(invalid("`seq` is that of a message, from 1")));
    }
    if let Some(refusal) = refusal {
        return Err(asked.rejected(is_said.then(|| said.finish()), refusal));
    }
    let edit = Edit {
        seq: wire.seq,
        content: wire.content,
        mentions,
        extra: (!wire.extra.is_empty()).then_some(wire.extra),
        base: wire.base,
        is_operator: asked.is_admin,
    };
    asked.operation(conversation_id, said, Action::Edit(edit))
}

impl Rule for Edit {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let key = operation.conversation();
        let member = conversation::member(planner.snapshot(key)?, &operation.actor)?;
        let target = planner.message(key, self.seq, member.from_seq)?.with_content()?;
        if target.author != operation.actor {
            let text = "a message is edited by its author only";
            return Err(Refusal::new(ErrorCode::Forbidden, text).into());
        }
        let (rules, age) = (planner.messages, planner.now_ms.saturating_sub(target.created_at_ms));
        let is_bound = member.role == Role::Member && !operation.is_bot;
        if is_bound && age > rules.edit_secs.saturating_mul(1_000) {
            let text =
                format!("a message can be edited for {} s after it was sent", rules.edit_secs);
            return Err(Refusal::new(ErrorCode::Forbidden, text).into());
        }
        let last = target.state.last_edit();
        if self.base.is_some_and(|base| base != last) {
            let text = "this message was edited meanwhile; look at `current` and edit that";
            return Err(Refusal::new(ErrorCode::Conflict, text).with_current(last).into());
        }
        if target.state.edited.is_some_and(|edited| edited.count >= rules.edits) {
            let text = format!("a message can be edited {} times", rules.edits);
            return Err(Refusal::new(ErrorCode::QuotaExceeded, text).into());
        }
        let content = self.checked(operation.conversation_id, &target)?;
        self.check_mentions(planner.snapshot(key)?)?;
        Ok(target.changed_by(self.seq, Body::Change(ChangeKind::Edit, content)))
    }

    fn targets(&self) -> Vec<u64> {
        vec![self.seq]
    }

    fn size(&self) -> Size {
        let bytes = self.content.len() + self.extra.as_ref().map_or(0, String::len);
        Size { bytes, memberships: 0 }
    }
}

impl Edit {
    /// What the entry says, once it is what a message of this kind may say.
    fn checked(&self, at: ConversationId, target: &Target) -> Result<String, Refusal> {
        let mut said = Said::new("edit", at);
        let content = self.content.clone();
        let (is_operator, mentions) = (self.is_operator, &self.mentions);
        let writer = Writer { is_operator, mentions, mention_all: false };
        let checked = content::check(&target.kind, content, writer, &mut said);
        if let Some(refusal) = checked.refusal {
            return Err(refusal);
        }
        let raw = |json: &str| RawValue::from_string(json.to_owned());
        let written = raw(&checked.content).and_then(|content| {
            let extra = self.extra.as_deref().map(raw).transpose()?;
            serde_json::to_string(&EditContent {
                content: &content,
                mentions: self.mentions.iter().map(UserId::name).collect(),
                extra: extra.as_deref(),
            })
        });
        written.map_err(|_| invalid("`content` is a JSON object"))
    }

    fn check_mentions(&self, snapshot: &Snapshot) -> Result<(), Refusal> {
        match self.mentions.iter().find(|user| !snapshot.members.contains_key(*user)) {
            Some(user) => Err(invalid(&format!(
                "`mentions` names {}, who is not a member of this conversation",
                user.name_str()
            ))),
            None => Ok(()),
        }
    }
}
