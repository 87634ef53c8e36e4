//! Drafts: what a user writes and has not sent is kept for all of their devices, and none is lost by another one.

use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::chat::chat_server::Chat;
use proto::chat::{DraftHistoryRequest, ListDraftsRequest, OwnDraft};
use proto::id::{ClientId, ConversationId};
use serde_json::{Value, json};
use tonic::Request;

use super::own::{error, own, sent, set, synced};
use super::paging::queries;
use super::worker::{Rig, operation};
use super::{Store, direct, group};

fn draft(who: &str, at: ConversationId, content: &str, base: Option<u64>) -> Frame {
    in_thread(who, at, 0, content, base)
}

fn in_thread(
    who: &str,
    at: ConversationId,
    thread: u64,
    content: &str,
    base: Option<u64>,
) -> Frame {
    let content = content.to_owned();
    let draft = bus::Draft { conversation_id: at.to_bytes(), thread, content, base };
    operation(Some(own(who)), ClientId::generate(), Action::Draft(draft))
}

fn text(words: &str) -> String {
    json!({ "text": words }).to_string()
}

/// Each as `(words, thread, as_of)`.
fn shown(drafts: Vec<OwnDraft>) -> Vec<(String, u64, u64)> {
    let one = |draft: OwnDraft| {
        let content: Value = serde_json::from_slice(&draft.content).unwrap();
        assert!(draft.at_ms > 0);
        (content["text"].as_str().unwrap().to_owned(), draft.thread, draft.as_of)
    };
    drafts.into_iter().map(one).collect()
}

async fn kept(store: &Store, who: &str) -> Vec<(String, u64, u64)> {
    let request =
        ListDraftsRequest { user_id: who.to_owned(), limit: 100, ..ListDraftsRequest::default() };
    let reply = queries(store, 1 << 20).list_drafts(Request::new(request)).await.unwrap();
    shown(reply.into_inner().drafts)
}

async fn history(store: &Store, who: &str, at: ConversationId) -> Vec<(String, u64, u64)> {
    let request =
        DraftHistoryRequest { user_id: who.to_owned(), conversation_id: at.to_bytes(), thread: 0 };
    let reply = queries(store, 1 << 20).draft_history(Request::new(request)).await.unwrap();
    shown(reply.into_inner().drafts)
}

fn is(words: &str, thread: u64, as_of: u64) -> (String, u64, u64) {
    (words.to_owned(), thread, as_of)
}

pub async fn a_draft_that_another_device_did_not_know_is_not_overwritten(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = direct("ann", "bob");
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    assert_eq!(sent(&rig.ask("ann", draft("ann", at, &text("one"), Some(0))).await), [1]);
    assert_eq!(sent(&rig.ask("ann", draft("ann", at, &text("two"), Some(1))).await), [2]);
    let told = rig.ask("ann", draft("ann", at, &text("from the phone"), Some(1))).await;
    assert_eq!((error(&told), &told[0].1["current"]), ("conflict".to_owned(), &json!(2)));
    let told = rig.ask("ann", draft("ann", at, "", Some(1))).await;
    assert_eq!(error(&told), "conflict", "nor is it taken back");
    assert_eq!(kept(&rig.store, "ann").await, [is("two", 0, 2)]);
    // What is there already changes nothing, whatever was known; and without a base the last one holds.
    let told = rig.ask("ann", draft("ann", at, &text("two"), Some(0))).await;
    assert_eq!((sent(&told), &told[0].1["unchanged"]), (vec![2], &json!(true)));
    assert_eq!(sent(&rig.ask("ann", draft("ann", at, &text("three"), None)).await), [3]);
    assert_eq!(sent(&rig.ask("ann", in_thread("ann", at, 7, &text("aside"), Some(0))).await), [4]);
    assert_eq!(kept(&rig.store, "ann").await, [is("three", 0, 3), is("aside", 7, 4)]);
    assert_eq!(sent(&rig.ask("ann", draft("ann", at, "", Some(4))).await), [5]);
    assert_eq!(kept(&rig.store, "ann").await, [is("aside", 7, 4)]);
    // Nothing is there: nothing is overwritten.
    assert_eq!(sent(&rig.ask("ann", draft("ann", at, &text("four"), Some(2))).await), [6]);
    // All of them are in the log still.
    let all = [is("four", 0, 6), is("three", 0, 3), is("two", 0, 2), is("one", 0, 1)];
    assert_eq!(history(&rig.store, "ann", at).await, all);
    assert!(
        kept(&rig.store, "bob").await.is_empty() && history(&rig.store, "bob", at).await.is_empty()
    );
}

pub async fn drafts_of_one_batch_are_folded_in_their_order(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = direct("ann", "bob");
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let frames = vec![
        ("ann", draft("ann", at, &text("one"), Some(0))),
        ("ann", draft("ann", at, &text("two"), Some(0))),
        ("ann", draft("ann", at, "", Some(1))),
        ("ann", draft("ann", at, &text("three"), Some(0))),
        ("ann", set("ann", "pin", at, "true")),
    ];
    let told = rig.batch(frames, false).await;
    let told: Vec<_> = super::worker::answers(&told).into_iter().map(|(what, _)| what).collect();
    assert_eq!(told, ["sent", "conflict", "sent", "sent", "sent"]);
    assert_eq!(kept(&rig.store, "ann").await, [is("three", 0, 3)]);
}

pub async fn what_is_no_draft_is_refused_and_a_thousand_are_kept(store: Store) {
    let mut rig = Rig::over(store).await;
    let (at, theirs) = (ConversationId::generate(), ConversationId::generate());
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    rig.store.append(&group(theirs, &["bob", "cleo"])).await.unwrap();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    let large = text(&"x".repeat(70_000));
    for (content, expected) in [
        ("7", "invalid"),
        ("[]", "invalid"),
        ("{", "invalid"),
        (deep.as_str(), "invalid"),
        (large.as_str(), "too_large"),
    ] {
        let told = rig.ask("ann", draft("ann", at, content, None)).await;
        assert_eq!(error(&told), expected);
    }
    for at in [theirs, ConversationId::generate(), own("ann")] {
        let told = rig.ask("ann", draft("ann", at, &text("x"), None)).await;
        assert_eq!(error(&told), "not_found");
        let told = rig.ask("ann", draft("ann", at, "", None)).await;
        assert_eq!(error(&told), "not_found");
    }
    let frames = (1..=1_001).map(|n| ("ann", in_thread("ann", at, n, &text("x"), None))).collect();
    let told = super::worker::answers(&rig.batch(frames, false).await);
    assert_eq!(told.iter().filter(|(what, _)| what == "sent").count(), 1_000);
    assert_eq!(told[1_000].0, "quota_exceeded");
    sent(&rig.ask("ann", in_thread("ann", at, 9, "", None)).await);
    sent(&rig.ask("ann", in_thread("ann", at, 2_000, &text("x"), None)).await);
}

pub async fn a_new_device_has_all_drafts_however_large_they_are(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = direct("ann", "bob");
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let words = "y".repeat(5_000);
    let frames = (1..=40).map(|n| ("ann", in_thread("ann", at, n, &text(&words), None))).collect();
    assert_eq!(sent(&rig.batch(frames, false).await).len(), 40);
    let (parts, seqs, pages) = synced(&rig.store, "ann", None).await;
    let drafts: Vec<_> = parts.iter().flat_map(|own| own.drafts.clone()).collect();
    let threads: Vec<_> = drafts.iter().map(|draft| draft.thread).collect();
    assert_eq!((threads, seqs), ((1..=40).collect::<Vec<_>>(), vec![40]));
    let most = pages.iter().map(prost::Message::encoded_len).max();
    assert!(parts.len() > 20 && most < Some(8 << 10), "{} parts, {most:?}", parts.len());

    // In pages over REST, too.
    let mut walked = Vec::new();
    let mut request =
        ListDraftsRequest { user_id: "ann".to_owned(), limit: 7, ..ListDraftsRequest::default() };
    loop {
        let reply = queries(&rig.store, 20_000).list_drafts(Request::new(request.clone())).await;
        let reply = reply.unwrap().into_inner();
        assert!(reply.drafts.len() <= 3);
        let last = reply.drafts.last().unwrap();
        request.after_conversation = last.conversation_id.clone();
        request.after_thread = last.thread;
        walked.extend(reply.drafts.iter().map(|draft| draft.thread));
        if !reply.more {
            break;
        }
    }
    assert_eq!(walked, (1..=40).collect::<Vec<_>>());
}
