//! Notices of a tenant's log, which has no members.

use proto::id::ClientId;
use uuid::Uuid;

use super::*;
use crate::domain::entry::{DeviceType, Message, MessageKind};
use crate::domain::notice::{Audience, Notice, NoticeMark, Priority, Work};
use crate::store::LogStore as _;
use crate::store::notices::{Marking, NoticeStore as _};
use crate::store::push::{PushSent, PushStore as _};

fn log() -> ConversationKey {
    let tenant = TenantId::DEFAULT;
    ConversationKey::new(tenant, ConversationId::notices(tenant))
}

fn notice(seq: u64, audience: Audience, priority: Priority) -> Notice {
    let content =
        format!(r#"{{"title":"Down","body":"at nine","priority":"{}"}}"#, priority.as_str());
    Notice {
        tenant: TenantId::DEFAULT,
        id: Uuid::from_u128(900 + u128::from(seq)),
        conversation_id: log().id,
        seq: None,
        audience,
        content,
        priority,
        created_by: user("root").name(),
        created_at_ms: 1,
        starts_at_ms: 1,
        expires_at_ms: u64::MAX >> 1,
        withdrawn_at_ms: None,
        targets: None,
        work: Work::Nothing,
        attempts: 0,
    }
}

/// Keeps a notice and writes its entry.
async fn post(store: &SqliteStore, seq: u64, audience: Audience, priority: Priority) {
    let notice = notice(seq, audience, priority);
    assert_eq!(store.keep_notice(&notice).await.unwrap(), None);
    let plain = text(seq, &user("root"));
    let Body::Message(message) = plain.body.clone() else { panic!("a text is a message") };
    let body = Body::Message(Message {
        kind: MessageKind::Notice,
        content: notice.content.clone(),
        ..message
    });
    let entry = Entry {
        conversation_id: log().id,
        client_id: ClientId(notice.id),
        created_at_ms: crate::clock::now_ms(),
        body,
        ..plain
    };
    let conversation = ConversationRow {
        key: log(),
        kind: ConversationKind::Notices,
        title: String::new(),
        created_at_ms: 1,
    };
    let conversations = if seq == 1 { vec![conversation] } else { Vec::new() };
    let batch = AppendBatch { conversations, entries: vec![entry], ..AppendBatch::default() };
    store.append(&batch).await.unwrap();
}

#[tokio::test]
async fn a_user_with_a_device_is_told_of_notices_that_are_for_them() {
    let (_folder, store) = prepared().await;
    let hand = Hand::new(sent());
    let process = Process::start(&store, &hand, &[], quick());
    assert_eq!(hand.asked(1).await[0].note.reason, "direct");
    post(&store, 1, Audience::Users(vec![user("zoe").name()]), Priority::Normal).await;
    post(&store, 2, Audience::All, Priority::Low).await;
    post(&store, 3, Audience::DeviceTypes(vec![DeviceType::Ios.code()]), Priority::Normal).await;
    post(&store, 4, Audience::All, Priority::High).await;
    let told = hand.asked(2).await;
    let note = &told[1].note;
    assert_eq!((note.conversation_id, note.seq), (log().id.0, 4), "of the others bob is none");
    assert_eq!((note.reason.as_str(), note.is_urgent), ("notice", true));
    process.stop().await;
}

#[tokio::test]
async fn a_notice_that_was_taken_back_is_cleared() {
    let (_folder, store) = prepared().await;
    let hand = Hand::new(sent());
    let process = Process::start(&store, &hand, &[], quick());
    hand.asked(1).await;
    post(&store, 1, Audience::All, Priority::Normal).await;
    let told = hand.asked(2).await;
    assert_eq!((told[1].note.kind, told[1].note.is_urgent), (NoteKind::Message, false));
    let kept = async {
        while store.pushed(&[(user("bob"), log())]).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, kept).await.expect("that he was told is kept");
    let gone = Body::Other { kind: "delete".to_owned(), content: "{}".to_owned() };
    let entry = Entry {
        conversation_id: log().id,
        created_at_ms: crate::clock::now_ms(),
        target: Some(1),
        body: gone,
        ..text(2, &user("root"))
    };
    let batch = AppendBatch { entries: vec![entry], ..AppendBatch::default() };
    store.append(&batch).await.unwrap();
    let told = hand.asked(3).await;
    assert_eq!((told[2].note.kind, told[2].note.seq), (NoteKind::Clear, 1));
    process.stop().await;
}

/// An operator has the push of the notice at a place sent again.
async fn ask_again(store: &SqliteStore, seq: u64) -> u64 {
    let now_ms = crate::clock::now_ms();
    let id = notice(seq, Audience::All, Priority::Normal).id;
    assert!(store.ask_resend(TenantId::DEFAULT, id, now_ms, 0).await.unwrap());
    now_ms
}

/// Until nothing is to be sent again.
async fn all_is_sent_again(store: &SqliteStore) {
    let done = async {
        while !store.resends(0, 9).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, done).await.expect("it is done");
}

/// The notice at a place has come into its log.
async fn posted(store: &SqliteStore, seq: u64, audience: Audience) {
    post(store, seq, audience, Priority::Normal).await;
    let kept = notice(seq, Audience::All, Priority::Normal);
    store.did_notice(&kept, Some(seq), Work::Nothing).await.unwrap();
}

#[tokio::test]
async fn a_push_that_an_operator_has_sent_again_goes_to_who_was_told_before() {
    let (_folder, store) = prepared().await;
    let hand = Hand::new(sent());
    let process = Process::start(&store, &hand, &[], quick());
    hand.asked(1).await;
    posted(&store, 1, Audience::All).await;
    let told = hand.asked(2).await;
    // What is under way counts as told, also then.
    let kept = async {
        while store.pushed(&[(user("bob"), log())]).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, kept).await.expect("that he was told is kept");
    ask_again(&store, 1).await;
    let again = hand.asked(3).await;
    assert_eq!((again[2].note.seq, &again[2].note.text), (1, &told[1].note.text));
    assert_ne!(again[2].id, told[1].id, "no provider takes it for a repeat");
    all_is_sent_again(&store).await;
    process.stop().await;
}

#[tokio::test]
async fn who_is_connected_has_seen_it_or_is_not_meant_is_not_told_again() {
    for (connected, audience, is_shown, is_withdrawn) in [
        (&["bob"][..], Audience::All, false, false),
        (&[], Audience::All, true, false),
        (&[], Audience::Users(vec![user("zoe").name()]), false, false),
        (&[], Audience::All, false, true),
    ] {
        let (_folder, store) = prepared().await;
        posted(&store, 1, audience).await;
        let id = notice(1, Audience::All, Priority::Normal).id;
        if is_shown {
            let marking = Marking {
                user_id: user("bob"),
                notice: id,
                mark: NoticeMark::Shown,
                client_id: ClientId(Uuid::now_v7()),
                at_ms: 1,
            };
            store.mark_notice(&marking).await.unwrap();
        }
        // He was told of all of it before the process begins.
        let pushed = |key, seq| PushSent { user_id: user("bob"), key, seq, at_ms: 1 };
        store.keep_pushed(&[pushed(log(), 1), pushed(key(), 1)]).await.unwrap();
        ask_again(&store, 1).await;
        if is_withdrawn {
            store.withdraw_notice(TenantId::DEFAULT, id, 1).await.unwrap();
        }
        let hand = Hand::new(sent());
        let process = Process::start(&store, &hand, connected, quick());
        all_is_sent_again(&store).await;
        assert!(hand.asked.lock().is_empty(), "{:?}", hand.asked.lock());
        process.stop().await;
    }
}
