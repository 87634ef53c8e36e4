//! Odd values in questions, and answers that others would like to be large.

use std::sync::Arc;

use bus::in_process::{InProcessBus, InProcessConfig};
use bytes::Bytes;
use chat_service::queries::ChatQueries;
use chat_service::queries::dead_letters::DeadLetterDesk;
use prost::Message;
use proto::chat::chat_server::Chat;
use proto::chat::dead_letters_server::DeadLetters;
use proto::chat::{
    ContactsRequest, DeadLetterRequest, ExplainRequest, GetConversationRequest, GetUsersRequest,
    HeadsRequest, ListConversationsRequest, ListDeadRequest, ListMembersRequest,
    MembersAmongRequest, ReadEntriesRequest, SearchUsersRequest, SyncRequest,
};
use proto::id::ConversationId;
use tonic::{Code, Request, Response, Status};

use super::paging::queries;
use super::{Store, entry, group, only};

pub async fn lists_stay_small_whatever_is_written_into_them(store: Store) {
    for _ in 0..20 {
        let id = ConversationId::generate();
        store.append(&group(id, &["eve", "vic"])).await.unwrap();
        let mut row = entry(id, 2, "eve");
        super::message(&mut row).content =
            format!(r#"{{"text":"{}","junk":"{}"}}"#, "t".repeat(500), "j".repeat(900_000));
        super::message(&mut row).extra = Some(format!(r#"{{"e":"{}"}}"#, "e".repeat(16_000)));
        store.append(&only(vec![row])).await.unwrap();
    }
    let queries = queries(&store, 1 << 20);
    let request =
        ListConversationsRequest { user_id: "vic".to_owned(), limit: 100, ..Default::default() };
    let reply = queries.list_conversations(Request::new(request)).await.unwrap().into_inner();
    assert_eq!((reply.conversations.len(), reply.next.as_str()), (20, ""));
    assert!(reply.encoded_len() < 50_000, "{}", reply.encoded_len());
    for conversation in reply.conversations {
        let last: serde_json::Value = serde_json::from_slice(&conversation.last_entry).unwrap();
        assert_eq!(last["content"]["text"], "t".repeat(200));
        assert_eq!((&last["content"]["is_cut"], last.get("extra")), (&true.into(), None));
    }
}

/// Whatever a client may write into a parameter.
fn odd_texts() -> Vec<String> {
    let long = "x".repeat(10_000);
    let texts = [
        "",
        "\0",
        "a\0b",
        "..",
        ".",
        "%2f",
        "../x",
        "%",
        "_",
        "\\",
        "'",
        "\u{feff}",
        "٣",
        "\u{d7ff}",
        "\u{10ffff}",
        "9223372036854775808",
        "-1",
        "1.x",
        "e\u{301}",
        long.as_str(),
    ];
    texts.map(str::to_owned).to_vec()
}

/// An answer, or a mistake of the asker; never an outage.
fn check<T>(what: &str, value: &str, answer: Result<Response<T>, Status>) {
    let code = answer.map_or_else(|status| status.code(), |_| Code::Ok);
    let allowed = [Code::Ok, Code::InvalidArgument, Code::PermissionDenied, Code::NotFound];
    assert!(
        allowed.contains(&code),
        "{what} with {:?}: {code}",
        value.chars().take(30).collect::<String>()
    );
    if value.contains('\0') {
        assert_eq!(code, Code::InvalidArgument, "{what}: alike on both databases");
    }
}

fn letter(id: &str) -> DeadLetterRequest {
    DeadLetterRequest { id: id.to_owned(), tenant: String::new() }
}

pub async fn odd_values_are_the_askers_mistake_in_every_question(store: Store) {
    let queries = queries(&store, 1 << 20);
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    let id = id.to_bytes();
    let bus = Arc::new(InProcessBus::new(InProcessConfig::default()));
    let desk = DeadLetterDesk::new(store.clone(), bus);
    for text in odd_texts() {
        let (ann, t) = ("ann".to_owned(), text.clone());
        let user_ids = vec![t.clone()];
        let search = SearchUsersRequest {
            prefix: t.clone(),
            limit: u32::MAX,
            acquainted_with: String::new(),
            tenant: String::new(),
            user_id: String::new(),
        };
        check("search", &t, queries.search_users(Request::new(search)).await);
        let (user_id, after) = (ann.clone(), t.clone());
        let request = ListConversationsRequest { user_id, after, ..Default::default() };
        check("list", &t, queries.list_conversations(Request::new(request)).await);
        let request = ListConversationsRequest { user_id: t.clone(), ..Default::default() };
        check("list of", &t, queries.list_conversations(Request::new(request)).await);
        let request = ListMembersRequest {
            user_id: ann.clone(),
            conversation_id: id.clone(),
            limit: u32::MAX,
            after: t.clone(),
        };
        check("members", &t, queries.list_members(Request::new(request)).await);
        let request = shown(t.clone(), id.clone());
        check("show", &t, queries.get_conversation(Request::new(request)).await);
        let request = shown(ann.clone(), t.clone().into_bytes().into());
        let _ = queries.get_conversation(Request::new(request)).await.map_err(|status| {
            assert_eq!(status.code(), Code::InvalidArgument, "show what");
        });
        check(
            "users",
            &t,
            queries.get_users(Request::new(GetUsersRequest { user_ids: user_ids.clone() })).await,
        );
        check(
            "heads",
            &t,
            queries.heads(Request::new(HeadsRequest { user_ids: user_ids.clone() })).await,
        );
        let request = MembersAmongRequest {
            conversation_id: id.clone(),
            user_ids: user_ids.clone(),
            tenant: String::new(),
        };
        check("among", &t, queries.members_among(Request::new(request)).await);
        let request = ContactsRequest {
            user_ids: vec![ann.clone()],
            limit: u32::MAX,
            after: vec![t.clone()],
            group_members: u32::MAX,
        };
        check("contacts", &t, queries.contacts(Request::new(request)).await);
        let request = ExplainRequest {
            conversation_id: id.clone(),
            seq: 1,
            after: t.clone(),
            ..ExplainRequest::default()
        };
        check("explain", &t, queries.explain(Request::new(request)).await);
        let request = SyncRequest { user_id: t.clone(), ..SyncRequest::default() };
        check("sync", &t, queries.sync(Request::new(request)).await);
        check("letter", &t, desk.show(Request::new(letter(&t))).await);
        check("replay", &t, desk.replay(Request::new(letter(&t))).await);
        check("drop", &t, desk.drop(Request::new(letter(&t))).await);
        let request = ListDeadRequest { limit: u32::MAX, after: t.clone(), tenant: String::new() };
        check("letters", &t, desk.list(Request::new(request)).await);
    }
    odd_numbers(&queries, &id).await;
}

fn shown(user_id: String, conversation_id: Bytes) -> GetConversationRequest {
    GetConversationRequest { user_id, conversation_id, device_type: i32::MAX }
}

async fn odd_numbers(queries: &ChatQueries, id: &Bytes) {
    for seq in [0, 1, u64::MAX >> 1, (u64::MAX >> 1) + 1, u64::MAX] {
        for (before_seq, after_seq) in
            [(Some(seq), None), (None, Some(seq)), (Some(seq), Some(seq))]
        {
            let request = ReadEntriesRequest {
                user_id: "ann".to_owned(),
                conversation_id: id.clone(),
                before_seq,
                after_seq,
                limit: u32::MAX,
                page_bytes: 1,
                ..Default::default()
            };
            check("read", &seq.to_string(), queries.read_entries(Request::new(request)).await);
        }
        let request =
            ExplainRequest { conversation_id: id.clone(), seq, ..ExplainRequest::default() };
        check("explain", &seq.to_string(), queries.explain(Request::new(request)).await);
    }
}
