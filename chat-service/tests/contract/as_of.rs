//! Messages as they were: what a page shows at each entry is shown again whatever comes later, but for what is gone.

use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::chat::chat_server::Chat;
use proto::chat::{ReadMessagesReply, ReadMessagesRequest};
use proto::id::{ClientId, ConversationId};
use serde_json::{Value, json};
use tonic::{Code, Request};

use super::paging::queries;
use super::worker::{Rig, answers, operation};
use super::{Store, group};

const PAGE_BYTES: usize = 1 << 20;

fn text(said: &str) -> String {
    json!({ "text": said }).to_string()
}

fn send(said: &str, thread: u64) -> Action {
    let (kind, content) = ("text".to_owned(), text(said));
    Action::Send(bus::Send { kind, content, thread, ..bus::Send::default() })
}

fn edit(seq: u64, said: &str) -> Action {
    Action::Edit(bus::Edit { seq, content: text(said), ..bus::Edit::default() })
}

fn react(seq: u64, key: &str, on: bool) -> Action {
    Action::React(bus::React { seq, key: key.to_owned(), on })
}

async fn page(store: &Store, at: ConversationId, as_of: Option<u64>) -> ReadMessagesReply {
    let request = ReadMessagesRequest { limit: 50, as_of, ..ReadMessagesRequest::default() };
    asked(store, at, request).await.unwrap()
}

async fn asked(
    store: &Store,
    at: ConversationId,
    request: ReadMessagesRequest,
) -> Result<ReadMessagesReply, Code> {
    let (user_id, conversation_id) = ("bob".to_owned(), at.to_bytes());
    let request = ReadMessagesRequest { user_id, conversation_id, ..request };
    let reply = queries(store, PAGE_BYTES).read_messages(Request::new(request)).await;
    reply.map(tonic::Response::into_inner).map_err(|status| status.code())
}

/// The messages of a page and their states, by seq.
fn shown(page: &ReadMessagesReply) -> (Vec<Value>, Vec<(u64, Value)>) {
    let read = |json: &[u8]| serde_json::from_slice(json).unwrap();
    let entries = page.entries.iter().map(|entry| read(entry)).collect();
    (entries, page.states.iter().map(|it| (it.seq, read(&it.state))).collect())
}

pub async fn messages_are_shown_as_they_were_at_any_entry(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let mut pages = vec![page(&rig.store, at, None).await];
    let actions = [
        ("ann", send("one", 0)),
        ("bob", send("two", 0)),
        ("ann", edit(2, "one, edited")),
        ("bob", react(2, "👍", true)),
        ("bob", send("in a thread", 2)),
        ("ann", react(3, "x", true)),
        ("ann", Action::Pin(bus::Pin { seq: 3, on: true })),
        ("bob", react(2, "👍", false)),
        ("bob", edit(3, "two, edited")),
        ("ann", send("in a thread, too", 2)),
        ("ann", Action::Pin(bus::Pin { seq: 3, on: false })),
        ("ann", edit(2, "one, edited twice")),
        ("bob", send("three", 0)),
    ];
    for (who, action) in actions {
        let frame: Frame = operation(Some(at), ClientId::generate(), action);
        let told = rig.ask(who, frame).await;
        assert_eq!(answers(&told)[0].0, "sent", "{told:?}");
        pages.push(page(&rig.store, at, None).await);
    }
    for (of_then, n) in pages.iter().zip(1_u64..) {
        let again = page(&rig.store, at, Some(n)).await;
        assert_eq!(shown(&again), shown(of_then), "{n}");
        assert_eq!((again.as_of, again.head, again.next_after_seq), (n, 14, None));
        assert_eq!(of_then.as_of, n);
        // One message alone says the same.
        let seq = Some(2);
        let one = ReadMessagesRequest { seq, as_of: Some(n), limit: 1, ..Default::default() };
        let one = shown(&asked(&rig.store, at, one).await.unwrap());
        let (entries, states) = shown(of_then);
        let of_two = |all: Vec<Value>| all.into_iter().find(|entry| entry["seq"] == 2);
        assert_eq!(of_two(one.0), of_two(entries));
        let of_two = |all: Vec<(u64, Value)>| all.into_iter().find(|(seq, _)| *seq == 2);
        assert_eq!(of_two(one.1), of_two(states));
    }
    let later = page(&rig.store, at, Some(99)).await;
    assert_eq!((shown(&later), later.as_of), (shown(pages.last().unwrap()), 14));
    let none = ReadMessagesRequest { as_of: Some(0), limit: 9, ..Default::default() };
    assert_eq!(asked(&rig.store, at, none).await, Err(Code::InvalidArgument));
    // What is gone by now was gone then, and it is told of it from the delete on.
    let delete = Action::Delete(bus::Delete { seq: 3, ..bus::Delete::default() });
    rig.ask("bob", operation(Some(at), ClientId::generate(), delete)).await;
    for n in [9, 14] {
        let (entries, states) = shown(&page(&rig.store, at, Some(n)).await);
        let two = entries.iter().find(|entry| entry["seq"] == 3).unwrap();
        assert_eq!(two["content"], json!({}));
        assert!(!format!("{entries:?}{states:?}").contains("two"), "{entries:?} {states:?}");
        assert!(!format!("{states:?}").contains("deleted"), "{states:?}");
    }
    let (_, states) = shown(&page(&rig.store, at, Some(15)).await);
    assert!(states.iter().any(|(seq, state)| *seq == 3 && state["gone"] == "deleted"));
}
