//! Reactions that are rows: what operations know of them, and when they are counted.

use proto::id::{ConversationKey, UserName};

use super::{Draft, Not, Operation, Planner};
use crate::domain::entry::{Body, ChangeKind, Target};
use crate::domain::tally::{ReactionKey, ReactionRow, Tally};

impl Planner<'_> {
    /// Reactions to a message are rows from now on: its conversation is large, or very many have reacted.
    pub(in crate::operations) fn is_tallied(&self, key: ConversationKey, target: &Target) -> bool {
        let members = self.found(key).map_or(0, |snapshot| snapshot.members.len());
        let is_over = || {
            let mut users: Vec<_> = target.state.reactors().map(|(user, _)| user).collect();
            users.sort_unstable();
            users.dedup();
            users.len() >= self.messages.tally_reactors as usize
        };
        target.state.tallied || members > self.large_members || is_over()
    }

    /// What is known of the reactions to a message, as the operations before leave them.
    pub(in crate::operations) fn tally(
        &mut self,
        key: ConversationKey,
        seq: u64,
        target: &Target,
    ) -> &mut Tally {
        self.tallies.entry((key, seq)).or_insert_with(|| {
            if target.state.tallied { Tally::default() } else { Tally::of(&target.state) }
        })
    }

    /// Adds a reaction to a tallied message, or takes it back. Where the state does not say yet that it is tallied, or
    /// has no such key, an entry tells the counts at once: so a state has all keys that there are. Else they are told later.
    pub(in crate::operations) fn react_by_row(
        &mut self,
        operation: &Operation,
        seq: u64,
        (user, emoji, on): (&UserName, &str, bool),
        target: &Target,
    ) -> Result<Draft, Not> {
        let key = operation.conversation();
        let named = |user: &UserName, emoji: &str| ReactionKey {
            conversation: key,
            seq,
            user: user.clone(),
            key: emoji.to_owned(),
        };
        let (client_id, at_ms) = (operation.client_id, self.now_ms);
        let row = move |of: ReactionKey| ReactionRow { of, client_id, at_ms };
        if !target.state.tallied {
            for (user, emoji) in target.state.reactors() {
                let of = named(&user, &emoji);
                self.plan.reactions.insert(of.clone(), Some(row(of)));
            }
        }
        let tally = self.tally(key, seq, target);
        tally.set(user, emoji, on);
        let counts = tally.counts.clone();
        let of = named(user, emoji);
        self.plan.reactions.insert(of.clone(), on.then(|| row(of)));
        self.prove_head(key);
        let is_new = on && !target.state.reactions.contains_key(emoji);
        match counts.filter(|_| is_new || !target.state.tallied) {
            Some(counts) => {
                self.counted(key, seq);
                Ok(target.changed_by(seq, Body::Change(ChangeKind::Tally, counts.to_content())))
            }
            None => {
                let due_ms = self.now_ms + self.messages.tally_ms;
                // One that was planned for later had a wrong clock.
                let due_ms = target.tally_due_ms.map_or(due_ms, |kept| kept.min(due_ms));
                self.count_at(key, seq, Some(due_ms));
                Err(Not::Tallied(target.state.as_of.max(seq)))
            }
        }
    }

    /// What is told of the reactions to a message takes account of all of them.
    pub(in crate::operations) fn counted(&mut self, key: ConversationKey, seq: u64) {
        self.count_at(key, seq, None);
    }

    /// When the reactions to a message are counted, or forgotten where its content is gone.
    pub(super) fn count_at(&mut self, key: ConversationKey, seq: u64, due_ms: Option<u64>) {
        if let Some(target) = self.targets.entries.get_mut(&(key, seq)) {
            target.tally_due_ms = due_ms;
        }
        self.plan.dues.insert((key, seq), due_ms);
    }

    /// No entry of this batch may prove that what is known of a conversation is current: its head has to.
    fn prove_head(&mut self, key: ConversationKey) {
        let head = self.found(key).map_or(0, |snapshot| snapshot.head);
        let own = self.plan.entries.iter().filter(|entry| entry.conversation() == key).count();
        self.plan.heads.entry(key).or_insert_with(|| head.saturating_sub(own as u64));
    }
}
