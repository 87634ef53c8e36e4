//! What a sender is told of deliveries that failed.

use chat_service::domain::entry::CursorRow;
use chat_service::domain::webhook::{Blocked, DeadEvent};
use chat_service::store::deliveries::Undelivered;
use chat_service::store::push::{DeadPush, PushDevice};
use proto::chat::ReadDeliveryRequest;
use proto::chat::chat_server::Chat as _;
use proto::id::{ConversationId, DeviceId};
use push::Provider;
use tonic::{Code, Request};
use uuid::Uuid;

use super::paging::queries;
use super::webhooks::subscribe;
use super::{Store, entry, group, keyed, only, user};

const PAGE_BYTES: usize = 64 << 10;

/// What has failed: the way, the state and whose devices; or why that is not told.
async fn failed(
    store: &Store,
    who: &str,
    id: ConversationId,
    seq: u64,
) -> Result<Vec<[String; 3]>, Code> {
    let (user_id, conversation_id) = (who.to_owned(), id.to_bytes());
    let request = ReadDeliveryRequest { user_id, conversation_id, seq };
    let reply = queries(store, PAGE_BYTES).read_delivery(Request::new(request)).await;
    let failed = reply.map_err(|status| status.code())?.into_inner().failed;
    Ok(failed.into_iter().map(|it| [it.way, it.state, it.user_id]).collect())
}

pub async fn a_sender_is_told_where_a_message_was_not_delivered_to(store: Store) {
    let id = ConversationId::generate();
    store.append(&group(id, &["fd-ann", "fd-bob"])).await.unwrap();
    store.append(&only(vec![entry(id, 2, "fd-ann"), entry(id, 3, "fd-ann")])).await.unwrap();
    assert_eq!(failed(&store, "fd-ann", id, 2).await, Ok(Vec::new()));

    let webhook = subscribe(&store, "https://example.org/").await;
    let waits = |next_seq, attempt| Blocked {
        conversation_id: id,
        next_seq,
        attempt,
        next_at_ms: 5,
        last_error: "500".to_owned(),
    };
    store.block(webhook, &waits(2, 0)).await.unwrap();
    assert_eq!(failed(&store, "fd-ann", id, 2).await, Ok(Vec::new()), "it was not tried yet");
    store.block(webhook, &waits(2, 1)).await.unwrap();
    let own = |it: [&str; 3]| it.map(str::to_owned);
    let blocked = own(["webhook", "blocked", ""]);
    assert_eq!(failed(&store, "fd-ann", id, 2).await, Ok(vec![blocked]));
    assert_eq!(failed(&store, "fd-ann", id, 3).await, Ok(Vec::new()), "it is behind the other");
    let dead = DeadEvent {
        conversation_id: id,
        seq: 2,
        event_type: "chat.message.received".to_owned(),
        error: "500".to_owned(),
        at_ms: 7,
        is_replayed: false,
    };
    store.give_up(webhook, &dead, &waits(3, 0)).await.unwrap();
    let undelivered = store.undelivered(keyed(id), 2).await.unwrap();
    assert_eq!(undelivered, [Undelivered { webhook, is_dead: true }]);

    let device = PushDevice {
        user_id: user("fd-bob"),
        device_id: DeviceId::parse("phone").unwrap(),
        provider: Provider::Fcm,
        token: "fd-token".to_owned(),
        token_sha256: "fd-token".to_owned(),
        app: String::new(),
        locale: String::new(),
        content: None,
        seen_at_ms: 1,
    };
    store.keep_push_device(&device, 9).await.unwrap();
    let push = DeadPush {
        id: Uuid::now_v7(),
        user_id: user("fd-bob"),
        device_id: device.device_id,
        provider: Provider::Fcm,
        key: keyed(id),
        seq: 2,
        attempts: 1,
        reason: "refused".to_owned(),
        at_ms: 8,
    };
    store.keep_dead_push(&push).await.unwrap();
    let dead = own(["webhook", "dead", ""]);
    let given_up = own(["push", "given_up", "fd-bob"]);
    assert_eq!(failed(&store, "fd-ann", id, 2).await, Ok(vec![dead.clone(), given_up]));
    assert_eq!(failed(&store, "fd-ann", id, 3).await, Ok(Vec::new()));
    assert_eq!(failed(&store, "fd-bob", id, 2).await, Err(Code::PermissionDenied));
    assert_eq!(failed(&store, "fd-eve", id, 2).await, Err(Code::PermissionDenied));
    assert_eq!(failed(&store, "fd-ann", id, 9).await, Err(Code::NotFound));
    assert_eq!(failed(&store, "fd-ann", id, 0).await, Err(Code::NotFound));

    // It reached Bob on another device.
    let reached =
        CursorRow { conversation_id: id, user_id: user("fd-bob"), delivered_seq: 2, read_seq: 0 };
    store.advance_cursors(&[reached]).await.unwrap();
    assert_eq!(failed(&store, "fd-ann", id, 2).await, Ok(vec![dead]));
    store.end_replay(webhook, (id, 2), None).await.unwrap();
    assert_eq!(failed(&store, "fd-ann", id, 2).await, Ok(Vec::new()), "it was replayed");
}
