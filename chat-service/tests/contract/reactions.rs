//! Reactions: who gave them, in pages.

use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::chat::chat_server::Chat;
use proto::chat::{ListReactionsReply, ListReactionsRequest};
use proto::common::DeviceType;
use proto::id::{ClientId, ConversationId};
use tonic::{Code, Request};

use super::paging::queries;
use super::worker::{Rig, operation};
use super::{Store, group};

const PAGE_BYTES: usize = 1 << 20;

fn act(at: ConversationId, action: Action) -> Frame {
    operation(Some(at), ClientId::generate(), action)
}

pub(super) fn react(at: ConversationId, seq: u64, key: &str, on: bool) -> Frame {
    act(at, Action::React(bus::React { seq, key: key.to_owned(), on }))
}

fn send(at: ConversationId, device_type: DeviceType) -> Frame {
    let (kind, content) = ("text".to_owned(), r#"{"text":"hi"}"#.to_owned());
    let device_type = device_type as i32;
    act(at, Action::Send(bus::Send { kind, content, device_type, ..bus::Send::default() }))
}

async fn page(
    store: &Store,
    who: &str,
    at: ConversationId,
    request: ListReactionsRequest,
) -> Result<ListReactionsReply, Code> {
    let (user_id, conversation_id) = (who.to_owned(), at.to_bytes());
    let request = ListReactionsRequest { user_id, conversation_id, ..request };
    let reply = queries(store, PAGE_BYTES).list_reactions(Request::new(request)).await;
    reply.map(tonic::Response::into_inner).map_err(|status| status.code())
}

/// All who reacted to a message, asked for in pages.
pub(super) async fn reacted(
    store: &Store,
    at: ConversationId,
    seq: u64,
    key: &str,
    limit: u32,
) -> Vec<(String, String)> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let key = key.to_owned();
        let request =
            ListReactionsRequest { seq, key, limit, after, ..ListReactionsRequest::default() };
        let reply = page(store, "ann", at, request).await.unwrap();
        assert!(reply.reactions.len() <= limit as usize);
        all.extend(reply.reactions.into_iter().map(|it| (it.user_id, it.key)));
        after = reply.next;
        if after.is_empty() {
            return all;
        }
    }
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(user, key)| ((*user).to_owned(), (*key).to_owned())).collect()
}

pub async fn those_who_reacted_are_listed_in_pages_by_key_or_all(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob", "cleo"])).await.unwrap();
    rig.ask("ann", send(at, DeviceType::Unspecified)).await;
    assert_eq!(reacted(&rig.store, at, 2, "", 10).await, []);
    for (who, key) in [("cleo", "👍"), ("ann", "👍"), ("bob", "👍"), ("bob", "+1"), ("ann", "x")]
    {
        rig.ask(who, react(at, 2, key, true)).await;
    }
    rig.ask("ann", react(at, 2, "x", false)).await;
    let all = pairs(&[("ann", "👍"), ("bob", "+1"), ("bob", "👍"), ("cleo", "👍")]);
    let thumbs = pairs(&[("ann", "👍"), ("bob", "👍"), ("cleo", "👍")]);
    for limit in 1..=5 {
        assert_eq!(reacted(&rig.store, at, 2, "", limit).await, all, "{limit}");
        assert_eq!(reacted(&rig.store, at, 2, "👍", limit).await, thumbs, "{limit}");
        assert_eq!(reacted(&rig.store, at, 2, "x", limit).await, []);
    }
    // What is no message, or is for other devices, has none; what is deleted has none any more.
    rig.ask("ann", send(at, DeviceType::Ios)).await;
    let asked = async |who: &str, seq, device_type: DeviceType, after: &str| {
        let (device_type, after) = (device_type as i32, after.to_owned());
        let request = ListReactionsRequest {
            seq,
            device_type,
            after,
            limit: 9,
            ..ListReactionsRequest::default()
        };
        page(&rig.store, who, at, request).await.map(|reply| reply.reactions.len())
    };
    assert_eq!(asked("bob", 2, DeviceType::Web, "").await, Ok(4));
    for seq in [0, 1, 3, 8, 99] {
        assert_eq!(asked("bob", seq, DeviceType::Web, "").await, Err(Code::NotFound), "{seq}");
    }
    let phone = rig_head(&rig.store, at).await;
    assert_eq!(asked("bob", phone, DeviceType::Web, "").await, Err(Code::NotFound));
    assert_eq!(asked("bob", phone, DeviceType::Ios, "").await, Ok(0));
    assert_eq!(asked("eve", 2, DeviceType::Web, "").await, Err(Code::PermissionDenied));
    for odd in ["x", "ZQ", "ZUA", "ZQBhAA"] {
        assert_eq!(asked("bob", 2, DeviceType::Web, odd).await, Err(Code::InvalidArgument));
    }
    let delete = bus::Delete { seq: 2, ..bus::Delete::default() };
    rig.ask("ann", act(at, Action::Delete(delete))).await;
    assert_eq!(reacted(&rig.store, at, 2, "", 10).await, []);
}

async fn rig_head(store: &Store, at: ConversationId) -> u64 {
    store.load(&[super::keyed(at)]).await.unwrap()[0].as_ref().unwrap().head
}
