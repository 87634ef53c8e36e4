//! Events for clients that ask for them.

use std::collections::BTreeMap;
use std::time::Duration;

use chat_service::queries::events::EventDesk;
use proto::chat::events_server::Events as _;
use proto::chat::{ReadEventsReply, ReadEventsRequest};
use proto::id::ConversationId;
use serde_json::Value;
use tonic::Request;

use super::{Store, entry, group, only};

const LONG: Duration = Duration::from_mins(1);

async fn read(desk: &EventDesk, after: &str, limit: u32, types: &[&str]) -> ReadEventsReply {
    let request = ReadEventsRequest {
        after: after.to_owned(),
        limit,
        types: types.iter().map(|&it| it.to_owned()).collect(),
        ..ReadEventsRequest::default()
    };
    desk.read_events(Request::new(request)).await.unwrap().into_inner()
}

pub async fn events_are_read_once_each_in_order_from_any_place(store: Store) {
    let desk = EventDesk::new(std::sync::Arc::clone(&store));
    let first = read(&desk, "", 10, &[]).await;
    assert!(first.events.is_empty() && !first.is_reset);
    let ids: Vec<_> = (0..4).map(|_| ConversationId::generate()).collect();
    for id in &ids {
        store.append(&group(*id, &["ann"])).await.unwrap();
        store.append(&only((2..=6).map(|seq| entry(*id, seq, "ann")).collect())).await.unwrap();
    }
    let (mut after, mut seqs) = (first.next.clone(), BTreeMap::<String, Vec<u64>>::new());
    let walking = async {
        while seqs.values().map(Vec::len).sum::<usize>() < 24 {
            let page = read(&desk, &after, 3, &[]).await;
            assert!(page.events.len() <= 3 + 5, "a transaction is told whole, and no more");
            for event in page.events {
                let event: Value = serde_json::from_slice(&event).unwrap();
                let conversation = event["partitionkey"].as_str().unwrap().to_owned();
                let seq = event["sequence"].as_str().unwrap().parse().unwrap();
                seqs.entry(conversation).or_default().push(seq);
            }
            after = page.next;
        }
    };
    tokio::time::timeout(LONG, walking).await.expect("all events come");
    assert_eq!(seqs.len(), 4);
    assert!(seqs.values().all(|seqs| *seqs == [1, 2, 3, 4, 5, 6]), "{seqs:?}");
    let created = read(&desk, &first.next, 1_000, &["chat.conversation.created"]).await;
    assert_eq!((created.events.len(), created.more), (4, false));
    assert_eq!(created.next, after, "what does not fit is passed, too");
    let other = format!("{}.000000000000", first.next.split_once('.').unwrap().0);
    let reset = read(&desk, &other, 10, &[]).await;
    assert!(reset.is_reset && reset.events.is_empty(), "{reset:?}");
    let wrong = ReadEventsRequest { after: "7".to_owned(), ..ReadEventsRequest::default() };
    assert!(desk.read_events(Request::new(wrong)).await.is_err());
}
