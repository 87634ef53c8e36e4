//! Notices of a tenant's log, which has no members.

use proto::id::ClientId;
use uuid::Uuid;

use super::*;
use crate::domain::entry::{DeviceType, Message, MessageKind};
use crate::domain::notice::{Audience, Notice, Priority, Work};
use crate::store::LogStore as _;
use crate::store::notices::NoticeStore as _;
use crate::store::push::PushStore as _;

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
