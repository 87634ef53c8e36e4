//! Entries as they come in: recognised, recorded, measured.

use verdict::cursor::Cursor;
use verdict::event::Event;
use verdict::history::{FOREIGN, Mark, Observation, Oddity, Via};
use wire_client::hear::{self, Entry, SyncPage};
use wire_client::scan::Malformed;

use super::{Client, Held, telling};
use crate::author::author;
use crate::shared::Shared;

impl Client {
    pub(super) fn live_entry(&mut self, shared: &Shared, entry: &Entry<'_>, now_us: u64) {
        self.entry(shared, entry, Via::Live, now_us);
    }

    pub(super) fn sync_page(
        &mut self,
        shared: &Shared,
        mut page: SyncPage<'_>,
        now_us: u64,
    ) -> Result<(), Malformed> {
        let Some(slot) = self.slot(shared, page.conversation_id, now_us) else { return Ok(()) };
        let held = &mut self.held[slot];
        let mut is_to_begin = page.is_reset;
        if page.is_reset && held.cursor.contiguous() > 0 {
            shared.counters.resets.add(1);
        }
        let head = u32::try_from(page.head).map_err(|_| Malformed)?;
        let (dev, conv, reset) = (self.number, held.conversation, page.is_reset);
        shared.record(now_us, || Event::SyncPage { dev, conv, head, reset });
        shared.common.heads.raise(conv, head);
        while let Some(json) = page.entries.next()? {
            let entry = hear::entry(json)?;
            if std::mem::take(&mut is_to_begin) {
                let first = u32::try_from(entry.seq).map_err(|_| Malformed)?;
                self.held[slot].cursor = Cursor::starting_at(first);
            }
            self.entry(shared, &entry, Via::Sync, now_us);
        }
        Ok(())
    }

    /// The view of a conversation; a leak when it is not the client's.
    pub(super) fn slot(
        &self,
        shared: &Shared,
        conversation_id: uuid::Uuid,
        now_us: u64,
    ) -> Option<usize> {
        let slot = match self.held.as_slice() {
            // Nearly every client of a big run has one conversation: no lookup needed.
            [only] => {
                let expected = shared.plan().conversations[only.conversation as usize].id;
                (expected == conversation_id).then_some(0)
            }
            many => shared.conversation(conversation_id).and_then(|conversation| {
                many.binary_search_by_key(&conversation, |held| held.conversation).ok()
            }),
        };
        if slot.is_none() {
            shared.odd(Oddity::Leak { client: self.number, conversation_id });
            let (dev, conversation) = (self.number, conversation_id);
            shared.record(now_us, || Event::Leak { dev, conversation });
        }
        slot
    }

    fn entry(&mut self, shared: &Shared, entry: &Entry<'_>, via: Via, now_us: u64) {
        let Some(slot) = self.slot(shared, entry.conversation_id, now_us) else { return };
        let Ok(seq) = u32::try_from(entry.seq) else {
            self.unreadable_frame(shared, now_us);
            return;
        };
        let Held { conversation, cursor, observations, targets, .. } = &mut self.held[slot];
        let author = author(shared.plan(), shared.options().payload, *conversation, entry);
        let conversation = *conversation;
        let is_new = cursor.take(seq, entry.id);
        if author.sender < FOREIGN && author.sender != self.number {
            targets.learn(seq, entry.is_reply);
        }
        observations.push(Observation {
            mark: Mark::of(entry.id),
            seq,
            sender: author.sender,
            number: author.number,
            connection: self.connection,
            via,
            is_altered: author.is_altered,
        });
        shared.counters.observations.add(1);
        let seen = telling::seen(conversation, seq, &author, entry);
        self.record_entry(shared, seen, via, is_new, now_us);
        if !is_new {
            // Who sends it again has not heard that it is here.
            self.held[slot].told = 0;
            return;
        }
        shared.common.heads.raise(conversation, seq);
        if author.sender == self.number || author.sender >= FOREIGN {
            return;
        }
        shared.counters.delivered.add(1);
        if let Some(due_us) = author.due_us.filter(|due_us| shared.is_measured(*due_us)) {
            shared.measures.borrow_mut().delivery.record(now_us.saturating_sub(due_us));
        }
    }
}
