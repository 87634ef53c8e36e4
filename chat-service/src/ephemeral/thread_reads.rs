//! How far members have read threads that they follow: the highest of a batch is stored, and told to their own devices.

use std::collections::HashMap;

use proto::bus::AdvanceCursor;
use proto::frame::server::{ServerFrame, ThreadRead};
use proto::id::{ConversationId, ConversationKey, UserId};

use super::parts::EphemeralParts;
use super::receivers::{Known, Told};
use crate::delivery::Outgoing;
use crate::domain::entry::ThreadCursorRow;

/// The highest of each member in each thread.
#[derive(Debug, Default)]
pub(super) struct ThreadReads(HashMap<(ConversationId, u64, UserId), u64>);

impl ThreadReads {
    pub(super) fn take(&mut self, user: UserId, cursor: &AdvanceCursor) {
        let Ok(id) = ConversationId::from_bytes(&cursor.conversation_id) else { return };
        if cursor.thread_read_seq > 0 {
            let highest = self.0.entry((id, cursor.thread, user)).or_default();
            *highest = cursor.thread_read_seq.max(*highest);
        }
    }

    /// The conversations in which a thread is read.
    pub(super) fn conversations(&self) -> impl Iterator<Item = ConversationKey> {
        self.0.keys().map(|(id, _, user)| ConversationKey::new(user.tenant(), *id))
    }

    /// Stores them; those that moved, as they are now.
    pub(super) async fn advance(self, parts: &EphemeralParts) -> Vec<ThreadCursorRow> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let row = |((conversation_id, thread, user_id), read_seq)| ThreadCursorRow {
            conversation_id,
            thread,
            user_id,
            read_seq,
        };
        let rows: Vec<_> = self.0.into_iter().map(row).collect();
        match parts.store.advance_threads(&rows).await {
            Ok(moved) => moved,
            Err(error) => {
                tracing::warn!(%error, cursors = rows.len(), "cursors of threads are not kept; clients send them again");
                parts.metrics.cursor_failures.inc_by(rows.len() as u64);
                Vec::new()
            }
        }
    }
}

/// What the own devices of a member hear of a cursor that moved.
pub(super) fn told(cursor: ThreadCursorRow, known: &Known) -> Option<Outgoing> {
    let ThreadCursorRow { conversation_id, thread, user_id, read_seq } = cursor;
    let frame = ServerFrame::ThreadRead(ThreadRead { conversation_id, thread, read_seq });
    known.tell(conversation_id, user_id, Told::Own, frame.to_json())
}
