//! The ephemeral part of a batch, merged where merging loses nothing.

use proto::bus::{finding, frame::Body};
use proto::id::{ConversationId, ConversationKey, UserId};

use super::cursors::Cursors;
use super::parts::EphemeralParts;
use super::profiles::Profiles;
use super::receivers::Known;
use super::signals;
use super::thread_reads::{self, ThreadReads};
use super::typing::TypingStates;
use crate::delivery::{self, Asker, Outgoing, What};
use crate::domain::cache::Cache;

/// Everything of a batch that is no operation.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    cursors: Cursors,
    thread_reads: ThreadReads,
    typing: TypingStates,
    profiles: Profiles,
    /// In their order.
    signals: Vec<Outgoing>,
    /// About which entries somebody asks where they were pushed.
    asked: Vec<(Asker, ConversationKey, u64)>,
}

impl Collected {
    /// Takes a body that is no operation. Malformed ones are dropped: the gateway made them.
    pub(crate) fn take(&mut self, asker: &Asker, body: Body) {
        if let Body::Signal(signal) = body {
            self.signals.extend(signals::outgoing(asker, signal));
            return;
        }
        let Ok(user) = UserId::parse_qualified(&asker.origin.user_id) else { return };
        match body {
            Body::AdvanceCursor(cursor) if cursor.thread > 0 => {
                self.thread_reads.take(user, &cursor);
            }
            Body::AdvanceCursor(cursor) => self.cursors.take(user, &cursor),
            Body::Typing(typing) => self.typing.take(user, asker, &typing),
            Body::Profile(_) => self.profiles.take(user, asker),
            Body::AskPushed(ask) => {
                if let Ok(id) = ConversationId::from_bytes(&ask.conversation_id) {
                    let key = ConversationKey::new(user.tenant(), id);
                    self.asked.push((asker.clone(), key, ask.seq));
                }
            }
            // Operations are no part of it, and what users choose is for presence.
            Body::Operation(_)
            | Body::SetStatus(_)
            | Body::Signal(_)
            // In a queue of its own.
            | Body::NoticeCursors(_) => {}
        }
    }

    /// Stores what is to be stored and adds what is to be told.
    pub(crate) async fn run(
        self,
        parts: &EphemeralParts,
        cache: &mut Cache,
        now_ms: u64,
        outgoing: &mut Vec<Outgoing>,
    ) {
        outgoing.extend(self.signals);
        for (asker, key, seq) in self.asked {
            let pushed = finding::Finding::Pushed(parts.push_log.find(key, seq));
            outgoing.push(delivery::answer(&asker, What::Finding(pushed)));
        }
        self.profiles.store(parts, now_ms).await;
        let mut keys: Vec<_> = self.cursors.conversations().collect();
        keys.extend(self.thread_reads.conversations());
        keys.extend(self.typing.conversations());
        let known = Known::of(parts, cache, keys).await;
        let moved = self.cursors.advance(parts, &known, now_ms).await;
        let of_threads = self.thread_reads.advance(parts).await;
        let movers = moved.iter().map(|row| row.user_id.clone()).collect();
        let hidden = parts.discreet.among(&*parts.store, movers).await;
        outgoing.extend(
            moved.into_iter().filter_map(|cursor| self.cursors.receipt(cursor, &known, &hidden)),
        );
        outgoing.extend(of_threads.into_iter().filter_map(|it| thread_reads::told(it, &known)));
        outgoing.extend(self.typing.outgoing(&known, &parts.moments));
        known.keep(cache);
    }
}
