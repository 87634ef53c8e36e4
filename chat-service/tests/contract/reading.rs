//! Messages as they are now: pages, what became of them, how they were written, and syncs with states. What is gone is in no
//! answer.

use chat_service::domain::entry::{MemberRow, Role};
use chat_service::store::AppendBatch;
use futures_util::StreamExt;
use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::chat::chat_server::Chat;
use proto::chat::{
    Cursor, ReadChangesReply, ReadChangesRequest, ReadHistoryRequest, ReadMessagesReply,
    ReadMessagesRequest, SyncPage, SyncRequest, sync_event::Event,
};
use proto::id::{ClientId, ConversationId};
use serde_json::{Value, json};
use tonic::{Code, Request};

use super::paging::queries;
use super::worker::{Rig, operation};
use super::{Store, entry, group, message, only, user};

/// Large enough for everything here.
const PAGE_BYTES: usize = 1 << 20;

fn act(at: ConversationId, action: Action) -> Frame {
    operation(Some(at), ClientId::generate(), action)
}

fn send(at: ConversationId, text: &str) -> Frame {
    let (kind, content) = ("text".to_owned(), json!({ "text": text }).to_string());
    act(at, Action::Send(bus::Send { kind, content, ..bus::Send::default() }))
}

fn edit(at: ConversationId, seq: u64, text: &str) -> Frame {
    let content = json!({ "text": text }).to_string();
    act(at, Action::Edit(bus::Edit { seq, content, ..bus::Edit::default() }))
}

fn react(at: ConversationId, seq: u64) -> Frame {
    act(at, Action::React(bus::React { seq, key: "👍".to_owned(), on: true }))
}

fn delete(at: ConversationId, seq: u64) -> Frame {
    act(at, Action::Delete(bus::Delete { seq, ..bus::Delete::default() }))
}

fn asked(who: &str, at: ConversationId) -> ReadMessagesRequest {
    let (user_id, conversation_id) = (who.to_owned(), at.to_bytes());
    ReadMessagesRequest { user_id, conversation_id, limit: 3, ..ReadMessagesRequest::default() }
}

async fn read(store: &Store, request: ReadMessagesRequest) -> ReadMessagesReply {
    let reply = queries(store, PAGE_BYTES).read_messages(Request::new(request)).await;
    reply.unwrap().into_inner()
}

fn seqs(page: &ReadMessagesReply) -> Vec<u64> {
    let entries = page.entries.iter().map(|entry| serde_json::from_slice::<Value>(entry).unwrap());
    entries.map(|entry| entry["seq"].as_u64().unwrap()).collect()
}

/// The state of a message on a page.
fn state(page: &ReadMessagesReply, seq: u64) -> Option<Value> {
    let found = page.states.iter().find(|changed| changed.seq == seq)?;
    Some(serde_json::from_slice(&found.state).unwrap())
}

pub async fn messages_are_read_with_what_changes_have_made_of_them(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    for n in 2..=6 {
        rig.ask("ann", send(at, &format!("message {n}"))).await;
    }
    rig.ask("ann", edit(at, 3, "edited")).await;
    rig.ask("bob", react(at, 3)).await;
    rig.ask("ann", delete(at, 5)).await;
    for n in 10..=12 {
        rig.ask("bob", send(at, &format!("message {n}"))).await;
    }
    // Messages are 2 to 6 and 10 to 12, changes of them 7 to 9.
    let page = read(&rig.store, asked("ann", at)).await;
    assert_eq!((seqs(&page), page.head), (vec![10, 11, 12], 12));
    assert_eq!((page.next_before_seq, page.next_after_seq), (Some(10), None));
    let before = |seq| ReadMessagesRequest { before_seq: Some(seq), ..asked("bob", at) };
    let page = read(&rig.store, before(10)).await;
    assert_eq!((seqs(&page), page.next_before_seq), (vec![4, 5, 6], Some(4)));
    assert_eq!(state(&page, 4), None);
    let gone = json!({ "as_of": 9, "deleted": { "seq": 9, "by": "sender" }, "gone": "deleted" });
    assert_eq!(state(&page, 5), Some(gone));
    let page = read(&rig.store, before(4)).await;
    assert_eq!((seqs(&page), page.next_before_seq), (vec![2, 3], None), "1 is no message");
    let edited = state(&page, 3).unwrap();
    assert_eq!((&edited["content"]["text"], &edited["as_of"]), (&json!("edited"), &json!(8)));
    assert_eq!((&edited["mine"], &edited["edited"]["count"]), (&json!(["👍"]), &json!(1)));
    let after = |seq| ReadMessagesRequest { after_seq: Some(seq), ..asked("ann", at) };
    let page = read(&rig.store, after(3)).await;
    assert_eq!((seqs(&page), page.next_after_seq), (vec![4, 5, 6], Some(6)));
    assert_eq!(state(&page, 5).unwrap().get("mine"), None);
    let page = read(&rig.store, after(6)).await;
    assert_eq!(
        (seqs(&page), page.next_after_seq, page.next_before_seq),
        (vec![10, 11, 12], None, None)
    );
    let around = ReadMessagesRequest { around_seq: Some(6), ..asked("ann", at) };
    let page = read(&rig.store, around).await;
    assert_eq!(seqs(&page), [5, 6, 10]);
    assert_eq!((page.next_before_seq, page.next_after_seq), (Some(5), Some(10)));
    let one = |seq| ReadMessagesRequest { seq: Some(seq), ..asked("ann", at) };
    let page = read(&rig.store, one(3)).await;
    assert_eq!((seqs(&page), state(&page, 3).unwrap()["as_of"].clone()), (vec![3], json!(8)));
    assert_eq!(state(&page, 3).unwrap().get("mine"), None, "of bob, not of ann");
    for seq in [1, 7, 99] {
        assert_eq!(seqs(&read(&rig.store, one(seq)).await), [0; 0], "{seq}");
    }
    let both = ReadMessagesRequest { after_seq: Some(1), ..before(9) };
    let refused = queries(&rig.store, PAGE_BYTES).read_messages(Request::new(both)).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    let stranger = asked("cleo", at);
    let refused = queries(&rig.store, PAGE_BYTES).read_messages(Request::new(stranger)).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
}

/// A page ends where it is full, and looks at a bounded part of a log without messages.
pub async fn a_page_of_messages_is_never_large_and_says_where_it_goes_on(store: Store) {
    let at = ConversationId::generate();
    store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let mut large = Vec::new();
    for seq in 2..=21 {
        let mut said = entry(at, seq, "ann");
        message(&mut said).content = json!({ "text": "x".repeat(8_000) }).to_string();
        large.push(said);
    }
    store.append(&only(large)).await.unwrap();
    let (mut walked, mut before) = (Vec::new(), None);
    loop {
        let request = ReadMessagesRequest {
            before_seq: before,
            limit: 20,
            page_bytes: 40_000,
            ..asked("ann", at)
        };
        let page = read(&store, request).await;
        assert!(page.entries.iter().map(bytes::Bytes::len).sum::<usize>() < 50_000);
        assert!(!page.entries.is_empty());
        walked.splice(0..0, seqs(&page));
        before = page.next_before_seq;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(walked, (2..=21).collect::<Vec<_>>());
    // Then thousands of entries that are no messages.
    for begin in (22..4_022).step_by(500) {
        let changes = (begin..begin + 500).map(|seq| {
            let mut change = entry(at, seq, "bob");
            change.body = chat_service::domain::entry::Body::Pin { on: true };
            change.target = Some(2);
            change
        });
        store.append(&only(changes.collect())).await.unwrap();
    }
    let request = |seq| ReadMessagesRequest { before_seq: seq, ..asked("ann", at) };
    let page = read(&store, request(None)).await;
    assert_eq!((seqs(&page), page.next_before_seq), (Vec::new(), Some(2_022)));
    let page = read(&store, request(page.next_before_seq)).await;
    assert_eq!((seqs(&page), page.next_before_seq), (Vec::new(), Some(22)));
    let page = read(&store, request(page.next_before_seq)).await;
    assert_eq!(seqs(&page), [19, 20, 21]);
    let after = ReadMessagesRequest { after_seq: Some(21), ..asked("ann", at) };
    let page = read(&store, after).await;
    assert_eq!((seqs(&page), page.next_after_seq), (Vec::new(), Some(2_021)));
}

async fn changed(
    store: &Store,
    who: &str,
    at: ConversationId,
    (from_seq, to_seq): (u64, u64),
    after_seq: u64,
    limit: u32,
) -> ReadChangesReply {
    let request = ReadChangesRequest {
        user_id: who.to_owned(),
        conversation_id: at.to_bytes(),
        from_seq,
        to_seq,
        after_seq,
        limit,
        device_type: 0,
    };
    queries(store, PAGE_BYTES).read_changes(Request::new(request)).await.unwrap().into_inner()
}

pub async fn what_became_of_messages_is_told_to_those_who_may_see_them(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    for n in 2..=5 {
        rig.ask("ann", send(at, &format!("message {n}"))).await;
    }
    rig.ask("bob", react(at, 2)).await;
    rig.ask("bob", react(at, 4)).await;
    rig.ask("ann", edit(at, 4, "edited")).await;
    rig.ask("ann", delete(at, 5)).await;
    let seqs = |reply: &ReadChangesReply| -> Vec<u64> {
        reply.messages.iter().map(|message| message.seq).collect()
    };
    let all = changed(&rig.store, "ann", at, (1, 9), 0, 200).await;
    assert_eq!((seqs(&all), all.head, all.next_from_seq), (vec![2, 4, 5], 9, None));
    let later = changed(&rig.store, "ann", at, (1, 9), 6, 200).await;
    assert_eq!(seqs(&later), [4, 5]);
    let some = changed(&rig.store, "ann", at, (1, 9), 0, 2).await;
    assert_eq!((seqs(&some), some.next_from_seq), (vec![2, 4], Some(5)));
    let none = changed(&rig.store, "ann", at, (3, 3), 0, 200).await;
    assert_eq!((seqs(&none), none.head), (Vec::new(), 9));
    // Somebody who came later sees nothing of what was before.
    let came = AppendBatch {
        entries: vec![entry(at, 10, "ann")],
        members_set: vec![MemberRow {
            conversation_id: at,
            user_id: user("cleo"),
            role: Role::Member,
            from_seq: 5,
        }],
        ..AppendBatch::default()
    };
    rig.store.append(&came).await.unwrap();
    assert_eq!(seqs(&changed(&rig.store, "cleo", at, (1, 10), 0, 200).await), [5]);
    // What was for phones is told to phones.
    let phones = bus::Send {
        kind: "text".to_owned(),
        content: json!({ "text": "for phones" }).to_string(),
        device_type: proto::common::DeviceType::Ios as i32,
        ..bus::Send::default()
    };
    rig.ask("ann", act(at, Action::Send(phones))).await;
    rig.ask("ann", edit(at, 11, "for phones, too")).await;
    assert_eq!(seqs(&changed(&rig.store, "ann", at, (11, 11), 0, 9).await), [11], "the author");
    assert!(seqs(&changed(&rig.store, "bob", at, (11, 11), 0, 9).await).is_empty());
    // Past its end nothing is told of it but that.
    let mut short = entry(at, 13, "ann");
    short.expires_at_ms = Some(2_000);
    let mut batch = only(vec![short]);
    let json = r#"{"as_of":13,"content":{"text":"secret"}}"#;
    batch.states = vec![chat_service::domain::entry::StateRow::Message(
        super::keyed(at),
        13,
        chat_service::domain::entry::State::read(json).unwrap(),
        None,
    )];
    rig.store.append(&batch).await.unwrap();
    let over = changed(&rig.store, "ann", at, (13, 13), 0, 9).await;
    assert_eq!(over.messages[0].state, r#"{"as_of":13,"gone":"expired"}"#);
    let wrong = ReadChangesRequest {
        user_id: "ann".to_owned(),
        conversation_id: at.to_bytes(),
        from_seq: 3,
        to_seq: 2,
        ..ReadChangesRequest::default()
    };
    let refused = queries(&rig.store, PAGE_BYTES).read_changes(Request::new(wrong)).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
}

pub async fn a_history_has_every_edit_until_the_message_is_deleted(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    rig.ask("ann", send(at, "one")).await;
    rig.ask("bob", react(at, 2)).await;
    rig.ask("ann", edit(at, 2, "two")).await;
    rig.ask("ann", edit(at, 2, "three")).await;
    let history = async |store: &Store, who: &str, seq: u64| {
        let request = ReadHistoryRequest {
            user_id: who.to_owned(),
            conversation_id: at.to_bytes(),
            seq,
            device_type: 0,
            moderated: false,
        };
        let reply = queries(store, PAGE_BYTES).read_history(Request::new(request)).await;
        reply.map(|reply| {
            let entries = reply.into_inner().entries;
            let entries = entries.iter().map(|it| serde_json::from_slice::<Value>(it).unwrap());
            entries.map(|it| it["content"].clone()).collect::<Vec<_>>()
        })
    };
    let text = |text: &str| json!({ "text": text });
    let edited = |text: &str| json!({ "content": { "text": text } });
    let written = [text("one"), edited("two"), edited("three")];
    assert_eq!(history(&rig.store, "bob", 2).await.unwrap(), written);
    for seq in [0, 1, 3, 99] {
        let refused = history(&rig.store, "bob", seq).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{seq}");
    }
    rig.ask("ann", delete(at, 2)).await;
    let nothing = [json!({}), json!({}), json!({})];
    assert_eq!(history(&rig.store, "bob", 2).await.unwrap(), nothing);
}

async fn synced(store: &Store, request: SyncRequest) -> Vec<SyncPage> {
    let events = queries(store, PAGE_BYTES).sync(Request::new(request)).await.unwrap();
    let mut events = events.into_inner();
    let mut pages = Vec::new();
    while let Some(event) = events.next().await {
        if let Some(Event::Page(page)) = event.unwrap().event {
            pages.push(page);
        }
    }
    pages
}

pub async fn a_sync_with_states_brings_them_and_leaves_out_what_is_too_far_behind(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    rig.ask("ann", send(at, "early")).await;
    rig.ask("ann", edit(at, 2, "early, edited")).await;
    let many = (4..=203).map(|seq| entry(at, seq, "ann"));
    rig.store.append(&only(many.collect())).await.unwrap();
    // By a worker that knows nothing of what was appended beside it.
    rig.ask("bob", react(at, 200)).await;
    let request = |seq: u64, states: bool, max_behind: u32| SyncRequest {
        user_id: "ann".to_owned(),
        only: at.to_bytes(),
        cursors: vec![Cursor { conversation_id: at.to_bytes(), seq, ..Cursor::default() }],
        states,
        max_behind,
        ..SyncRequest::default()
    };
    let first = |page: &SyncPage| -> u64 {
        let entry: Value = serde_json::from_slice(&page.entries[0]).unwrap();
        entry["seq"].as_u64().unwrap()
    };
    let pages = synced(&rig.store, request(1, false, 0)).await;
    assert_eq!((first(&pages[0]), pages[0].as_of, pages[0].states.len()), (2, 0, 0));
    let pages = synced(&rig.store, request(1, true, 0)).await;
    assert_eq!((first(&pages[0]), pages[0].as_of, pages[0].skipped_from), (2, 204, 0));
    let mut states: Vec<_> = pages.iter().flat_map(|page| &page.states).collect();
    states.sort_by_key(|it| it.seq);
    assert_eq!(states.iter().map(|it| it.seq).collect::<Vec<_>>(), [2, 200]);
    let json: Value = serde_json::from_slice(&states[0].state).unwrap();
    assert_eq!(json["content"]["text"], "early, edited");
    let entries: usize = pages.iter().map(|page| page.entries.len()).sum();
    assert_eq!(entries, 203);
    // Too far behind: the tail, and what is left out.
    let pages = synced(&rig.store, request(1, true, 100)).await;
    assert_eq!((pages.len(), first(&pages[0])), (1, 155));
    let page = &pages[0];
    assert_eq!((page.skipped_from, page.skipped_to, page.reset), (2, 154, false));
    assert_eq!(page.states.iter().map(|it| it.seq).collect::<Vec<_>>(), [200]);
    // Near enough: nothing is left out.
    let pages = synced(&rig.store, request(120, true, 100)).await;
    assert_eq!((first(&pages[0]), pages[0].skipped_from), (121, 0));
}
