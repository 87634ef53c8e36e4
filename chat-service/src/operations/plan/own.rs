//! Self logs, for the operations that write to them. For all others there is none, so that nobody learns who has one, and
//! nothing but what is set comes into it.

use proto::error_code::ErrorCode;
use proto::id::{ConversationKey, UserId};

use super::{Draft, Not, Operation, Planner};
use crate::domain::conversation::Refusal;
use crate::domain::drafts::{DraftFact, DraftPlace, KeptDraft};
use crate::domain::entry::ConversationKind;
use crate::domain::own::{Fact, Place, Setting, What};

impl Planner<'_> {
    /// What an operation comes to. One that is not for self logs finds none.
    pub(super) fn applied(&mut self, operation: &Operation) -> Result<Draft, Not> {
        let rule = operation.action.rule();
        let key = operation.conversation();
        let is_self_log =
            self.found(key).is_some_and(|snapshot| snapshot.kind == ConversationKind::SelfLog);
        if rule.is_own() || !is_self_log {
            return rule.apply(self, operation);
        }
        let hidden = self.conversations.insert(key, None);
        let applied = rule.apply(self, operation);
        if let Some(snapshot) = hidden {
            self.conversations.insert(key, snapshot);
        }
        match applied {
            Err(Not::Allowed(_)) if key.id == proto::id::ConversationId::own(&operation.actor) => {
                let text = "this is your self log, which takes `set` and `draft` alone";
                Err(Refusal::new(ErrorCode::Forbidden, text).into())
            }
            applied => applied,
        }
    }

    /// A setting, as the operations before leave it.
    pub(in crate::operations) fn own(&self, user: &UserId, place: Place) -> Fact {
        let at = (user.clone(), place);
        let mut fact = self.own.settings.get(&at).cloned().unwrap_or_default();
        if let Some(setting) = self.plan.settings.get(&at) {
            fact.json = setting.as_ref().map(|setting| setting.value.json.clone());
            fact.as_of = setting.as_ref().map_or(0, |setting| setting.as_of);
        }
        fact
    }

    /// How many threads a user follows, or does not, by hand.
    pub(in crate::operations) fn followed(&self, user: &UserId) -> u32 {
        self.own.followed.get(user).copied().unwrap_or_default()
    }

    /// Keeps a setting as it is now; `None`: as where nothing was ever set.
    pub(in crate::operations) fn set_own(
        &mut self,
        user: &UserId,
        place: Place,
        setting: Option<Setting>,
    ) {
        if place.what == What::FollowThread {
            let was_set = self.own(user, place).json.is_some();
            let followed = self.own.followed.entry(user.clone()).or_default();
            match (was_set, setting.is_some()) {
                (false, true) => *followed += 1,
                (true, false) => *followed = followed.saturating_sub(1),
                _ => {}
            }
        }
        self.plan.settings.insert((user.clone(), place), setting);
    }

    /// A draft, as the operations before leave it.
    pub(in crate::operations) fn draft(&self, user: &UserId, place: DraftPlace) -> DraftFact {
        let at = (user.clone(), place);
        let mut fact = self.own.drafts.drafts.get(&at).cloned().unwrap_or_default();
        if let Some(kept) = self.plan.drafts.get(&at) {
            fact.content = kept.as_ref().map(|kept| kept.content.clone());
            fact.as_of = kept.as_ref().map_or(0, |kept| kept.as_of);
        }
        fact
    }

    /// How many drafts a user keeps.
    pub(in crate::operations) fn drafts(&self, user: &UserId) -> u32 {
        self.own.drafts.counts.get(user).copied().unwrap_or_default()
    }

    /// Keeps a draft as it is now; `None`: it is taken back.
    pub(in crate::operations) fn set_draft(
        &mut self,
        user: &UserId,
        place: DraftPlace,
        kept: Option<KeptDraft>,
    ) {
        let was_kept = self.draft(user, place).content.is_some();
        let count = self.own.drafts.counts.entry(user.clone()).or_default();
        match (was_kept, kept.is_some()) {
            (false, true) => *count += 1,
            (true, false) => *count = count.saturating_sub(1),
            _ => {}
        }
        self.plan.drafts.insert((user.clone(), place), kept);
    }

    /// Makes the self log of a user where there is none.
    pub(in crate::operations) fn begin_own(&mut self, key: ConversationKey, user: &UserId) {
        if self.found(key).is_none() {
            self.begin(key, ConversationKind::SelfLog, "", std::slice::from_ref(user), None);
        }
    }
}
