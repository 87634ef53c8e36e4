//! `set` changes what a user set of their own: an entry of their self log, which is made with its first entry. The list of
//! what may be set is closed, and a user who is no member of a conversation sets nothing for it.

use std::fmt::Write as _;

use proto::bus;
use proto::error_code::ErrorCode;
use proto::id::{ConversationId, ConversationKey};

use super::plan::{Draft, Not, Planner};
use super::{Action, Asked, Operation, Rejected, Rule, Size, invalid};
use crate::domain::conversation::Refusal;
use crate::domain::entry::{Body, OwnKind};
use crate::domain::own::{self, MAX_FOLLOWED, Place, Scope, Setting, VALUE_BYTES, Value, What};
use crate::domain::said::Said;

#[derive(Debug, Clone)]
pub struct Set {
    pub place: Place,
    /// `None`: as where nothing was ever set.
    pub value: Option<Value>,
    /// The last entry that the actor knew.
    pub base: Option<u64>,
}

pub(super) fn read(asked: Asked, wire: &bus::Set) -> Result<Operation, Rejected> {
    let own = ConversationId::own(&asked.actor);
    let mut said = Said::new("set", own);
    said.text(&wire.what);
    said.number(wire.conversation_id.len() as u64);
    said.texts([hex(&wire.conversation_id).as_str()].into_iter());
    said.number(wire.thread);
    said.number(wire.base.map_or(0, |base| base.saturating_add(1)));
    if wire.value.len() > VALUE_BYTES {
        let refusal = Refusal::new(ErrorCode::TooLarge, "`value` has at most 4,096 bytes");
        return Err(asked.rejected(None, refusal));
    }
    if said.json(&wire.value).is_err() {
        return Err(asked.rejected(None, invalid("`value` is JSON")));
    }
    match set(wire) {
        Ok(set) => asked.operation(own, said, Action::Set(set)),
        Err(refusal) => Err(asked.rejected(Some(said.finish()), refusal)),
    }
}

/// What a frame asks for, or what is wrong with it.
fn set(wire: &bus::Set) -> Result<Set, Refusal> {
    let what = What::of(&wire.what).ok_or_else(|| match wire.what.as_str() {
        "status" => invalid("the status is not set here: send the frame `status`"),
        _ => invalid(
            "`what` is `mute`, `archive`, `pin`, `hidden`, `marked_unread`, `follow_thread`, `push` or `privacy`",
        ),
    })?;
    let scope = what.scope();
    let conversation_id = match (scope, wire.conversation_id.is_empty()) {
        (Scope::User, true) => None,
        (Scope::User, false) => {
            return Err(invalid(
                "`push` and `privacy` are for all conversations: leave `conversation_id` out",
            ));
        }
        (_, true) => {
            return Err(invalid("`conversation_id` says for which conversation it is set"));
        }
        (_, false) => Some(
            ConversationId::from_bytes(&wire.conversation_id)
                .map_err(|_| invalid("`conversation_id` is a UUID"))?,
        ),
    };
    match (scope, wire.thread) {
        (Scope::Thread, 1..=SEQS) | (Scope::User | Scope::Conversation, 0) => {}
        (Scope::Thread, _) => {
            return Err(invalid("`thread` is the seq of its first message, from 1"));
        }
        _ => return Err(invalid("`thread` is for `follow_thread` alone")),
    }
    let place = Place { conversation_id, what, thread: wire.thread };
    Ok(Set { place, value: own::check(what, &wire.value)?, base: wire.base })
}

/// The highest seq that a database keeps.
pub(super) const SEQS: u64 = i64::MAX as u64;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Cannot fail: it writes into a text.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Rule for Set {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let (actor, place) = (&operation.actor, self.place);
        let fact = planner.own(actor, place);
        if let Some(id) = place.conversation_id
            && (!fact.is_member || id == operation.conversation_id)
        {
            let text = "you are not a member of the conversation that this is set for, or it does not exist";
            return Err(Refusal::new(ErrorCode::NotFound, text).into());
        }
        if fact.json.as_deref() == self.value.as_ref().map(|value| value.json.as_str()) {
            return Err(Not::Changed);
        }
        if self.base.is_some_and(|base| fact.as_of > base) {
            let text = "another device has set this meanwhile: `current` is its entry";
            return Err(Refusal::conflict(fact.as_of, text).into());
        }
        let is_new = fact.json.is_none();
        if place.what == What::FollowThread && is_new && planner.followed(actor) >= MAX_FOLLOWED {
            let text = "1,000 threads are followed, or not, by hand, which is the most; set one of them to null before";
            return Err(Refusal::new(ErrorCode::QuotaExceeded, text).into());
        }
        let key = operation.conversation();
        planner.begin_own(key, actor);
        let as_of = planner.next_seq(key);
        let is_followed = self.value.as_ref().is_some_and(|value| value.json == "true");
        if let (What::FollowThread, Some(id), true) =
            (place.what, place.conversation_id, is_followed)
        {
            let of = ConversationKey::new(actor.tenant(), id);
            planner.follow_by_hand(of, place.thread, actor, fact.head);
        }
        let setting =
            self.value.clone().map(|value| Setting { user_id: actor.clone(), place, value, as_of });
        planner.set_own(actor, place, setting);
        let content = own::content(&place, self.value.as_ref());
        Ok(Draft::of(Body::Own { kind: OwnKind::Set, content }))
    }

    fn own(&self) -> Option<Place> {
        Some(self.place)
    }

    fn is_own(&self) -> bool {
        true
    }

    fn size(&self) -> Size {
        Size { bytes: self.value.as_ref().map_or(0, |value| value.json.len()), memberships: 0 }
    }
}
