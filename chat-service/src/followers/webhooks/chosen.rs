//! Which entries of the log a webhook gets, where its filter names members: who is in a conversation is asked of the store.

use std::collections::HashSet;

use proto::id::{ConversationId, ConversationKey};

use super::wanted::Wanted;
use super::worker::Item;
use crate::clock::now_ms;
use crate::domain::webhook::Webhook;
use crate::events::EventType;
use crate::store::deliveries::Replayed;
use crate::store::tail::TailRow;
use crate::store::{ChatStore, StoreError};

/// The entries that a webhook gets, in their order.
pub(super) async fn chosen<'r>(
    store: &dyn ChatStore,
    wanted: &Wanted,
    rows: impl Iterator<Item = &'r TailRow>,
) -> Result<Vec<&'r TailRow>, StoreError> {
    let fitting: Vec<&TailRow> = rows.filter(|row| wanted.wants(row)).collect();
    let members = wanted.members();
    if members.is_empty() {
        return Ok(fitting);
    }
    let open = fitting.iter().filter(|row| !wanted.names(row));
    let keys: HashSet<ConversationKey> = open.map(|row| row.entry.entry.conversation()).collect();
    let keys: Vec<_> = keys.into_iter().collect();
    let with: HashSet<ConversationId> = store.conversations_with(&keys, members).await?;
    let is_theirs =
        |row: &&TailRow| wanted.names(row) || with.contains(&row.entry.entry.conversation_id);
    Ok(fitting.into_iter().filter(is_theirs).collect())
}

/// What is delivered of these entries, in their order.
pub(super) async fn items<'r>(
    store: &dyn ChatStore,
    wanted: &Wanted,
    rows: impl Iterator<Item = &'r TailRow>,
) -> Result<Vec<Item>, StoreError> {
    let now = now_ms();
    let rows = chosen(store, wanted, rows).await?;
    Ok(rows.into_iter().filter_map(|row| item(wanted, row, now)).collect())
}

fn item(wanted: &Wanted, row: &TailRow, now_ms: u64) -> Option<Item> {
    let (position, entry) = (row.position, &row.entry.entry);
    let (conversation_id, seq) = (entry.conversation_id, entry.seq);
    let (delivery, r#type) = wanted.delivery(row.clone(), now_ms)?;
    Some(Item { position, conversation_id, seq, delivery, r#type })
}

/// Those of these entries that a webhook gets, to be delivered once more.
pub(crate) async fn replayed(
    store: &dyn ChatStore,
    webhook: &Webhook,
    rows: &[TailRow],
) -> Result<Vec<Replayed>, StoreError> {
    let wanted = Wanted::new(webhook);
    let told = rows.iter().filter(|row| row.is_told());
    let chosen = chosen(store, &wanted, told).await?;
    let event = |row: &TailRow| {
        let entry = &row.entry.entry;
        let event_type = EventType::of(entry).as_str();
        Replayed { conversation_id: entry.conversation_id, seq: entry.seq, event_type }
    };
    Ok(chosen.into_iter().map(event).collect())
}
