//! What is mixed into the texts of a pair: reactions, replies and mentions (`options/mix.rs`).
//!
//! A reaction is no send: it has no text that names it, it is not repeated after a lost connection, and its entry is in
//! the log as one that no client has written. Its answer counts as an acknowledgement like that of a send.

use proto::id::{ClientId, ConversationId};
use uuid::Uuid;
use verdict::history::{Mark, Observation, SYSTEM, Via};
use wire_client::hear::Sent;
use wire_client::message;

use super::{Client, Held, Link};
use crate::options::Part;
use crate::shared::Shared;

/// Replies of a device in a thread before it begins another one.
const REPLIES: u32 = 4;

/// What a text has beside itself. Kept with the send, so that a repeat has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addition {
    /// Nothing.
    None,
    /// The first message of its thread.
    Thread(u32),
    /// It mentions the partner.
    Mention,
}

/// The messages of a conversation that a device reacts and replies to.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// The partner's last message.
    last: u32,
    /// The partner's last message that is no reply: in a thread no other one begins.
    last_in_main: u32,
    /// Where the device reacted last, and whether the reaction is there.
    reacted: (u32, bool),
    /// The thread in which it replies, and how often it did.
    thread: (u32, u32),
}

impl Targets {
    /// Learns of a message of the partner.
    pub(super) fn learn(&mut self, seq: u32, is_reply: bool) {
        self.last = self.last.max(seq);
        if !is_reply {
            self.last_in_main = self.last_in_main.max(seq);
        }
    }

    /// The message to react to, and whether to add the reaction: where it is there, it is taken back.
    fn react(&mut self) -> Option<(u32, bool)> {
        let on = self.reacted != (self.last, true);
        self.reacted = (self.last, on);
        (self.last > 0).then_some(self.reacted)
    }

    /// The first message of the thread to reply in.
    fn reply(&mut self) -> Option<u32> {
        let (root, replies) = self.thread;
        let goes_on = root > 0 && replies < REPLIES;
        self.thread = if goes_on { (root, replies + 1) } else { (self.last_in_main, 1) };
        (self.thread.0 > 0).then_some(self.thread.0)
    }
}

/// Reactions that are not answered.
#[derive(Debug, Default)]
pub(super) struct Reactions {
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    client_id: Uuid,
    slot: usize,
    due_us: u64,
}

impl Reactions {
    /// How many are unanswered.
    pub(super) fn len(&self) -> u32 {
        self.waiting.len() as u32
    }

    /// The connection is gone, and with it the answers.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }
}

impl Client {
    /// Does what the mix says is next, a reaction at once; else what the next send has beside its text. Where there is
    /// nothing to react or reply to yet, that is nothing.
    pub(super) fn mixed(
        &mut self,
        shared: &Shared,
        slot: u32,
        due_us: u64,
        now_us: u64,
    ) -> Option<Addition> {
        let part = shared.options().mix.part(self.number, self.made);
        self.made = self.made.wrapping_add(1);
        let is_paused = self.leaving.is_some() || now_us < self.paused_until_us;
        let is_open = self.link == Link::Live && !is_paused;
        let Held { targets, cursor, .. } = &mut self.held[slot as usize];
        match part {
            Part::Reaction if is_open => match targets.react() {
                Some((seq, on)) => {
                    self.react(shared, slot as usize, due_us, (seq, on));
                    None
                }
                None => Some(Addition::None),
            },
            Part::Reply => Some(targets.reply().map_or(Addition::None, Addition::Thread)),
            // Where there is no conversation yet nobody is a member.
            Part::Mention if cursor.highest() > 0 => Some(Addition::Mention),
            Part::Reaction | Part::Mention | Part::Text => Some(Addition::None),
        }
    }

    fn react(&mut self, shared: &Shared, slot: usize, due_us: u64, (seq, on): (u32, bool)) {
        let client_id = Uuid::now_v7();
        self.reactions.waiting.push(Waiting { client_id, slot, due_us });
        let conversation = self.held[slot].conversation;
        let id = ConversationId(shared.plan().conversations[conversation as usize].id);
        let mut frame = shared.scratch.borrow_mut();
        frame.clear();
        message::write_reaction(&mut frame, ClientId(client_id), id, seq.into(), on);
        self.say(shared, &frame);
        shared.counters.written.add(1);
    }

    /// An answer to a reaction; false when it is one to something else.
    pub(super) fn reacted(&mut self, shared: &Shared, sent: &Sent, now_us: u64) -> bool {
        let waiting = &mut self.reactions.waiting;
        let Some(at) = waiting.iter().position(|it| it.client_id == sent.client_id) else {
            return false;
        };
        let Waiting { slot, due_us, .. } = waiting.swap_remove(at);
        let Ok(seq) = u32::try_from(sent.seq) else {
            self.unreadable_frame(shared, now_us);
            return true;
        };
        let Held { conversation, cursor, observations, .. } = &mut self.held[slot];
        cursor.take(seq, sent.id);
        // No push brings it: the answer stands for the entry.
        observations.push(Observation {
            mark: Mark::of(sent.id),
            seq,
            sender: SYSTEM,
            number: 0,
            connection: self.connection,
            via: Via::Sync,
            is_altered: false,
        });
        shared.common.heads.raise(*conversation, seq);
        shared.counters.acknowledged.add(1);
        shared.counters.reactions.add(1);
        if shared.is_measured(due_us) {
            let latency_us = now_us.saturating_sub(due_us);
            shared.measures.borrow_mut().acknowledgement.record(latency_us);
        }
        self.refill(shared, now_us);
        self.write_sends(shared, now_us);
        self.leave_when_answered(now_us);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reaction_is_never_one_that_changes_nothing() {
        let mut targets = Targets::default();
        assert_eq!(targets.react(), None);
        targets.learn(3, false);
        assert_eq!(targets.react(), Some((3, true)));
        assert_eq!(targets.react(), Some((3, false)));
        assert_eq!(targets.react(), Some((3, true)));
        targets.learn(7, true);
        assert_eq!(targets.react(), Some((7, true)));
    }

    #[test]
    fn threads_begin_at_messages_that_are_in_none_and_have_several_replies() {
        let mut targets = Targets::default();
        assert_eq!(targets.reply(), None);
        targets.learn(3, false);
        targets.learn(4, true);
        let mut threads: Vec<_> = (0..3).filter_map(|_| targets.reply()).collect();
        targets.learn(9, false);
        threads.extend((0..3).filter_map(|_| targets.reply()));
        assert_eq!(threads, [3, 3, 3, 3, 9, 9]);
    }
}
