//! Asking for the digest of heads and comparing it with what is held, as every device does: a lost last
//! push shows in nothing else.

use proto::heads::HeadsDigest;
use proto::id::{ConversationId, EntryId};
use wire_client::hear::Pong;

use super::timing::{BETWEEN_SYNCS, micros};
use super::{Client, Link};
use crate::shared::Shared;

impl Client {
    /// The first `ping` of a connection comes at another moment for each client.
    pub(super) fn begin_pings(&mut self, now_us: u64) {
        let share = u64::from(self.number.wrapping_mul(0x9E37_79B1)) % 500 + 500;
        self.next_ping_us = now_us + self.heartbeat_us / 1_000 * share;
    }

    /// Says `ping` once a heartbeat.
    pub(super) fn ping(&mut self, shared: &Shared, now_us: u64) {
        if now_us >= self.next_ping_us {
            self.next_ping_us = now_us + self.heartbeat_us;
            self.say(shared, br#"{"type":"ping"}"#);
        }
    }

    /// Syncs when the server's heads are others than those held.
    pub(super) fn compare_heads(&mut self, shared: &Shared, pong: Pong, now_us: u64) {
        if self.link != Link::Live || now_us < self.next_gap_sync_us || self.held.is_empty() {
            return;
        }
        let mut digest = HeadsDigest::default();
        for held in &self.held {
            let id = shared.plan().conversations[held.conversation as usize].id;
            let entry_id = EntryId(held.cursor.last().unwrap_or_default());
            digest.add(ConversationId(id), u64::from(held.cursor.contiguous()), entry_id);
        }
        let are_entries_known = self
            .held
            .iter()
            .all(|held| held.cursor.last().is_some() || held.cursor.contiguous() == 0);
        let is_same = match pong {
            Pong { heads2: Some(heads2), .. } if are_entries_known => {
                digest.value_with_entries() == heads2
            }
            Pong { heads, .. } => heads.is_none_or(|heads| digest.value() == heads),
        };
        if !is_same {
            shared.counters.gap_syncs.add(1);
            self.next_gap_sync_us = now_us + micros(BETWEEN_SYNCS);
            self.write_sync(shared, now_us);
        }
    }
}
