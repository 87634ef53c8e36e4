//! What the client does and hears, as events of the recorded history. Nothing of it costs anything
//! while no history is written.

use verdict::event::{CursorKind, Doubt, Event, Seen, Way, from_sender, text_hash};
use verdict::history::Via;
use wire_client::hear::{self, Entry, Sent};
use wire_client::message::{Canary, MIN_PAYLOAD_BYTES};

use super::{Client, HangUp};
use crate::author::Author;
use crate::shared::Shared;

/// An entry as an event has it.
pub fn seen(conv: u32, seq: u32, author: &Author, entry: &Entry<'_>) -> Seen {
    let from = from_sender(author.sender);
    Seen { conv, seq, id: entry.id, cid: entry.client_id, from, hash: text_hash(entry.text) }
}

impl Client {
    pub(super) fn record_invoke(&self, shared: &Shared, canary: Canary, again: bool, now_us: u64) {
        shared.record(now_us, || {
            let cid = shared.plan().run.client_id(canary.sender, canary.number, canary.due_us).0;
            let mut text = Vec::with_capacity(MIN_PAYLOAD_BYTES);
            wire_client::message::write_text(&mut text, canary, shared.options().payload);
            let (dev, n, hash) = (self.number, canary.number, text_hash(&text));
            Event::Invoke { dev, conv: canary.conversation, n, cid, hash, again }
        });
    }

    pub(super) fn record_answer(&self, shared: &Shared, sent: &Sent, now_us: u64) {
        shared.record(now_us, || {
            let n = shared
                .plan()
                .run
                .sender_of(sent.client_id)
                .filter(|(sender, _)| *sender == self.number)
                .map(|(_, number)| number);
            let seq = u32::try_from(sent.seq).unwrap_or(u32::MAX);
            let (dev, conv) = (self.number, shared.conversation(sent.conversation_id));
            Event::Ok { dev, conv, n, cid: sent.client_id, seq, id: sent.id }
        });
    }

    pub(super) fn record_refusal(&self, shared: &Shared, n: u32, code: String, now_us: u64) {
        shared.record(now_us, || Event::Fail { dev: self.number, n, code });
    }

    pub(super) fn record_doubt(&self, shared: &Shared, n: u32, why: Doubt, now_us: u64) {
        shared.record(now_us, || Event::Info { dev: self.number, n, why });
    }

    pub(super) fn record_entry(
        &self,
        shared: &Shared,
        entry: Seen,
        via: Via,
        shown: bool,
        now_us: u64,
    ) {
        shared.record(now_us, || {
            let via = if via == Via::Live { Way::Live } else { Way::Sync };
            Event::Recv { dev: self.number, epoch: self.connection, entry, via, shown }
        });
    }

    pub(super) fn record_sync(&self, shared: &Shared, now_us: u64) {
        shared.record(now_us, || {
            let held = || self.held.iter().filter(|held| held.cursor.highest() > 0);
            let cursors =
                held().map(|held| (held.conversation, held.cursor.contiguous())).collect();
            let entries =
                held().filter_map(|held| Some((held.conversation, held.cursor.last()?))).collect();
            Event::SyncBegin { dev: self.number, epoch: self.connection, cursors, entries }
        });
    }

    pub(super) fn record_sync_end(&self, shared: &Shared, done: bool, now_us: u64) {
        let (dev, epoch) = (self.number, self.connection);
        shared.record(now_us, || Event::SyncEnd { dev, epoch, done });
    }

    pub(super) fn record_delivered(&self, shared: &Shared, conv: u32, seq: u32, now_us: u64) {
        let kind = CursorKind::Delivered;
        shared.record(now_us, || Event::Cursor { dev: self.number, conv, kind, seq });
    }

    pub(super) fn record_open(&self, shared: &Shared, now_us: u64) {
        let (dev, epoch, gateway) = (self.number, self.connection, self.gateway);
        shared.record(now_us, || Event::Open { dev, epoch, gateway });
    }

    /// The connection is gone, and with it the answers to what was written on it.
    pub(super) fn record_close(&self, shared: &Shared, end: &HangUp, now_us: u64) {
        if shared.common.recorder.is_none() {
            return;
        }
        for n in self.outbox.written() {
            self.record_doubt(shared, n, Doubt::Lost, now_us);
        }
        let (code, by_peer) = match end {
            HangUp::Closed(code) => (*code, true),
            HangUp::Broken(_) => (1006, true),
            HangUp::Done | HangUp::Redirected(_) => (1000, false),
            HangUp::Silent => (1006, false),
        };
        let (dev, epoch) = (self.number, self.connection);
        shared.record(now_us, || Event::Close { dev, epoch, code, by_peer });
    }

    /// How far another member is. Of use to the history only.
    pub(super) fn hear_receipt(&self, shared: &Shared, json: &[u8], now_us: u64) {
        if shared.common.recorder.is_none() {
            return;
        }
        let Ok(receipt) = hear::receipt(json) else {
            return self.record_unreadable(shared, now_us);
        };
        let user = shared.plan().run.client_of(receipt.user_id.as_bytes());
        let (Some(user), Some(conv)) = (user, shared.conversation(receipt.conversation_id)) else {
            return self.record_unreadable(shared, now_us);
        };
        let (delivered, read) = (receipt.delivered_seq, receipt.read_seq);
        let (dev, epoch) = (self.number, self.connection);
        shared.record(now_us, || Event::Receipt { dev, epoch, conv, user, delivered, read });
    }

    /// How another user is. Of use to the history only.
    pub(super) fn hear_presence(&self, shared: &Shared, json: &[u8], now_us: u64) {
        if shared.common.recorder.is_none() {
            return;
        }
        let Ok(presence) = hear::presence(json) else {
            return self.record_unreadable(shared, now_us);
        };
        let Some(user) = shared.plan().run.client_of(presence.user_id.as_bytes()) else {
            return self.record_unreadable(shared, now_us);
        };
        let (dev, epoch, status) = (self.number, self.connection, presence.status);
        shared.record(now_us, || Event::Presence { dev, epoch, user, status });
    }

    pub(super) fn record_unreadable(&self, shared: &Shared, now_us: u64) {
        shared.record(now_us, || Event::Unreadable { dev: self.number });
    }
}
