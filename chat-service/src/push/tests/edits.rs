//! Messages that were edited or deleted before their push is sent, and edits that name somebody.

use serde_json::json;

use super::*;
use crate::domain::body::ChangeKind;
use crate::domain::entry::StateRow;
use crate::domain::state::{Deleted, DeletedBy, Edited, Gone, State};
use crate::store::LogStore as _;
use crate::store::push::{PushRetry, PushStore as _};

fn full() -> PushConfig {
    PushConfig { content: PushContent::Full, ..quick() }
}

/// Ann edits the first message.
async fn edit(store: &SqliteStore, seq: u64, text: &str, mentions: &[&str]) {
    let content = json!({ "content": { "text": text }, "mentions": mentions }).to_string();
    let state = json!({ "as_of": seq, "content": { "text": text }, "mentions": mentions });
    let mut state: State = serde_json::from_value(state).unwrap();
    state.edited = Some(Edited { seq, count: 1, at: 1 });
    change(store, seq, Body::Change(ChangeKind::Edit, content), state).await;
}

/// Ann deletes it.
async fn delete(store: &SqliteStore, seq: u64) {
    let deleted = Some(Deleted { seq, by: DeletedBy::Sender });
    let state = State { as_of: seq, deleted, gone: Some(Gone::Deleted), ..State::default() };
    let content = r#"{"by":"sender"}"#.to_owned();
    change(store, seq, Body::Change(ChangeKind::Delete, content), state).await;
}

async fn change(store: &SqliteStore, seq: u64, body: Body, state: State) {
    let mut batch = said(seq);
    (batch.entries[0].body, batch.entries[0].target) = (body, Some(1));
    batch.states = vec![StateRow::Message(key(), 1, state, None)];
    store.append(&batch).await.unwrap();
}

/// The push that waits for its next attempt.
async fn kept(store: &SqliteStore) -> PushRetry {
    let kept = async {
        loop {
            let kept = store.due_push_retries(u64::MAX >> 1, u64::MAX >> 1, 9).await.unwrap();
            if let Some(kept) = kept.into_iter().next() {
                return kept;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, kept).await.expect("it is kept")
}

#[tokio::test]
async fn a_push_that_is_tried_again_says_what_the_message_says_by_then() {
    let (_folder, store) = prepared().await;
    let hand = Hand::new(Some(Outcome::Retry(None, "503".to_owned())));
    let process = Process::start(&store, &hand, &[], full());
    assert_eq!(hand.asked(1).await[0].note.text.as_deref(), Some("x"));
    let retry = kept(&store).await;
    edit(&store, 2, "better", &[]).await;
    *hand.answer.lock() = sent();
    store.keep_push_retry(&PushRetry { next_at_ms: 1, ..retry }).await.unwrap();
    let asked = hand.asked(2).await;
    assert_eq!((asked[1].id, asked[1].note.text.as_deref()), (asked[0].id, Some("better")));
    process.stop().await;
}

#[tokio::test]
async fn what_was_edited_before_it_is_decided_is_pushed_as_it_is_and_what_was_deleted_is_not() {
    let (_folder, store) = prepared().await;
    edit(&store, 2, "better", &[]).await;
    let hand = Hand::new(sent());
    let process = Process::start(&store, &hand, &[], full());
    assert_eq!(hand.asked(1).await[0].note.text.as_deref(), Some("better"));
    process.stop().await;
    let (_folder, store) = prepared().await;
    // The entry is not blank yet where the follower reads it.
    delete(&store, 2).await;
    say(&store, 3).await;
    let hand = Hand::new(sent());
    let process = Process::start(&store, &hand, &[], full());
    let asked = hand.asked(1).await;
    assert_eq!((asked[0].note.seq, asked[0].note.count), (3, 1), "{asked:?}");
    process.stop().await;
}

#[tokio::test]
async fn what_is_deleted_between_two_attempts_is_not_pushed_again() {
    let (_folder, store) = prepared().await;
    let hand = Hand::new(Some(Outcome::Retry(None, "503".to_owned())));
    let process = Process::start(&store, &hand, &[], full());
    hand.asked(1).await;
    let retry = kept(&store).await;
    *hand.answer.lock() = sent();
    delete(&store, 2).await;
    store.keep_push_retry(&PushRetry { next_at_ms: 1, ..retry }).await.unwrap();
    let gone = async {
        while !store.due_push_retries(u64::MAX >> 1, u64::MAX >> 1, 9).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("it is done");
    let asked = hand.asked.lock().clone();
    let is_message = |job: &&PushJob| job.note.kind == NoteKind::Message;
    assert_eq!(asked.iter().filter(is_message).count(), 1, "{asked:?}");
    process.stop().await;
}

#[tokio::test]
async fn an_edit_is_told_to_whom_it_names_newly_and_is_taken_back_with_its_message() {
    let (_folder, store) = prepared().await;
    let hand = Hand::new(sent());
    let process = Process::start(&store, &hand, &[], full());
    hand.asked(1).await;
    edit(&store, 2, "bob?", &["bob"]).await;
    let asked = hand.asked(2).await;
    let note = &asked[1].note;
    assert_eq!((note.seq, note.target, note.reason.as_str()), (2, Some(1), "mention"));
    assert_eq!((note.text.as_deref(), note.count), (Some("bob?"), 1));
    let told = async {
        loop {
            let told = store.pushed(&[(user("bob"), key())]).await.unwrap();
            if told.iter().any(|it| it.seq == 2) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, told).await.expect("that he was told is kept");
    // It names him as before: he hears nothing of it.
    edit(&store, 3, "bob!", &["bob"]).await;
    delete(&store, 4).await;
    let asked = hand.asked(3).await;
    assert_eq!((asked[2].note.kind, asked[2].note.seq), (NoteKind::Clear, 2), "{asked:?}");
    process.stop().await;
}
