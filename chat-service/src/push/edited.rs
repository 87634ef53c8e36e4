//! Edits that name users whom their message did not name before: these are told of them, and nobody else.

use proto::id::UserName;

use super::parts::Parts;
use super::told::{EditOf, Told, key};
use crate::domain::entry::TargetKey;
use crate::domain::state::EditContent;
use crate::store::StoreError;
use crate::store::tail::TailRow;

/// Edits of a message that are read: as many as one may have by default.
const EDITS: u32 = 100;

/// The edit as it is told to those whom it names and what it edits did not; none where there are none of them.
pub(super) async fn told(
    parts: &Parts,
    row: &TailRow,
    edit: EditOf,
) -> Result<Option<Told>, StoreError> {
    let conversation = key(row);
    let asked = TargetKey { conversation, seq: edit.target, with_edits: false };
    let targets = parts.store.load_targets(&[asked]).await?;
    // All members are named, before and after.
    let Some(target) =
        targets.entries.get(&(conversation, edit.target)).filter(|it| !it.mention_all)
    else {
        return Ok(None);
    };
    let edits = parts.store.edits(conversation, edit.target, EDITS).await?;
    let before = edits.iter().rev().find(|it| it.entry.seq < edit.told.seq);
    let named = before
        .map_or_else(|| target.mentions.clone(), |before| mentions(before.entry.body.content()));
    let EditOf { mut told, .. } = edit;
    told.mentions.retain(|name| !named.contains(name));
    if target.kind == "encrypted" {
        told.text = None;
    }
    Ok((!told.mentions.is_empty()).then_some(*told))
}

/// Whom an edit names.
pub(super) fn mentions(content: &str) -> Vec<UserName> {
    serde_json::from_str::<EditContent<'_>>(content).map(|edit| edit.mentions).unwrap_or_default()
}
