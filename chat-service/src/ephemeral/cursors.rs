//! How far members have come: the highest cursors of a batch are stored, and those that moved are told as receipts.

use std::collections::{HashMap, HashSet};

use ::bus::moments::Moments;
use proto::bus::AdvanceCursor;
use proto::frame::server::{Receipt, ServerFrame};
use proto::id::{ConversationId, ConversationKey, UserId};
use serde_json::json;

use super::parts::EphemeralParts;
use super::receivers::{Known, Told};
use crate::delivery::Outgoing;
use crate::domain::entry::CursorRow;
use crate::events::EventType;

#[derive(Debug, Default, Clone, Copy)]
struct Marks {
    delivered_seq: u64,
    read_seq: u64,
    /// Others may be told.
    is_told: bool,
}

/// The highest of each member of each conversation.
#[derive(Debug, Default)]
pub(super) struct Cursors(HashMap<(ConversationId, UserId), Marks>);

impl Cursors {
    pub(super) fn take(&mut self, user: UserId, cursor: &AdvanceCursor) {
        let Ok(id) = ConversationId::from_bytes(&cursor.conversation_id) else { return };
        let highest = self.0.entry((id, user)).or_default();
        highest.delivered_seq = highest.delivered_seq.max(cursor.delivered_seq);
        highest.read_seq = highest.read_seq.max(cursor.read_seq);
        highest.is_told |= !cursor.quiet;
    }

    /// The conversations in which a cursor may move.
    pub(super) fn conversations(&self) -> impl Iterator<Item = ConversationKey> {
        self.0.keys().map(|(id, user)| ConversationKey::new(user.tenant(), *id))
    }

    /// Stores them, with the moment where others may know it; those that moved, as they are now.
    pub(super) async fn advance(
        &self,
        parts: &EphemeralParts,
        known: &Known,
        now_ms: u64,
    ) -> Vec<CursorRow> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let rows: Vec<_> = self
            .0
            .iter()
            .map(|((conversation_id, user_id), marks)| CursorRow {
                conversation_id: *conversation_id,
                user_id: user_id.clone(),
                delivered_seq: marks.delivered_seq,
                read_seq: marks.read_seq,
            })
            .collect();
        let is_timed = |((id, user), marks): (&(ConversationId, UserId), &Marks)| {
            marks.is_told && known.tells_receipts(ConversationKey::new(user.tenant(), *id))
        };
        let is_timed: Vec<_> = self.0.iter().map(is_timed).collect();
        match parts.store.advance_cursors_at(&rows, &is_timed, now_ms).await {
            Ok(moved) => {
                let is_read = |row: &&CursorRow| {
                    let marks = self.0.get(&(row.conversation_id, row.user_id.clone()));
                    marks.is_some_and(|marks| marks.read_seq > 0)
                };
                moved.iter().filter(is_read).for_each(|row| parts.reads.told(row));
                self.tell(&moved, &parts.moments);
                moved
            }
            Err(error) => {
                tracing::warn!(%error, cursors = rows.len(), "cursors are not kept; clients send them again");
                parts.metrics.cursor_failures.inc_by(rows.len() as u64);
                Vec::new()
            }
        }
    }

    /// Other systems are told as well, also of those whose receipts members do not see.
    fn tell(&self, moved: &[CursorRow], moments: &Moments) {
        let is_wanted = |it: EventType| moments.wants(it.as_str());
        if !is_wanted(EventType::Delivered) && !is_wanted(EventType::Read) {
            return;
        }
        for row in moved {
            let CursorRow { conversation_id, user_id, delivered_seq, read_seq } = row;
            let marks = self.0.get(&(*conversation_id, user_id.clone()));
            let marks = marks.copied().unwrap_or_default();
            for (r#type, is_meant, seq) in [
                (EventType::Delivered, marks.delivered_seq > 0, delivered_seq),
                (EventType::Read, marks.read_seq > 0, read_seq),
            ] {
                if is_meant {
                    let user = user_id.name_str();
                    moments.tell(
                        r#type.as_str(),
                        user_id.tenant(),
                        || json!({ "conversation_id": conversation_id, "user": user, "seq": seq }),
                    );
                }
            }
        }
    }

    /// The receipt of a cursor that moved; of one of these users for their own devices alone.
    pub(super) fn receipt(
        &self,
        cursor: CursorRow,
        known: &Known,
        hidden: &HashSet<UserId>,
    ) -> Option<Outgoing> {
        let frame = ServerFrame::Receipt(Receipt {
            conversation_id: cursor.conversation_id,
            user_id: cursor.user_id.name(),
            delivered_seq: cursor.delivered_seq,
            read_seq: cursor.read_seq,
        });
        let marks = self.0.get(&(cursor.conversation_id, cursor.user_id.clone()));
        let is_told = marks.is_none_or(|marks| marks.is_told) && !hidden.contains(&cursor.user_id);
        let to = if is_told { Told::All } else { Told::Own };
        known.tell(cursor.conversation_id, cursor.user_id, to, frame.to_json())
    }
}
