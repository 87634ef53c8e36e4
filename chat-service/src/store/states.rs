//! The rows that are written with entries, by their tables, as the adapters take them.

use proto::id::ConversationKey;

use crate::domain::entry::{PinRow, StateRow};

/// The rows of a batch by their tables.
#[derive(Default)]
pub(super) struct StateRows<'a> {
    pub(super) messages: Vec<MessageRow>,
    pub(super) pinned: Vec<&'a PinRow>,
    pub(super) unpinned: Vec<(ConversationKey, u64)>,
}

/// A row of `message_state`.
pub(super) struct MessageRow {
    pub(super) key: ConversationKey,
    pub(super) seq: u64,
    pub(super) as_of: u64,
    pub(super) state: String,
    pub(super) gone: i16,
    pub(super) tally_due_ms: Option<i64>,
}

impl<'a> StateRows<'a> {
    pub(super) fn of(states: &'a [StateRow]) -> Self {
        let mut rows = Self::default();
        for row in states {
            match row {
                StateRow::Message(key, seq, state, due_ms) => rows.messages.push(MessageRow {
                    key: *key,
                    seq: *seq,
                    as_of: state.as_of,
                    state: state.to_json(),
                    gone: i16::from(state.gone.is_some()),
                    tally_due_ms: due_ms.map(|ms| ms as i64),
                }),
                StateRow::Pinned(pin) => rows.pinned.push(pin),
                StateRow::Unpinned(key, seq) => rows.unpinned.push((*key, *seq)),
            }
        }
        rows
    }
}
