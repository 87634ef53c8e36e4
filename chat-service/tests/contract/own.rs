//! Self logs: what a user sets is an entry of a log that nobody else ever hears of, and the settings are what the log says.

use chat_service::domain::entry::{Body, ConversationKind};
use chat_service::domain::own::{Place, Setting, What};
use chat_service::store::contacts::{ContactsBound, ContactsOf};
use chat_service::store::{Listed, Page};
use futures_util::StreamExt;
use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::chat::chat_server::Chat;
use proto::chat::{
    Cursor, GetConversationRequest, ListConversationsRequest, ListMembersRequest, Own,
    OwnSettingsRequest, ReadEntriesRequest, SyncPage, SyncRequest, sync_event::Event,
};
use proto::id::{ClientId, ConversationId};
use serde_json::{Value, json};
use tonic::Request;

use super::paging::{queries, seq_of};
use super::worker::{Rig, Told, answers, operation, pushed};
use super::{Store, direct, entry, group, keyed, only, room, user};

pub fn own(name: &str) -> ConversationId {
    ConversationId::own(&user(name))
}

fn said(who: &str, set: bus::Set) -> Frame {
    operation(Some(own(who)), ClientId::generate(), Action::Set(set))
}

/// Sets something for a conversation.
pub fn set(who: &str, what: &str, at: ConversationId, value: &str) -> Frame {
    let conversation_id = at.to_bytes();
    said(
        who,
        bus::Set {
            what: what.to_owned(),
            conversation_id,
            value: value.to_owned(),
            ..bus::Set::default()
        },
    )
}

/// Sets something for no conversation.
pub fn set_for_all(who: &str, what: &str, value: &str) -> Frame {
    said(who, bus::Set { what: what.to_owned(), value: value.to_owned(), ..bus::Set::default() })
}

fn follow(who: &str, at: ConversationId, thread: u64, value: &str) -> Frame {
    let (what, conversation_id) = ("follow_thread".to_owned(), at.to_bytes());
    said(who, bus::Set { what, conversation_id, thread, value: value.to_owned(), base: None })
}

/// What is set, each as `(what, value, as_of)`.
async fn settings(store: &Store, who: &str) -> Vec<(&'static str, String, u64)> {
    let found = store.own_settings(&user(who), None, 100).await.unwrap();
    let shown = |it: Setting| (it.place.what.as_str(), it.value.json, it.as_of);
    let mut found: Vec<_> = found.into_iter().map(shown).collect();
    found.sort_by_key(|it| it.2);
    found
}

pub fn sent(told: &Told) -> Vec<u64> {
    let told = answers(told);
    assert!(told.iter().all(|(what, _)| what == "sent"), "{told:?}");
    told.into_iter().map(|(_, seq)| seq).collect()
}

pub fn error(told: &Told) -> String {
    let answers = answers(told);
    assert!(pushed(told).is_empty(), "{told:?}");
    answers[0].0.clone()
}

pub async fn what_a_user_sets_is_an_entry_and_the_last_one_holds(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = direct("ann", "bob");
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let told = rig.ask("ann", set("ann", "mute", at, r#"{"until":null}"#)).await;
    assert_eq!(
        (sent(&told), pushed(&told)),
        (vec![1], Vec::<&str>::new()),
        "the caller has the answer"
    );
    assert_eq!(told[0].1["conversation_id"], json!(own("ann")));
    assert_eq!(sent(&rig.ask("ann", set("ann", "archive", at, "true")).await), [2]);
    assert_eq!(
        sent(&rig.ask("ann", set_for_all("ann", "push", r#"{"content":"none"}"#)).await),
        [3]
    );
    let mute = r#"{"until":null,"mentions":true}"#.to_owned();
    let push = r#"{"content":"none"}"#.to_owned();
    let expected =
        [("mute", mute, 1), ("archive", "true".to_owned(), 2), ("push", push.clone(), 3)];
    assert_eq!(settings(&rig.store, "ann").await, expected);

    // In one batch, and taken back.
    let later = r#"{"until":9,"mentions":false}"#;
    let frames = vec![
        ("ann", set("ann", "archive", at, "false")),
        ("ann", set("ann", "mute", at, "{}")),
        ("ann", set("ann", "mute", at, later)),
        ("ann", follow("ann", at, 7, "true")),
        ("ann", follow("ann", at, 8, "false")),
        ("ann", follow("ann", at, 8, "null")),
    ];
    let told = rig.batch(frames, false).await;
    // Muted as it was: the second changes nothing, and says where the log stands.
    assert_eq!(sent(&told), [4, 4, 5, 6, 7, 8]);
    assert_eq!(told.iter().filter(|(_, frame)| frame["unchanged"] == true).count(), 1);
    let expected =
        [("push", push, 3), ("mute", later.to_owned(), 5), ("follow_thread", "true".to_owned(), 6)];
    assert_eq!(settings(&rig.store, "ann").await, expected);
    for frame in [
        set("ann", "mute", at, r#"{ "mentions": false, "until": 9 }"#),
        set("ann", "archive", at, "null"),
        follow("ann", at, 8, "null"),
    ] {
        let told = rig.ask("ann", frame).await;
        assert_eq!((sent(&told), &told[0].1["unchanged"]), (vec![8], &json!(true)));
    }
    let entries = rig.store.entries(keyed(own("ann")), Page::After(0), 0, room(50)).await.unwrap();
    let last: Value = serde_json::from_str(entries[7].entry.body.content()).unwrap();
    let expected =
        json!({ "what": "follow_thread", "conversation_id": at, "thread": 8, "value": null });
    assert_eq!(last, expected);
    assert!(entries.iter().all(|it| matches!(it.entry.body, Body::Own { .. })), "{entries:?}");
    let snapshot = rig.store.load(&[keyed(own("ann"))]).await.unwrap().remove(0).unwrap();
    assert_eq!(
        (snapshot.kind, snapshot.head, snapshot.members.len()),
        (ConversationKind::SelfLog, 8, 1)
    );
}

pub async fn a_setting_with_a_base_is_refused_where_another_came_between(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = direct("ann", "bob");
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let with_base = |value: &str, base| {
        let (what, conversation_id) = ("mute".to_owned(), at.to_bytes());
        let value = value.to_owned();
        said("ann", bus::Set { what, conversation_id, thread: 0, value, base: Some(base) })
    };
    assert_eq!(sent(&rig.ask("ann", with_base("{}", 0)).await), [1]);
    let told = rig.ask("ann", with_base(r#"{"until":5}"#, 0)).await;
    assert_eq!((error(&told), &told[0].1["current"]), ("conflict".to_owned(), &json!(1)));
    // What is so already is no conflict, and of another setting nothing came between.
    assert_eq!(sent(&rig.ask("ann", with_base("{}", 0)).await), [1]);
    assert_eq!(sent(&rig.ask("ann", set("ann", "pin", at, "true")).await), [2]);
    assert_eq!(sent(&rig.ask("ann", with_base(r#"{"until":5}"#, 1)).await), [3]);
}

pub async fn a_walk_of_settings_gives_each_once(store: Store) {
    let mut rig = Rig::over(store).await;
    let mut frames = vec![("ann", set_for_all("ann", "push", r#"{"content":"full"}"#))];
    for n in 0..7 {
        let at = ConversationId(uuid::Uuid::from_u128(1_000 + n));
        rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
        frames.push(("ann", set("ann", "pin", at, "true")));
        frames.push(("ann", set("ann", "mute", at, "{}")));
        frames.push(("ann", follow("ann", at, 3, "true")));
    }
    assert_eq!(sent(&rig.batch(frames, false).await).len(), 22);
    for limit in [1, 4, 22, 50] {
        let (mut all, mut after) = (Vec::<Place>::new(), None);
        loop {
            let page = rig.store.own_settings(&user("ann"), after.as_ref(), limit).await.unwrap();
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last() else { break };
            after = Some(last.place);
            all.extend(page.iter().map(|it| it.place));
        }
        assert_eq!(all.len(), 22);
        assert!(all.is_sorted_by_key(|place| (place.conversation_id, place.what.as_str())));
    }
    let at = ConversationId(uuid::Uuid::from_u128(1_003));
    let of = rig.store.own_settings_of(&user("ann"), &[Some(at), None]).await.unwrap();
    let mut of: Vec<_> = of.iter().map(|it| it.place.what).collect();
    of.sort_unstable();
    assert_eq!(of, [What::Mute, What::Pin, What::FollowThread, What::Push]);
    assert!(rig.store.own_settings(&user("bob"), None, 10).await.unwrap().is_empty());
}

pub async fn only_what_is_known_is_set_and_only_where_one_is_a_member(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    let theirs = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    rig.store.append(&group(theirs, &["bob", "cleo"])).await.unwrap();
    let nowhere = ConversationId::generate();
    for (frame, expected) in [
        (set("ann", "mute", theirs, "{}"), "not_found"),
        (set("ann", "mute", nowhere, "{}"), "not_found"),
        (set("ann", "archive", own("ann"), "true"), "not_found"),
        (set("ann", "mute", at, "7"), "invalid"),
        (set("ann", "mute", at, "{"), "invalid"),
        (set("ann", "shown", at, "true"), "invalid"),
        (set("ann", "held_refused", at, "true"), "invalid"),
        (set("ann", "contact", at, "true"), "invalid"),
        (set("ann", "status", at, r#""away""#), "invalid"),
        (set("ann", "push", at, r#"{"content":"none"}"#), "invalid"),
        (set_for_all("ann", "mute", "{}"), "invalid"),
        (follow("ann", at, 0, "true"), "invalid"),
        (follow("ann", at, u64::MAX, "true"), "invalid"),
        (set_for_all("ann", "privacy", &format!("[{}1]", "1,".repeat(3_000))), "too_large"),
    ] {
        let told = rig.ask("ann", frame.clone()).await;
        assert_eq!(error(&told), expected, "{frame:?}");
    }
    assert!(rig.store.load(&[keyed(own("ann"))]).await.unwrap()[0].is_none(), "nothing was made");
    // A user who names another one's self log writes into their own.
    let elsewhere =
        Frame { body: set("bob", "pin", at, "true").body, ..set("ann", "pin", at, "true") };
    assert_eq!(sent(&rig.ask("ann", elsewhere).await), [1]);
    assert_eq!(settings(&rig.store, "ann").await.len(), 1);
    assert!(settings(&rig.store, "bob").await.is_empty());

    let frames = (1..=1_001).map(|thread| ("ann", follow("ann", at, thread, "true"))).collect();
    let told = answers(&rig.batch(frames, false).await);
    assert_eq!(told.iter().filter(|(what, _)| what == "sent").count(), 1_000);
    assert_eq!(told[1_000].0, "quota_exceeded");
    let told = rig.ask("ann", follow("ann", at, 5_000, "false")).await;
    assert_eq!(error(&told), "quota_exceeded");
    sent(&rig.ask("ann", follow("ann", at, 9, "null")).await);
    sent(&rig.ask("ann", follow("ann", at, 5_000, "false")).await);
}

/// Makes an operation of a text and a member.
type Made = fn(&dyn Fn() -> Action, &dyn Fn() -> String) -> Action;

pub async fn a_self_log_does_not_exist_for_others_and_for_what_is_not_set(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = direct("ann", "bob");
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    sent(&rig.ask("ann", set("ann", "mute", at, "{}")).await);
    let message = |kind: &str, content: &str| {
        Action::Send(bus::Send {
            kind: kind.to_owned(),
            content: content.to_owned(),
            ..bus::Send::default()
        })
    };
    let text = || message("text", r#"{"text":"hi"}"#);
    let member = || "cleo".to_owned();
    let all: [(&str, Made); 6] = [
        ("bob", |text, _| text()),
        ("bob", |_, _| Action::Pin(bus::Pin { seq: 1, on: true })),
        ("bob", |_, _| Action::Rename(bus::Rename { title: "Mine".to_owned() })),
        ("bob", |_, who| Action::AddMembers(bus::AddMembers { user_ids: vec![who()], role: 1 })),
        ("bob", |_, who| Action::RemoveMember(bus::RemoveMember { user_id: who() })),
        ("bob", |_, who| Action::SetRole(bus::SetRole { user_id: who(), role: 1 })),
    ];
    for (who, action) in all {
        let ask = |at| operation(Some(at), ClientId::generate(), action(&text, &member));
        let there = rig.ask(who, ask(own("ann"))).await;
        let nowhere = rig.ask(who, ask(own("cleo"))).await;
        assert!(pushed(&there).is_empty());
        let shown = |told: &Told| (told[0].1["code"].clone(), told[0].1["message"].clone());
        assert_eq!(shown(&there), shown(&nowhere));
        // Its user is told that nothing else belongs there.
        let mine = rig.ask("ann", ask(own("ann"))).await;
        assert_eq!(error(&mine), "forbidden");
    }
    let notice = || message("notice", r#"{"body":"hear"}"#);
    for at in [own("ann"), own("cleo")] {
        let told = rig.ask("dan", operation(Some(at), ClientId::generate(), notice())).await;
        assert_eq!(error(&told), "not_found", "an operator speaks in no self log");
    }
    let entries = rig.store.entries(keyed(own("ann")), Page::After(0), 0, room(9)).await.unwrap();
    assert_eq!(entries.len(), 1);

    // Questions of others are answered as of one that does not exist.
    let queries = queries(&rig.store, 1 << 20);
    let (user_id, conversation_id) = ("bob".to_owned(), own("ann").to_bytes());
    let one = GetConversationRequest { user_id, conversation_id, device_type: 0 };
    let read = ReadEntriesRequest {
        user_id: "bob".to_owned(),
        conversation_id: own("ann").to_bytes(),
        limit: 9,
        ..ReadEntriesRequest::default()
    };
    let members = ListMembersRequest {
        user_id: "bob".to_owned(),
        conversation_id: own("ann").to_bytes(),
        limit: 9,
        after: String::new(),
    };
    let refused = [
        queries.get_conversation(Request::new(one)).await.map(|_| ()).unwrap_err(),
        queries.read_entries(Request::new(read)).await.map(|_| ()).unwrap_err(),
        queries.list_members(Request::new(members)).await.map(|_| ()).unwrap_err(),
    ];
    assert!(refused.iter().all(|it| it.code() == tonic::Code::PermissionDenied), "{refused:?}");
}

pub async fn a_self_log_is_in_the_digest_and_in_no_list_nor_among_contacts(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = direct("ann", "bob");
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    rig.store.append(&only(vec![entry(at, 2, "bob")])).await.unwrap();
    let contacts = async |store: &Store| {
        let asked = [ContactsOf { user_id: user("ann"), after: String::new() }];
        let bound = ContactsBound { limit: 10, group_members: 512 };
        store.contacts(&asked, bound).await.unwrap().remove(0)
    };
    let before = contacts(&rig.store).await;
    let digest = rig.store.head_digests(&[user("ann"), user("bob")]).await.unwrap();
    sent(&rig.ask("ann", set("ann", "pin", at, "true")).await);
    let after = rig.store.head_digests(&[user("ann"), user("bob")]).await.unwrap();
    assert_ne!(after[0], digest[0], "her devices notice");
    assert_eq!(after[1], digest[1], "his do not");
    let heads = rig.store.heads(&user("ann")).await.unwrap();
    let mut heads: Vec<_> = heads.iter().map(|it| (it.conversation_id, it.seq)).collect();
    heads.sort_by_key(|it| it.1);
    assert_eq!(heads, [(own("ann"), 1), (at, 2)]);
    let listed =
        rig.store.conversations_of(&user("ann"), Listed::default(), None, 10).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|(_, view)| (view.id, view.unread)).collect();
    assert_eq!(listed, [(at, 1)]);
    assert_eq!(contacts(&rig.store).await, before);
    let view = rig.store.conversation(&user("ann"), None, own("ann")).await.unwrap().unwrap();
    assert_eq!(
        (view.kind, view.unread, view.last_message_seq),
        (ConversationKind::SelfLog, 0, None)
    );
}

/// Sixteen devices set the same at once, each by a worker of its own that knows nothing of the others.
pub async fn settings_of_many_devices_at_once_are_those_that_the_log_says_last(store: Store) {
    let at = ConversationId::generate();
    store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let mut workers = Vec::new();
    for _ in 0..8 {
        workers.push(Rig::over(std::sync::Arc::clone(&store)).await);
    }
    let work = workers.iter_mut().enumerate().map(|(place, rig)| async move {
        for n in 0..6 {
            let value = if (place + n) % 3 == 0 { "null" } else { r#"{"before_seq":7}"# };
            rig.ask("ann", set("ann", "hidden", at, value)).await;
            let until = format!(r#"{{"until":{}}}"#, place * 10 + n);
            rig.ask("ann", set("ann", "mute", at, &until)).await;
        }
    });
    futures_util::future::join_all(work).await;
    let entries = store.entries(keyed(own("ann")), Page::After(0), 0, room(500)).await.unwrap();
    let (mut hidden, mut mute) = (Value::Null, Value::Null);
    for (seq, stored) in (1..).zip(&entries) {
        assert_eq!(stored.entry.seq, seq);
        let said: Value = serde_json::from_str(stored.entry.body.content()).unwrap();
        let last = if said["what"] == "hidden" { &mut hidden } else { &mut mute };
        assert_ne!(*last, said["value"], "at {seq}: nobody changes nothing");
        *last = said["value"].clone();
    }
    let found = store.own_settings(&user("ann"), None, 10).await.unwrap();
    let of = |what| {
        let of = found.iter().find(|it| it.place.what == what);
        of.map_or(Value::Null, |it| serde_json::from_str(&it.value.json).unwrap())
    };
    assert_eq!((of(What::Hidden), of(What::Mute)), (hidden, mute));
}

/// What a device is told that syncs with a cursor of the self log, or without one: the parts of what is set, the seqs of the
/// entries, and the pages.
pub async fn synced(
    store: &Store,
    who: &str,
    cursor: Option<u64>,
) -> (Vec<Own>, Vec<u64>, Vec<SyncPage>) {
    let at = |seq| Cursor { conversation_id: own(who).to_bytes(), seq, ..Cursor::default() };
    let request = SyncRequest {
        user_id: who.to_owned(),
        cursors: cursor.map(at).into_iter().collect(),
        only: own(who).to_bytes(),
        ..SyncRequest::default()
    };
    let queries = queries(store, 8 << 10);
    let mut events = queries.sync(Request::new(request)).await.unwrap().into_inner();
    let (mut parts, mut seqs, mut pages) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(event) = events.next().await {
        match event.unwrap().event.unwrap() {
            Event::Page(page) => {
                seqs.extend(page.entries.iter().map(|entry| seq_of(entry)));
                parts.extend(page.own.clone());
                pages.push(page);
            }
            Event::Done(done) => assert!(done.conversations <= 1, "it was asked for alone"),
        }
    }
    (parts, seqs, pages)
}

pub async fn a_new_device_hears_of_all_settings_however_old_they_are(store: Store) {
    let mut rig = Rig::over(store).await;
    assert!(synced(&rig.store, "ann", None).await.2.is_empty(), "there is no self log yet");
    let mut frames = Vec::new();
    for n in 0..300 {
        let at = ConversationId(uuid::Uuid::from_u128(1_000 + n));
        rig.store.append(&group(at, &["ann"])).await.unwrap();
        frames.push(("ann", set("ann", "mute", at, "{}")));
    }
    let back = ConversationId(uuid::Uuid::from_u128(1_299));
    frames.extend((0..200).map(|n| {
        let value = if n % 2 == 0 { "true" } else { "false" };
        ("ann", set("ann", "pin", back, value))
    }));
    assert_eq!(sent(&rig.batch(frames, false).await).last(), Some(&500));
    for cursor in [None, Some(9_999)] {
        let (parts, seqs, pages) = synced(&rig.store, "ann", cursor).await;
        assert!(parts.len() > 3, "in parts: {}", parts.len());
        assert!(parts.iter().all(|own| own.as_of == 499 && own.settings.len() < 60));
        let told: usize = parts.iter().map(|own| own.settings.len()).sum();
        assert_eq!((told, seqs), (300, vec![500]), "what is set, and an entry to go on from");
        let resets: Vec<_> = pages.iter().map(|page| page.reset).collect();
        assert_eq!(resets[0], cursor.is_some());
        assert!(resets[1..].iter().all(|reset| !reset));
        let (last, before) = pages.split_last().unwrap();
        assert!(before.iter().all(|page| page.more && page.entries.is_empty() && page.head == 500));
        assert!(last.own.is_none() && !last.more);
        assert_eq!(last.skipped_before, 500);
    }
    let (parts, seqs, _) = synced(&rig.store, "ann", Some(497)).await;
    assert_eq!(
        (parts.len(), seqs),
        (0, vec![498, 499, 500]),
        "who has a cursor goes on from there"
    );
    assert!(synced(&rig.store, "ann", Some(500)).await.2.is_empty());
    // Among all conversations a self log is none that one would look for.
    let request = SyncRequest { user_id: "ann".to_owned(), ..SyncRequest::default() };
    let events = queries(&rig.store, 1 << 20).sync(Request::new(request)).await.unwrap();
    let events: Vec<_> = events.into_inner().collect().await;
    let Some(Event::Done(done)) = events.into_iter().last().unwrap().unwrap().event else {
        panic!("the end")
    };
    assert_eq!(done.conversations, 300);
    // The first entry is all there is.
    rig.store.append(&group(direct("bob", "ann"), &["bob", "ann"])).await.unwrap();
    sent(&rig.ask("bob", set("bob", "pin", direct("ann", "bob"), "true")).await);
    let (parts, seqs, _) = synced(&rig.store, "bob", None).await;
    assert_eq!((parts.len(), parts[0].as_of, parts[0].settings.len(), seqs), (1, 0, 1, vec![1]));
}

pub async fn lists_say_what_is_set_and_hidden_conversations_come_back(store: Store) {
    let mut rig = Rig::over(store).await;
    let ids: Vec<_> = (1..=3).map(|n| ConversationId(uuid::Uuid::from_u128(n))).collect();
    for (id, at_ms) in ids.iter().zip(10_000..) {
        let mut batch = group(*id, &["ann", "bob"]);
        let mut said = entry(*id, 2, "bob");
        said.created_at_ms = at_ms;
        batch.entries.push(said);
        rig.store.append(&batch).await.unwrap();
    }
    let queries = queries(&rig.store, 1 << 20);
    let list = async |archived: Option<bool>| {
        let request = ListConversationsRequest {
            user_id: "ann".to_owned(),
            limit: 10,
            archived,
            ..ListConversationsRequest::default()
        };
        let reply = queries.list_conversations(Request::new(request)).await.unwrap().into_inner();
        let one = |it: proto::chat::Conversation| {
            let mut own: Vec<_> = it.own.into_iter().map(|it| it.what).collect();
            own.sort();
            (ConversationId::from_bytes(&it.id).unwrap(), own)
        };
        reply.conversations.into_iter().map(one).collect::<Vec<_>>()
    };
    let none = Vec::<String>::new;
    assert_eq!(list(Some(true)).await, []);
    sent(&rig.ask("ann", set("ann", "archive", ids[0], "true")).await);
    sent(&rig.ask("ann", set("ann", "mute", ids[0], "{}")).await);
    let kept = vec!["archive".to_owned(), "mute".to_owned()];
    let others = [(ids[2], none()), (ids[1], none())];
    assert_eq!(list(Some(true)).await, [(ids[0], kept.clone())]);
    assert_eq!(list(Some(false)).await, others);
    assert_eq!(list(None).await, [&others[..], &[(ids[0], kept.clone())]].concat());

    // Hidden until the next message; an entry that is none does not bring it back.
    sent(&rig.ask("ann", set("ann", "hidden", ids[2], r#"{"before_seq":3}"#)).await);
    assert_eq!(list(Some(false)).await, others[1..]);
    let mut change = entry(ids[2], 3, "bob");
    change.body = Body::Pin { on: true };
    rig.store.append(&only(vec![change])).await.unwrap();
    assert_eq!(list(Some(false)).await, others[1..]);
    rig.store.append(&only(vec![entry(ids[2], 4, "bob")])).await.unwrap();
    assert_eq!(list(Some(false)).await.len(), 2);
    // Of bob nothing is set, and one conversation says the same.
    let listed = rig.store.conversations_of(&user("bob"), Listed::default(), None, 10).await;
    assert_eq!(listed.unwrap().len(), 3);
    let one = GetConversationRequest {
        user_id: "ann".to_owned(),
        conversation_id: ids[0].to_bytes(),
        device_type: 0,
    };
    let one = queries.get_conversation(Request::new(one)).await.unwrap().into_inner();
    let mut own: Vec<_> = one.own.into_iter().map(|it| it.what).collect();
    own.sort();
    assert_eq!(own, kept);
    for (id, expected) in [(Some(ids[0]), 2), (Some(ids[1]), 0), (None, 0)] {
        let request = OwnSettingsRequest {
            user_id: "ann".to_owned(),
            conversation_id: id.map(ConversationId::to_bytes).unwrap_or_default(),
        };
        let reply = queries.own_settings(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(reply.settings.len(), expected);
    }
    let request =
        OwnSettingsRequest { user_id: "cleo".to_owned(), conversation_id: ids[0].to_bytes() };
    let refused = queries.own_settings(Request::new(request)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
}

pub async fn what_two_users_of_two_tenants_set_is_apart(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["acme/ann", "acme/bob"])).await.unwrap();
    assert_eq!(error(&rig.ask("ann", set("ann", "pin", at, "true")).await), "not_found");
    let told = rig.ask("acme/ann", set("acme/ann", "pin", at, "true")).await;
    assert_eq!(sent(&told), [1]);
    assert_eq!(told[0].1["conversation_id"], json!(own("acme/ann")));
    assert_eq!(settings(&rig.store, "acme/ann").await.len(), 1);
    assert!(settings(&rig.store, "ann").await.is_empty());
    let counted = rig.store.memberships(&[user("acme/ann")], 9).await.unwrap();
    assert_eq!(counted, [1], "of how many one may be in, a self log is none");
}
