//! What a push says at the moment it is sent: between the decision and then, and above all between two attempts, its message
//! may have been edited or deleted. Nothing is sent while the store does not say what became of the messages.

use std::time::Duration;

use platform::shutdown::Shutdown;
use proto::id::UserId;
use push::Note;

use super::parts::Parts;
use super::send::{Sending, done};
use super::told::text_of;
use crate::clock::now_ms;
use crate::domain::entry::{Target, TargetKey};
use crate::store::StoreError;

/// Pause before a store that is away is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// The pushes as they are to be sent now; waits until the store answers. None when stopping began first.
pub(super) async fn when_known(
    parts: &Parts,
    batch: Vec<Sending>,
    shutdown: &Shutdown,
) -> Option<Vec<Sending>> {
    loop {
        match present(parts, &batch).await {
            Ok(present) => return Some(present),
            Err(error) => tracing::debug!(%error, "pushes wait until their messages are known"),
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = shutdown.begun() => return None,
        }
    }
}

/// The same; those of which nothing is left to tell are done.
pub(super) async fn present(parts: &Parts, batch: &[Sending]) -> Result<Vec<Sending>, StoreError> {
    let mut keys: Vec<TargetKey> =
        batch.iter().filter(|it| !it.is_clear()).map(Sending::message).collect();
    keys.sort_unstable_by_key(|it| (it.conversation, it.seq));
    keys.dedup();
    if keys.is_empty() {
        return Ok(batch.to_vec());
    }
    let targets = parts.store.load_targets(&keys).await?.entries;
    let mut kept = Vec::with_capacity(batch.len());
    for sending in batch {
        if sending.is_clear() {
            kept.push(sending.clone());
            continue;
        }
        let TargetKey { conversation, seq, .. } = sending.message();
        let target = targets.get(&(conversation, seq));
        let note = note_of(target, &sending.job.note, sending.user_id(), now_ms());
        if let Some(note) = note {
            let mut sending = sending.clone();
            sending.job.note = note;
            kept.push(sending);
        } else {
            parts.metrics.push(sending.device.provider, "outdated");
            done(parts, sending).await;
        }
    }
    Ok(kept)
}

/// What is told of a message as it is now; none where nothing is left to tell.
fn note_of(target: Option<&Target>, note: &Note, user_id: &UserId, now_ms: u64) -> Option<Note> {
    let is_there = |it: &&Target| {
        let is_gone = it.is_blank || it.state.gone.is_some() || it.state.deleted.is_some();
        !is_gone && it.expires_at_ms.is_none_or(|at| at > now_ms)
    };
    let Some(target) = target.filter(is_there) else {
        // It stands for earlier messages, too: these are told, without what they say.
        let count = note.count.saturating_sub(1);
        let bare = Note { count, entry_id: None, title: None, text: None, ..note.clone() };
        return (count > 0).then_some(bare);
    };
    let Some(content) = &target.state.content else { return Some(note.clone()) };
    // An edit told the user that it names them, and a later one does not.
    let is_named = target.state.mentions.iter().any(|it| it.as_str() == user_id.name_str());
    if note.target.is_some() && note.count == 1 && !is_named {
        return None;
    }
    let text = note.text.as_ref().and_then(|_| text_of(&target.kind, content.as_str()));
    Some(Note { text, ..note.clone() })
}

#[cfg(test)]
mod tests {
    use push::NoteKind;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::state::{Deleted, DeletedBy, Gone, State};

    fn bob() -> UserId {
        UserId::parse_qualified("bob").unwrap()
    }

    fn note(count: u32) -> Note {
        Note {
            kind: NoteKind::Message,
            conversation_id: Uuid::from_u128(1),
            seq: 5,
            entry_id: Some(Uuid::from_u128(5)),
            target: None,
            count,
            badge: None,
            reason: "direct".to_owned(),
            is_urgent: true,
            ttl_secs: 60,
            title: Some("Ann".to_owned()),
            text: Some("old".to_owned()),
        }
    }

    fn target(state: State) -> Target {
        Target {
            kind: "text".to_owned(),
            author: UserId::parse_qualified("ann").unwrap(),
            created_at_ms: 1,
            thread: None,
            also_in_main: false,
            mentions: Vec::new(),
            mention_all: false,
            state,
            edits: Vec::new(),
            device_type: None,
            expires_at_ms: None,
            is_blank: false,
            pinned_seq: None,
            tally_due_ms: None,
        }
    }

    fn edited(text: &str, mentions: &[&str]) -> State {
        let state = json!({ "as_of": 7, "content": { "text": text }, "mentions": mentions });
        serde_json::from_value(state).unwrap()
    }

    fn deleted() -> State {
        let deleted = Some(Deleted { seq: 7, by: DeletedBy::Sender });
        State { as_of: 7, deleted, gone: Some(Gone::Deleted), ..State::default() }
    }

    #[test]
    fn a_push_says_what_the_message_says_now_and_no_more_than_it_said_before() {
        let said = |state, note: &Note| note_of(Some(&target(state)), note, &bob(), 9);
        assert_eq!(said(State::default(), &note(1)), Some(note(1)));
        let new = said(edited("new", &[]), &note(2)).unwrap();
        assert_eq!((new.text.as_deref(), new.count), (Some("new"), 2));
        let discreet = Note { text: None, ..note(1) };
        assert_eq!(said(edited("new", &[]), &discreet), Some(discreet), "no text is told of it");
        let long = said(edited(&"x".repeat(900), &[]), &note(1)).unwrap().text.unwrap();
        assert!(long.chars().count() < 300, "as much as a notification shows");
    }

    #[test]
    fn of_a_message_that_is_gone_nothing_is_told_and_of_those_before_it_that_they_are_there() {
        let expired = Target { expires_at_ms: Some(9), ..target(State::default()) };
        let blank = Target { is_blank: true, ..target(State::default()) };
        for gone in [None, Some(&target(deleted())), Some(&expired), Some(&blank)] {
            assert_eq!(note_of(gone, &note(1), &bob(), 9), None);
            let rest = note_of(gone, &note(3), &bob(), 9).unwrap();
            assert_eq!((rest.count, rest.seq, rest.entry_id), (2, 5, None));
            assert_eq!((rest.title, rest.text), (None, None));
        }
    }

    #[test]
    fn whom_an_edit_named_and_a_later_one_does_not_is_not_told() {
        let of_edit = Note { target: Some(3), ..note(1) };
        let said = |state| note_of(Some(&target(state)), &of_edit, &bob(), 9);
        assert_eq!(said(edited("new", &["bob"])).unwrap().text.as_deref(), Some("new"));
        assert_eq!(said(edited("new", &["cleo"])), None);
    }
}
