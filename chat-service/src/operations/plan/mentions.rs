//! Whom messages mention, and who follows the threads that they are said in.

use std::collections::BTreeSet;

use proto::id::{ConversationKey, UserId, UserName};

use super::Planner;
use crate::domain::entry::{Entry, FollowRow, MentionKey, MentionRow, Target};

/// Those whom an entry mentions, each once. An entry that mentions all members mentions nobody apart; nobody mentions themselves.
pub(super) fn of(entry: &Entry) -> impl Iterator<Item = MentionRow> + use<'_> {
    let message = entry.body.message();
    let all = message.filter(|message| message.mention_all).map(|_| row(entry, None));
    let names = message.filter(|message| !message.mention_all && !message.mentions.is_empty());
    let named = names
        .map_or(BTreeSet::new(), |message| others(&message.mentions, &entry.author.id).collect());
    all.into_iter().chain(named.into_iter().map(|user| row(entry, Some(user))))
}

/// The users whom an author names beside themselves.
fn others<'a>(names: &'a [UserName], author: &UserId) -> impl Iterator<Item = UserName> + use<'a> {
    let own = author.name();
    names.iter().filter(move |user| **user != own).cloned()
}

impl Target {
    /// Those whom a message mentions apart, as its last edit left it.
    pub(super) fn named(&self) -> BTreeSet<UserName> {
        let names = if self.state.edited.is_some() { &self.state.mentions } else { &self.mentions };
        if self.mention_all { BTreeSet::new() } else { others(names, &self.author).collect() }
    }
}

fn row(entry: &Entry, user: Option<UserName>) -> MentionRow {
    MentionRow {
        conversation: entry.conversation(),
        seq: entry.seq,
        user,
        thread: entry.thread.filter(|_| !entry.also_in_main),
        at_ms: entry.created_at_ms,
    }
}

impl Planner<'_> {
    /// An edit mentions those whom it names and no others. Who is named anew is mentioned from now on, in the place of the
    /// message: a member who has read that far has nothing unread by it.
    pub(super) fn name_anew(
        &mut self,
        key: ConversationKey,
        seq: u64,
        target: &Target,
        before: &BTreeSet<UserName>,
    ) {
        let after = target.named();
        for user in before.difference(&after) {
            self.unname(key, seq, Some(user.clone()));
        }
        let is_apart = target.thread.is_some() && !target.also_in_main;
        for user in after.difference(before) {
            let row = MentionRow {
                conversation: key,
                seq,
                user: Some(user.clone()),
                thread: target.thread.filter(|_| is_apart),
                at_ms: self.now_ms,
            };
            self.plan.mentions.insert(row.key(), Some(row));
            if let Some(thread) = target.thread {
                self.follow(key, thread, &user.of(key.tenant), seq - 1);
            }
        }
    }

    /// What is gone mentions nobody.
    pub(super) fn name_nobody(
        &mut self,
        key: ConversationKey,
        seq: u64,
        target: &Target,
        named: BTreeSet<UserName>,
    ) {
        for user in named {
            self.unname(key, seq, Some(user));
        }
        if target.mention_all {
            self.unname(key, seq, None);
        }
    }

    fn unname(&mut self, conversation: ConversationKey, seq: u64, user: Option<UserName>) {
        self.plan.mentions.insert(MentionKey { conversation, seq, user }, None);
    }

    /// Has a member follow a thread, of which everything up to `read_seq` counts as read. Nothing changes for one who
    /// follows it already.
    pub(in crate::operations) fn follow(
        &mut self,
        key: ConversationKey,
        thread: u64,
        user: &UserId,
        read_seq: u64,
    ) {
        if !self.found(key).is_some_and(|snapshot| snapshot.members.contains_key(user)) {
            return;
        }
        let (conversation_id, user_id, at_ms) = (key.id, user.clone(), self.now_ms);
        let row = FollowRow { conversation_id, thread, user_id, read_seq, at_ms, by_hand: false };
        let kept = self.plan.follows.entry((key, thread, user.clone())).or_insert(row);
        kept.by_hand = false;
    }

    /// Gives a thread that a user follows by hand a cursor, where it has none.
    pub(in crate::operations) fn follow_by_hand(
        &mut self,
        key: ConversationKey,
        thread: u64,
        user: &UserId,
        read_seq: u64,
    ) {
        let (conversation_id, user_id, at_ms) = (key.id, user.clone(), self.now_ms);
        let row = FollowRow { conversation_id, thread, user_id, read_seq, at_ms, by_hand: true };
        self.plan.follows.entry((key, thread, user.clone())).or_insert(row);
    }
}
