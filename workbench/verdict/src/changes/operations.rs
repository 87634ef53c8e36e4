//! Operations beside the log: each that was acknowledged is there, once and as it was asked for; what was refused is not, and
//! was refused for a reason.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::account::{Account, Operation, Outcome};
use super::fold::Entry;
use super::known::Known;
use crate::scenario::Found;

/// Judges the operations of all conversations.
pub(super) fn judge(account: &Account, known: &[Known], found: &mut Found) {
    let mut places: HashMap<Uuid, (usize, &Entry)> = HashMap::new();
    for (conversation, known) in known.iter().enumerate() {
        for entry in known.entries.values() {
            let Some(id) = entry.client_id else { continue };
            let (_, first) = *places.entry(id).or_insert((conversation, entry));
            found.holds(first.id == entry.id, "doubled-operation", || {
                format!(
                    "conversation {conversation}: {id} is entry {} and {}",
                    first.seq, entry.seq
                )
            });
        }
    }
    let asked: BTreeSet<Uuid> = account.operations.iter().map(|it| it.client_id).collect();
    for (id, (conversation, entry)) in &places {
        let is_asked = asked.contains(id) || entry.kind == "system";
        found.holds(is_asked, "phantom", || {
            format!(
                "conversation {conversation}: nobody asked for entry {} ({})",
                entry.seq, entry.kind
            )
        });
    }
    for operation in &account.operations {
        let place = places.get(&operation.client_id).copied();
        let place = place.filter(|(conversation, _)| *conversation == operation.conversation);
        one(operation, place.map(|(_, entry)| entry), &known[operation.conversation], found);
    }
}

fn one(operation: &Operation, entry: Option<&Entry>, known: &Known, found: &mut Found) {
    let name = || {
        let Operation { conversation, user, kind, target, client_id, .. } = operation;
        format!("conversation {conversation}: {kind} of {target:?} by {user} under {client_id}")
    };
    match &operation.outcome {
        Outcome::Stored { seq, id } => {
            let what = if operation.kind == "text" { "texts" } else { "changes" };
            found.count(&format!("{what} acknowledged"), 1);
            let is_there = entry.is_some_and(|entry| entry.seq == *seq && entry.id == *id);
            found.holds(is_there, "lost-operation", || {
                format!("{} is acknowledged as {seq} {id}; it is {entry:?}", name())
            });
        }
        Outcome::Unchanged { seq } => {
            found.count("answered as unchanged", 1);
            found.holds(entry.is_none(), "unchanged-stored", name);
            found.holds(was_so(operation, *seq, known), "wrong-unchanged", || {
                format!("{}: it was not so at {seq}", name())
            });
        }
        Outcome::Refused { code } => {
            found.count("refused", 1);
            found.holds(entry.is_none(), "refused-stored", name);
            found.holds(is_reason(operation, code, known), "wrong-refusal", || {
                format!("{}: {code}", name())
            });
        }
        Outcome::Unknown => found.doubt(format!("{} was never answered", name())),
    }
    if let Some(entry) = entry {
        let is_same = entry.kind == operation.kind
            && entry.target == operation.target
            && entry.thread == operation.thread
            && entry.sender.id == operation.user
            && (entry.says(&operation.content) || entry.is_blank());
        found.holds(is_same, "altered-operation", || format!("{} is {entry:?}", name()));
    }
}

/// The state that an operation wanted was there at the place of its answer.
fn was_so(operation: &Operation, seq: u64, known: &Known) -> bool {
    // A delete of several: those were deleted one by one.
    let Some(target) = operation.target else { return operation.kind == "delete" };
    let Some(state) = known.state(target, seq) else { return true };
    let is_on = operation.content["on"] == true;
    let key = operation.content["key"].as_str().unwrap_or_default();
    match operation.kind.as_str() {
        "reaction" => state.has_reacted(&operation.user, key) == is_on,
        "pin" => state.is_pinned() == is_on,
        "delete" => state.is_gone(),
        _ => false,
    }
}

/// The log has what the refusal names.
fn is_reason(operation: &Operation, code: &str, known: &Known) -> bool {
    let message = operation.target.or(operation.thread);
    match code {
        "not_found" => message
            .is_none_or(|seq| known.state(seq, known.head()).is_none_or(|state| state.is_gone())),
        "conflict" => operation.base.is_some_and(|base| {
            let edits = known.entries.range(base + 1..).map(|(_, entry)| entry);
            edits.filter(|it| it.kind == "edit").any(|it| it.target == operation.target)
        }),
        "quota_exceeded" => true,
        _ => false,
    }
}
