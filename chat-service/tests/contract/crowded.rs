//! One user with more conversations than any page, list or sync holds: nothing is missing, and each answer stays bounded.

use std::collections::BTreeSet;
use std::time::Duration;

use chat_service::domain::walk::ListWalk;
use chat_service::store::Listed;
use futures_util::StreamExt;
use proto::chat::chat_server::Chat;
use proto::chat::{Cursor, ListConversationsRequest, SyncRequest, sync_event::Event};
use proto::id::ConversationId;
use tonic::Request;

use super::paging::queries;
use super::{Store, user};

/// Conversations of the one user.
pub const CONVERSATIONS: u32 = 20_000;
/// Entries of each.
pub const ENTRIES: u32 = 2;
/// How long all of it may take: a bound that only work which grows faster than the list exceeds.
const BOUND: Duration = Duration::from_mins(2);
/// Bytes of a page, and around the entries of a page of a sync.
const PAGE_BYTES: usize = 64 << 10;
const AROUND: usize = 200;

/// Statements that write the rows of `ann` and `bob` in [`CONVERSATIONS`]. `id` is an id made of a number, as the database
/// writes it: `{}` stands for the number.
pub fn rows(id: &str) -> Vec<String> {
    let id = |number: &str| id.replace("{}", number);
    let numbers =
        |most: u32| format!("n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most})");
    let conversation = id("n.i");
    let mut statements = vec![format!(
        "INSERT INTO conversations (tenant, id, kind, title, created_at_ms)
         WITH RECURSIVE {} SELECT 'default', {conversation}, 2, 'Crew', n.i FROM n",
        numbers(CONVERSATIONS)
    )];
    for member in ["ann", "bob"] {
        statements.push(format!(
            "INSERT INTO members (tenant, conversation_id, user_id, role, from_seq, delivered_seq, read_seq)
             WITH RECURSIVE {} SELECT 'default', {conversation}, '{member}', 1, 1, 0, 0 FROM n",
            numbers(CONVERSATIONS)
        ));
    }
    for seq in 1..=ENTRIES {
        // Ids that no two entries share.
        let entry = id(&format!("(n.i * 10 + {seq})"));
        statements.push(format!(
            "INSERT INTO entries (tenant, conversation_id, seq, id, kind, sender_id, client_id, content, is_important,
                created_at_ms)
             WITH RECURSIVE {} SELECT 'default', {conversation}, {seq}, {entry}, 'text', 'bob', {entry},
                '{{\"text\":\"x\"}}', false, 1000 + n.i FROM n",
            numbers(CONVERSATIONS)
        ));
    }
    statements
}

/// On a store with the rows of [`rows`].
pub async fn a_user_in_20_000_conversations_misses_none_and_no_answer_grows(store: Store) {
    let all = async {
        let ids = heads_are_complete(&store).await;
        a_list_is_walked_to_its_end(&store, &ids).await;
        a_list_shows_a_page_and_says_that_it_goes_on(&store).await;
        a_sync_brings_what_is_missing_and_no_more(&store, &ids).await;
    };
    tokio::time::timeout(BOUND, all).await.expect("in bounded time");
}

async fn heads_are_complete(store: &Store) -> BTreeSet<ConversationId> {
    let heads = store.heads(&user("ann")).await.unwrap();
    assert!(heads.iter().all(|head| head.seq == u64::from(ENTRIES)));
    let ids: BTreeSet<_> = heads.iter().map(|head| head.conversation_id).collect();
    assert_eq!((heads.len(), ids.len()), (CONVERSATIONS as usize, CONVERSATIONS as usize));
    let digests = store.head_digests(&[user("ann"), user("nobody")]).await.unwrap();
    let counted: Vec<_> = digests.iter().map(|digest| digest.conversations()).collect();
    assert_eq!(counted, [CONVERSATIONS, 0]);
    ids
}

async fn a_list_is_walked_to_its_end(store: &Store, ids: &BTreeSet<ConversationId>) {
    const LIMIT: u32 = 1_000;
    let (mut walk, mut walked) = (None, Vec::new());
    loop {
        let listed = store
            .conversations_of(&user("ann"), Listed::default(), walk.as_ref(), LIMIT)
            .await
            .unwrap();
        assert!(listed.len() <= LIMIT as usize);
        let places: Vec<_> = listed.iter().map(|(place, _)| *place).collect();
        assert!(listed.iter().all(|(_, view)| view.unread == ENTRIES && view.member_count == 2));
        walked.extend(places.iter().map(|place| (place.active_at_ms, place.id)));
        if places.len() < LIMIT as usize {
            break;
        }
        walk = Some(ListWalk::behind(walk, &places, 1_000_000));
    }
    assert!(walked.is_sorted_by(|one, next| one > next), "the most recently active first");
    assert_eq!(walked.iter().map(|(_, id)| *id).collect::<BTreeSet<_>>(), *ids);
    assert_eq!(walked.len(), ids.len(), "each once");
}

async fn a_list_shows_a_page_and_says_that_it_goes_on(store: &Store) {
    let queries = queries(store, PAGE_BYTES);
    let request = ListConversationsRequest {
        user_id: "ann".to_owned(),
        limit: u32::MAX,
        ..ListConversationsRequest::default()
    };
    let page = queries.list_conversations(Request::new(request)).await.unwrap().into_inner();
    assert!((1..=100).contains(&page.conversations.len()), "{}", page.conversations.len());
    let bytes: usize = page.conversations.iter().map(prost::Message::encoded_len).sum();
    assert!(bytes <= PAGE_BYTES && !page.next.is_empty(), "{bytes}");
}

/// A device that has all but some of the conversations.
async fn a_sync_brings_what_is_missing_and_no_more(store: &Store, ids: &BTreeSet<ConversationId>) {
    const MISSING: usize = 2_000;
    let (missing, held): (Vec<_>, Vec<_>) =
        ids.iter().copied().enumerate().partition(|(place, _)| place % (ids.len() / MISSING) == 0);
    let cursors = held.iter().map(|(_, id)| Cursor {
        conversation_id: id.to_bytes(),
        seq: u64::from(ENTRIES),
        ..Cursor::default()
    });
    let request = SyncRequest {
        user_id: "ann".to_owned(),
        cursors: cursors.collect(),
        ..SyncRequest::default()
    };
    let queries = queries(store, PAGE_BYTES);
    let mut events = queries.sync(Request::new(request)).await.unwrap().into_inner();
    let (mut brought, mut done) = (Vec::new(), None);
    while let Some(event) = events.next().await {
        match event.unwrap().event.unwrap() {
            Event::Page(page) => {
                let bytes: usize = page.entries.iter().map(bytes::Bytes::len).sum();
                assert!(bytes + AROUND <= PAGE_BYTES && !page.more && !page.gone, "{page:?}");
                assert_eq!(page.entries.len(), ENTRIES as usize);
                brought.push(ConversationId::from_bytes(&page.conversation_id).unwrap());
            }
            Event::Done(end) => done = Some(end.conversations),
        }
    }
    assert_eq!(done, Some(CONVERSATIONS));
    brought.sort_unstable();
    assert_eq!(brought, missing.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), "each once");
}
