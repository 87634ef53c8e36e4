//! What an entry says and who may see it: the same wherever it is shown, and one place decides what counts as a message.

use chat_service::domain::entry::{
    Body, ChangeKind, DeviceType, MemberRow, MessageKind, Role, SenderType,
};
use chat_service::store::{Listed, Page};
use futures_util::StreamExt;
use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::chat::chat_server::Chat;
use proto::chat::{
    GetConversationRequest, ListPinsRequest, ReadEntriesRequest, SyncRequest, sync_event::Event,
};
use proto::common;
use proto::id::{ClientId, ConversationId};
use serde_json::{Value, json};
use tonic::Request;

use super::paging::queries;
use super::worker::{Rig, answers, operation, pushed};
use super::{Store, entry, group, keyed, message, only, room, user};

/// Large enough for everything here.
const PAGE_BYTES: usize = 1 << 20;

fn act(at: ConversationId, action: Action) -> Frame {
    operation(Some(at), ClientId::generate(), action)
}

fn text(content: &str) -> bus::Send {
    bus::Send { kind: "text".to_owned(), content: content.to_owned(), ..bus::Send::default() }
}

fn pin(at: ConversationId, seq: u64, on: bool) -> Frame {
    act(at, Action::Pin(bus::Pin { seq, on }))
}

/// What a user was pushed, as JSON.
fn live(told: &[(String, Value)], who: &str) -> Vec<Value> {
    let entries = told.iter().filter(|(user, frame)| user == who && frame["type"] == "entry");
    entries.map(|(_, frame)| frame.clone()).collect()
}

fn json_of(entries: &[bytes::Bytes]) -> Vec<Value> {
    entries.iter().map(|entry| serde_json::from_slice(entry).unwrap()).collect()
}

async fn history(
    store: &Store,
    who: &str,
    at: ConversationId,
    of: common::DeviceType,
) -> Vec<Value> {
    let request = ReadEntriesRequest {
        user_id: who.to_owned(),
        conversation_id: at.to_bytes(),
        limit: 100,
        device_type: of as i32,
        ..ReadEntriesRequest::default()
    };
    let reply = queries(store, PAGE_BYTES).read_entries(Request::new(request)).await.unwrap();
    json_of(&reply.into_inner().entries)
}

async fn synced(
    store: &Store,
    who: &str,
    at: ConversationId,
    of: common::DeviceType,
) -> Vec<Value> {
    let request = SyncRequest {
        user_id: who.to_owned(),
        only: at.to_bytes(),
        device_type: of as i32,
        ..SyncRequest::default()
    };
    let events = queries(store, PAGE_BYTES).sync(Request::new(request)).await.unwrap();
    let mut entries = Vec::new();
    let mut events = events.into_inner();
    while let Some(event) = events.next().await {
        if let Some(Event::Page(page)) = event.unwrap().event {
            entries.extend(json_of(&page.entries));
        }
    }
    entries
}

async fn shown(
    store: &Store,
    who: &str,
    at: ConversationId,
    of: common::DeviceType,
) -> proto::chat::Conversation {
    let request = GetConversationRequest {
        user_id: who.to_owned(),
        conversation_id: at.to_bytes(),
        device_type: of as i32,
    };
    let reply = queries(store, PAGE_BYTES).get_conversation(Request::new(request)).await;
    reply.unwrap().into_inner()
}

async fn pins(store: &Store, who: &str, at: ConversationId) -> Vec<(u64, u64, String)> {
    let request = ListPinsRequest {
        user_id: who.to_owned(),
        conversation_id: at.to_bytes(),
        limit: 100,
        ..ListPinsRequest::default()
    };
    let reply = queries(store, PAGE_BYTES).list_pins(Request::new(request)).await.unwrap();
    let pin = |pin: proto::chat::Pinned| {
        let entry: Value = serde_json::from_slice(&pin.entry).unwrap();
        (entry["seq"].as_u64().unwrap(), pin.pinned_seq, pin.by)
    };
    reply.into_inner().pins.into_iter().map(pin).collect()
}

pub async fn an_entry_of_every_kind_and_sender_is_the_same_wherever_it_is_shown(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let rich = bus::Send {
        mentions: vec!["bob".to_owned()],
        important: true,
        extra: r#"{"a": 1.50}"#.to_owned(),
        reply_to: 1,
        ..text(r#"{"text":"hi","entities":[{"type":"bold","from":0,"length":2}]}"#)
    };
    let notice = bus::Send {
        kind: "notice".to_owned(),
        content: r#"{"title":"Tonight","body":"maintenance"}"#.to_owned(),
        ..bus::Send::default()
    };
    let rename = bus::Rename { title: "Other".to_owned() };
    let mut pushed = Vec::new();
    for (who, frame) in [
        ("ann", act(at, Action::Send(rich))),
        ("ann (bot)", act(at, Action::Send(text(r#"{"text":"beep"}"#)))),
        ("dan", act(at, Action::Send(notice))),
        ("ann", act(at, Action::Rename(rename))),
        ("ann", pin(at, 2, true)),
        ("ann (bot)", pin(at, 2, false)),
    ] {
        pushed.extend(live(&rig.ask(who, frame).await, "bob"));
    }
    let said: Vec<_> =
        pushed.iter().map(|it| (it["kind"].clone(), it["sender"]["type"].clone())).collect();
    let expected = [
        ("text", "user"),
        ("text", "bot"),
        ("notice", "operator"),
        ("system", "system"),
        ("pin", "user"),
        ("pin", "bot"),
    ];
    assert_eq!(said, expected.map(|(kind, sender)| (json!(kind), json!(sender))));
    let web = common::DeviceType::Web;
    assert_eq!(history(&rig.store, "bob", at, web).await[1..], pushed, "history");
    assert_eq!(synced(&rig.store, "bob", at, web).await[1..], pushed, "sync");
    let last = shown(&rig.store, "bob", at, web).await;
    assert_eq!(json_of(&[last.last_entry]), pushed[5..], "the last entry of a list");
    assert_eq!(json_of(&[last.last_message]), pushed[2..3], "the last message of a list");
    let again = rig.store.find_client_ids(&[(user("ann"), client_id(&pushed[0]))]).await.unwrap();
    let stored = again[0].as_ref().unwrap().entry.as_ref().unwrap();
    assert_eq!(stored.body.message().unwrap().extra.as_deref(), Some(r#"{"a": 1.50}"#));
}

fn client_id(entry: &Value) -> ClientId {
    serde_json::from_value(entry["client_id"].clone()).unwrap()
}

pub async fn a_message_for_one_type_of_device_is_blank_for_the_others_everywhere(store: Store) {
    // `cleo` has an iPhone, the others browsers.
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob", "cleo"])).await.unwrap();
    let message = bus::Send {
        device_type: common::DeviceType::Ios as i32,
        mentions: vec!["bob".to_owned()],
        extra: r#"{"a":1}"#.to_owned(),
        ..text(r#"{"text":"for phones"}"#)
    };
    let told = rig.ask("ann", act(at, Action::Send(message))).await;
    let (whole, blank) = (live(&told, "cleo").remove(0), live(&told, "bob").remove(0));
    assert_eq!(whole["content"], json!({ "text": "for phones" }));
    assert_eq!((&blank["content"], &blank["seq"]), (&json!({}), &json!(2)));
    assert_eq!((&blank["extra"], &blank["mentions"]), (&Value::Null, &Value::Null));
    let (web, ios) = (common::DeviceType::Web, common::DeviceType::Ios);
    for (who, of, expected) in [
        ("bob", web, &blank),
        ("bob", ios, &whole),
        ("bob", common::DeviceType::Unspecified, &blank),
        ("ann", web, &whole),
        ("cleo", web, &blank),
    ] {
        assert_eq!(&history(&rig.store, who, at, of).await[1], expected, "history of {who} {of:?}");
        assert_eq!(&synced(&rig.store, who, at, of).await[1], expected, "sync of {who} {of:?}");
        let shown = shown(&rig.store, who, at, of).await;
        assert_eq!(&json_of(&[shown.last_entry])[0], expected, "list of {who} {of:?}");
        let is_unread = who != "ann" && expected == &whole;
        assert_eq!(shown.unread, u32::from(is_unread), "a blank entry is not unread: {who} {of:?}");
    }
    // What changes it is for the same devices.
    let told = rig.ask("ann", pin(at, 2, true)).await;
    assert_eq!(live(&told, "bob")[0]["content"], json!({}));
    assert_eq!(live(&told, "cleo")[0]["content"], json!({ "on": true }));
}

pub async fn messages_alone_are_unread_and_order_lists(store: Store) {
    let (older, newer) = (ConversationId::generate(), ConversationId::generate());
    for (id, at_ms) in [(older, 10_000), (newer, 20_000)] {
        let mut batch = group(id, &["ann", "bob"]);
        let mut said = entry(id, 2, "ann");
        said.created_at_ms = at_ms;
        batch.entries.push(said);
        store.append(&batch).await.unwrap();
    }
    // One entry of each class, much later, in the older one.
    let bodies = [
        Body::Pin { on: true },
        Body::Change(ChangeKind::Reaction, r#"{"key":"x","on":true}"#.to_owned()),
        Body::System(r#"{"event":"renamed"}"#.to_owned()),
        Body::Other { kind: "hologram".to_owned(), content: r#"{"x":1}"#.to_owned() },
    ];
    for (seq, body) in (3..).zip(bodies) {
        let mut change = entry(older, seq, "ann");
        (change.created_at_ms, change.body) = (90_000, body);
        store.append(&only(vec![change])).await.unwrap();
    }
    let listed = store.conversations_of(&user("bob"), Listed::default(), None, 10).await.unwrap();
    let order: Vec<_> = listed.iter().map(|(place, view)| (view.id, place.active_at_ms)).collect();
    assert_eq!(order, [(newer, 20_000), (older, 10_000)]);
    let view = &listed[1].1;
    assert_eq!((view.unread, view.head, view.last_message_seq), (1, 6, Some(2)));

    // Of the messages not those of a thread, unless they are said in the conversation, too; and nothing blank.
    for (seq, thread, also_in_main, content) in [
        (7, Some(2), false, r#"{"text":"in the thread"}"#),
        (8, Some(2), true, r#"{"text":"in both"}"#),
        (9, None, false, "{}"),
    ] {
        let mut said = entry(older, seq, "ann");
        (said.thread, said.also_in_main) = (thread, also_in_main);
        message(&mut said).content = content.to_owned();
        store.append(&only(vec![said])).await.unwrap();
    }
    let view = store.conversation(&user("bob"), None, older).await.unwrap().unwrap();
    assert_eq!((view.unread, view.last_message_seq), (2, Some(9)));
    // Of a notice, too.
    let mut notice = entry(older, 10, "dan");
    notice.author.r#type = SenderType::Operator;
    message(&mut notice).kind = MessageKind::Notice;
    store.append(&only(vec![notice])).await.unwrap();
    let view = store.conversation(&user("bob"), None, older).await.unwrap().unwrap();
    assert_eq!((view.unread, view.last_message_seq), (3, Some(10)));
}

pub async fn who_comes_late_finds_the_conversation_by_when_they_came(store: Store) {
    let (old, new) = (ConversationId::generate(), ConversationId::generate());
    let mut batch = group(old, &["ann"]);
    let mut added = entry(old, 2, "ann");
    added.created_at_ms = 50_000;
    added.body = Body::System(r#"{"event":"members_added"}"#.to_owned());
    batch.entries.push(added);
    batch.members_set.push(MemberRow {
        conversation_id: old,
        user_id: user("bob"),
        role: Role::Member,
        from_seq: 2,
    });
    store.append(&batch).await.unwrap();
    let mut batch = group(new, &["ann", "bob"]);
    let mut said = entry(new, 2, "ann");
    said.created_at_ms = 40_000;
    batch.entries.push(said);
    store.append(&batch).await.unwrap();
    let listed = store.conversations_of(&user("bob"), Listed::default(), None, 10).await.unwrap();
    let order: Vec<_> = listed.iter().map(|(_, view)| view.id).collect();
    assert_eq!(order, [old, new]);
    assert_eq!(listed[0].1.last_message_seq, None, "nothing from before they came");
}

pub async fn pinned_messages_are_those_that_the_log_says(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    for n in 0..3 {
        let said = text(&format!(r#"{{"text":"message {n}"}}"#));
        rig.ask("bob", act(at, Action::Send(said))).await;
    }
    let told = rig.ask("ann", pin(at, 2, true)).await;
    assert_eq!((answers(&told), pushed(&told)), (vec![("sent".to_owned(), 5)], vec!["bob"]));
    assert_eq!(live(&told, "bob")[0]["target"], 2);
    // In one batch: one is pinned, unpinned and pinned again, another one is sent and pinned.
    let said = act(at, Action::Send(text(r#"{"text":"new"}"#)));
    let frames = [pin(at, 3, true), pin(at, 3, false), pin(at, 3, true), said, pin(at, 9, true)];
    let told = rig.batch(frames.map(|frame| ("ann", frame)).into(), false).await;
    let seqs: Vec<_> = answers(&told).into_iter().map(|(_, seq)| seq).collect();
    assert_eq!(seqs, [6, 7, 8, 9, 10]);
    let ann = "ann".to_owned();
    let pinned = [(9, 10, ann.clone()), (3, 8, ann.clone()), (2, 5, ann)];
    assert_eq!(pins(&rig.store, "bob", at).await, pinned);
    let told = rig.ask("ann", pin(at, 9, false)).await;
    assert_eq!(answers(&told), [("sent".to_owned(), 11)]);
    assert_eq!(pins(&rig.store, "bob", at).await, pinned[1..]);

    for (who, seq, on, expected) in [
        ("ann", 3, true, ("sent", 8)),
        ("ann", 9, false, ("sent", 11)),
        ("bob", 3, false, ("forbidden", 0)),
        ("cleo", 3, true, ("not_member", 0)),
        ("ann", 5, true, ("not_found", 0)),
        ("ann", 1, true, ("not_found", 0)),
        ("ann", 99, true, ("not_found", 0)),
        ("ann", 0, true, ("invalid", 0)),
    ] {
        let told = rig.ask(who, pin(at, seq, on)).await;
        assert_eq!(answers(&told), [(expected.0.to_owned(), expected.1)], "{who} {seq} {on}");
        assert_eq!(pushed(&told).len(), 0);
    }
    let entries = rig.store.entries(keyed(at), Page::After(0), 0, room(50)).await.unwrap();
    assert_eq!(entries.len(), 11, "what changes nothing appends nothing");
}

pub async fn a_hundred_messages_may_be_pinned_and_a_repeat_has_the_first_answer(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let messages: Vec<_> = (2..=102).map(|seq| entry(at, seq, "bob")).collect();
    rig.store.append(&only(messages)).await.unwrap();
    let frames: Vec<_> = (2..=101).map(|seq| ("ann", pin(at, seq, true))).collect();
    let first = frames[0].clone();
    assert!(answers(&rig.batch(frames, false).await).iter().all(|(what, _)| what == "sent"));
    let told = rig.ask("ann", pin(at, 102, true)).await;
    assert_eq!(answers(&told), [("quota_exceeded".to_owned(), 0)]);
    // Unpinned and another one pinned in one batch.
    let frames = vec![("ann", pin(at, 2, false)), ("ann", pin(at, 102, true))];
    assert_eq!(answers(&rig.batch(frames, false).await)[1].0, "sent");
    assert_eq!(pins(&rig.store, "ann", at).await.len(), 100);
    let told = rig.ask("ann", first.1).await;
    assert_eq!(answers(&told), [("sent".to_owned(), 103)], "it was stored, whatever became of it");
}

pub async fn a_member_who_came_later_does_not_see_what_was_changed_before(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    rig.ask("bob", act(at, Action::Send(text(r#"{"text":"before"}"#)))).await;
    let add =
        bus::AddMembers { user_ids: vec!["cleo".to_owned()], role: common::Role::Member as i32 };
    rig.ask("ann", act(at, Action::AddMembers(add))).await;
    let told = rig.ask("ann", pin(at, 2, true)).await;
    assert_eq!(live(&told, "bob")[0]["content"], json!({ "on": true }));
    assert_eq!(live(&told, "cleo")[0]["content"], json!({}));
    let web = common::DeviceType::Web;
    assert_eq!(history(&rig.store, "cleo", at, web).await[1], live(&told, "cleo")[0]);
    assert_eq!(pins(&rig.store, "cleo", at).await, []);
    assert_eq!(pins(&rig.store, "bob", at).await.len(), 1);
}

/// Sixty-four pin and unpin one message at once, each by a worker of its own that knows nothing of the others.
pub async fn pins_of_many_at_once_are_folded_in_the_order_of_the_log(store: Store) {
    let at = ConversationId::generate();
    store.append(&group(at, &["ann", "bob"])).await.unwrap();
    store.append(&only(vec![entry(at, 2, "bob")])).await.unwrap();
    let mut workers = Vec::new();
    for _ in 0..8 {
        workers.push(Rig::over(std::sync::Arc::clone(&store)).await);
    }
    let work = workers.iter_mut().enumerate().map(|(place, rig)| async move {
        for n in 0..8 {
            rig.ask("ann", pin(at, 2, (place + n) % 2 == 0)).await;
        }
    });
    futures_util::future::join_all(work).await;
    let entries = store.entries(keyed(at), Page::After(2), 0, room(100)).await.unwrap();
    let mut is_pinned = false;
    for stored in &entries {
        let Body::Pin { on } = stored.entry.body else { panic!("{stored:?}") };
        assert_ne!(on, is_pinned, "at {}: nobody changes nothing", stored.entry.seq);
        is_pinned = on;
    }
    let last = entries.last().map(|stored| stored.entry.seq);
    let pinned = pins(&store, "bob", at).await;
    assert_eq!(pinned.first().map(|(_, seq, _)| *seq), last.filter(|_| is_pinned));
    assert_eq!(entries[0].entry.device_type, None::<DeviceType>);
}
