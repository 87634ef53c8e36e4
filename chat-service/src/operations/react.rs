//! `react` adds a reaction to a message, or takes one's own back: every member may.

use proto::bus;
use proto::error_code::ErrorCode;
use proto::id::UserName;
use unicode_normalization::is_nfc;

use super::plan::{Draft, Not, Planner};
use super::{Action, Asked, Counted, Operation, Rejected, Rule, invalid};
use crate::config::MessagesConfig;
use crate::domain::conversation::{self, Refusal};
use crate::domain::entry::{Body, ChangeKind, State, Target};
use crate::domain::said::Said;
use crate::domain::state::ReactionContent;

/// Longest key, in bytes.
const KEY_BYTES: usize = 64;

/// Reacts to a message, or does so no more.
#[derive(Debug, Clone)]
pub struct React {
    pub seq: u64,
    /// Mostly an emoji.
    pub key: String,
    /// The reaction is there from now on.
    pub on: bool,
}

pub(super) fn read(asked: Asked, wire: bus::React) -> Result<Operation, Rejected> {
    let conversation_id = asked.conversation_id()?;
    let mut said = Said::new("react", conversation_id);
    said.number(wire.seq);
    said.text(&wire.key);
    said.number(u64::from(wire.on));
    let wrong = match wire.seq {
        0 => Some("`seq` is that of a message, from 1"),
        _ => wrong_with(&wire.key),
    };
    if let Some(wrong) = wrong {
        return Err(asked.rejected(Some(said.finish()), invalid(wrong)));
    }
    let react = React { seq: wire.seq, key: wire.key, on: wire.on };
    asked.operation(conversation_id, said, Action::React(react))
}

/// What is wrong with a key.
fn wrong_with(key: &str) -> Option<&'static str> {
    if key.trim().is_empty() || key.len() > KEY_BYTES {
        return Some("`key` has 1 to 64 bytes");
    }
    if key.chars().any(char::is_control) {
        return Some("`key` has no control characters");
    }
    // Else one emoji would be several keys.
    (!is_nfc(key)).then_some("`key` is composed Unicode (NFC)")
}

impl Rule for React {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let key = operation.conversation();
        let from_seq = conversation::member(planner.snapshot(key)?, &operation.actor)?.from_seq;
        let target = planner.message(key, self.seq, from_seq)?.with_content()?;
        let (state, user) = (&target.state, operation.actor.name());
        if planner.is_tallied(key, &target) {
            return self.by_row(planner, operation, &user, &target);
        }
        if state.has_reacted(&user, &self.key) == self.on {
            return Err(Not::ChangedSince(state.as_of.max(self.seq)));
        }
        if self.on {
            self.check_room(state, state.keys_of(&user).count(), planner.messages)?;
        }
        let content = ReactionContent { key: self.key.clone(), on: self.on };
        // Cannot fail: a text and a word.
        let content = serde_json::to_string(&content).unwrap_or_default();
        Ok(target.changed_by(self.seq, Body::Change(ChangeKind::Reaction, content)))
    }

    fn targets(&self) -> Vec<u64> {
        vec![self.seq]
    }

    fn counted(&self) -> Option<Counted<'_>> {
        Some(Counted { seq: self.seq, added: self.on.then_some(&self.key), is_tally: false })
    }
}

impl React {
    /// To a message whose reactions are rows.
    fn by_row(
        &self,
        planner: &mut Planner<'_>,
        operation: &Operation,
        user: &UserName,
        target: &Target,
    ) -> Result<Draft, Not> {
        let rules = planner.messages;
        let tally = planner.tally(operation.conversation(), self.seq, target);
        if tally.has(user, &self.key) == self.on {
            return Err(Not::ChangedSince(target.state.as_of.max(self.seq)));
        }
        if self.on {
            let own = tally.keys_of(user).count();
            self.check_room(&target.state, own, rules)?;
        }
        planner.react_by_row(operation, self.seq, (user, &self.key, self.on), target)
    }

    /// A message has room for one more reaction of a user who has `own` there.
    fn check_room(&self, state: &State, own: usize, rules: MessagesConfig) -> Result<(), Refusal> {
        let is_new = !state.reactions.contains_key(&self.key);
        let text = if is_new && state.reactions.len() >= rules.reaction_keys as usize {
            format!("a message has reactions of at most {} kinds", rules.reaction_keys)
        } else if own >= rules.user_reaction_keys as usize {
            let most = rules.user_reaction_keys;
            format!("you have {most} reactions on this message, which is the most")
        } else {
            return Ok(());
        };
        Err(Refusal::new(ErrorCode::QuotaExceeded, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_composed_and_visible() {
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        for good in ["👍", "👍🏽", family, "❤\u{fe0f}", "+1", "ok!", "é", &"x".repeat(64)]
        {
            assert_eq!(wrong_with(good), None, "{good:?}");
        }
        for bad in ["", " ", "a\0", "a\nb", "\u{85}x", "e\u{301}", &"x".repeat(65)] {
            assert!(wrong_with(bad).is_some(), "{bad:?}");
        }
    }
}
