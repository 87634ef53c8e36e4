//! `draft` keeps what a user writes and has not sent, or takes it back: an entry of their self log, for all of their devices.
//! With a `base` it takes the place of no draft that its device did not know; what it takes the place of stays in the log.

use proto::bus;
use proto::error_code::ErrorCode;
use proto::id::ConversationId;
use proto::limits;

use super::plan::{Draft as Entry, Not, Planner};
use super::set::{SEQS, hex};
use super::{Action, Asked, Operation, Rejected, Rule, Size, invalid};
use crate::domain::conversation::Refusal;
use crate::domain::drafts::{self, DraftPlace, KeptDraft, MAX_DRAFTS};
use crate::domain::entry::{Body, OwnKind};
use crate::domain::said::Said;

#[derive(Debug, Clone)]
pub struct Draft {
    pub place: DraftPlace,
    /// A JSON object; `None` takes it back.
    pub content: Option<String>,
    /// The last entry that the device knew.
    pub base: Option<u64>,
}

pub(super) fn read(asked: Asked, wire: bus::Draft) -> Result<Operation, Rejected> {
    let own = ConversationId::own(&asked.actor);
    let mut said = Said::new("draft", own);
    said.texts([hex(&wire.conversation_id).as_str()].into_iter());
    said.number(wire.thread);
    said.number(wire.base.map_or(0, |base| base.saturating_add(1)));
    let content = (!wire.content.is_empty()).then_some(wire.content);
    if let Some(content) = &content {
        if content.len() > limits::CONTENT_BYTES {
            let text = "a draft has at most 64 KiB";
            return Err(asked.rejected(None, Refusal::new(ErrorCode::TooLarge, text)));
        }
        let is_object = content.trim_start().starts_with('{');
        if !is_object || said.json(content).is_err() {
            let text = "`content` is a JSON object of at most 32 levels, or null";
            return Err(asked.rejected(None, invalid(text)));
        }
    } else {
        said.text("");
    }
    let Ok(conversation_id) = ConversationId::from_bytes(&wire.conversation_id) else {
        let refusal = invalid("`conversation_id` is a UUID");
        return Err(asked.rejected(Some(said.finish()), refusal));
    };
    if wire.thread > SEQS {
        let refusal = invalid("`thread` is the seq of its first message");
        return Err(asked.rejected(Some(said.finish()), refusal));
    }
    let place = DraftPlace { conversation_id, thread: wire.thread };
    let draft = Draft { place, content, base: wire.base };
    asked.operation(own, said, Action::Draft(draft))
}

impl Rule for Draft {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Entry, Not> {
        let (actor, place) = (&operation.actor, self.place);
        let fact = planner.draft(actor, place);
        let is_own_log = place.conversation_id == operation.conversation_id;
        // A former member may still take it back.
        let may_keep = fact.is_member && !is_own_log;
        if !may_keep && (self.content.is_some() || fact.content.is_none()) {
            let text =
                "you are not a member of the conversation of this draft, or it does not exist";
            return Err(Refusal::new(ErrorCode::NotFound, text).into());
        }
        if fact.content == self.content {
            return Err(Not::Changed);
        }
        if self.base.is_some_and(|base| fact.as_of > base) {
            let text =
                "another device has written there meanwhile: `current` is the entry with its draft";
            return Err(Refusal::conflict(fact.as_of, text).into());
        }
        if fact.content.is_none() && planner.drafts(actor) >= MAX_DRAFTS {
            let text =
                "1,000 drafts are kept, which is the most; send one of them or take it back before";
            return Err(Refusal::new(ErrorCode::QuotaExceeded, text).into());
        }
        let key = operation.conversation();
        planner.begin_own(key, actor);
        let (as_of, at_ms) = (planner.next_seq(key), planner.now_ms);
        let kept = self.content.clone().map(|content| KeptDraft {
            user_id: actor.clone(),
            place,
            content,
            as_of,
            at_ms,
        });
        planner.set_draft(actor, place, kept);
        let content = drafts::content(place, self.content.as_deref());
        Ok(Entry::of(Body::Own { kind: OwnKind::Draft, content }))
    }

    fn draft(&self) -> Option<DraftPlace> {
        Some(self.place)
    }

    fn is_own(&self) -> bool {
        true
    }

    fn size(&self) -> Size {
        Size { bytes: self.content.as_ref().map_or(0, String::len), memberships: 0 }
    }
}
