//! Mentions and threads: who is told apart that a message concerns them, and how far each has read what; and who has read
//! which message when.

use chat_service::domain::entry::CursorRow;
use chat_service::domain::steps::{KEPT, MERGED_MS, STEP_CHARS, Times, times};
use chat_service::store::MessagePage;
use proto::bus::frame::Body;
use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::chat::chat_server::Chat;
use proto::chat::{
    Conversation, FollowedThread, GetConversationRequest, ListMentionsRequest, ListReadsReply,
    ListReadsRequest, ListThreadsRequest, ReadEntriesRequest,
};
use proto::common::{DeviceType, Role};
use proto::id::{ClientId, ConversationId};
use serde_json::Value;
use tonic::Request;

use super::paging::queries;
use super::worker::{Rig, Told, answers, operation};
use super::{Store, entry, group, keyed, name, only, room, user};

const PAGE_BYTES: usize = 1 << 20;

fn act(at: ConversationId, action: Action) -> Frame {
    operation(Some(at), ClientId::generate(), action)
}

fn text(more: bus::Send) -> Action {
    let content = r#"{"text":"hi"}"#.to_owned();
    Action::Send(bus::Send { kind: "text".to_owned(), content, ..more })
}

fn mention(who: &[&str]) -> bus::Send {
    let mentions = who.iter().map(|name| (*name).to_owned()).collect();
    bus::Send { mentions, ..bus::Send::default() }
}

fn everybody() -> bus::Send {
    bus::Send { mention_all: true, ..bus::Send::default() }
}

fn reply(thread: u64) -> bus::Send {
    bus::Send { thread, ..bus::Send::default() }
}

fn read(at: ConversationId, seq: u64) -> Frame {
    let cursor = bus::AdvanceCursor { read_seq: seq, ..cursor(at) };
    Frame::from(Body::AdvanceCursor(cursor))
}

fn read_thread(at: ConversationId, thread: u64, seq: u64) -> Frame {
    let cursor = bus::AdvanceCursor { thread, thread_read_seq: seq, ..cursor(at) };
    Frame::from(Body::AdvanceCursor(cursor))
}

fn cursor(at: ConversationId) -> bus::AdvanceCursor {
    bus::AdvanceCursor { conversation_id: at.to_bytes(), ..bus::AdvanceCursor::default() }
}

async fn say(rig: &mut Rig, who: &str, at: ConversationId, more: bus::Send) -> u64 {
    let told = rig.ask(who, act(at, text(more))).await;
    let (what, seq) = answers(&told).remove(0);
    assert_eq!(what, "sent", "{told:?}");
    seq
}

async fn refused(rig: &mut Rig, who: &str, at: ConversationId, more: bus::Send) -> String {
    answers(&rig.ask(who, act(at, text(more))).await).remove(0).0
}

async fn shown(store: &Store, who: &str, at: ConversationId) -> Conversation {
    let request = GetConversationRequest {
        user_id: who.to_owned(),
        conversation_id: at.to_bytes(),
        device_type: DeviceType::Web as i32,
    };
    let reply = queries(store, PAGE_BYTES).get_conversation(Request::new(request)).await;
    reply.unwrap().into_inner()
}

/// What is unread, and how much of it mentions the member.
async fn unread(store: &Store, who: &str, at: ConversationId) -> (u32, u32) {
    let shown = shown(store, who, at).await;
    (shown.unread, shown.unread_mentions)
}

/// Seqs of the messages that mention a user, and whether each is unread; asked for in pages.
async fn mentions(store: &Store, who: &str, unread: bool, limit: u32) -> Vec<(u64, bool)> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let user_id = who.to_owned();
        let request = ListMentionsRequest {
            user_id,
            limit,
            after,
            device_type: DeviceType::Web as i32,
            unread,
        };
        let reply = queries(store, PAGE_BYTES).list_mentions(Request::new(request)).await.unwrap();
        let reply = reply.into_inner();
        all.extend(reply.mentions.iter().map(|mention| {
            let entry: Value = serde_json::from_slice(&mention.entry).unwrap();
            (entry["seq"].as_u64().unwrap(), mention.unread)
        }));
        after = reply.next;
        if after.is_empty() {
            return all;
        }
    }
}

/// The threads that a user follows; asked for in pages.
async fn threads(store: &Store, who: &str, unread: bool, limit: u32) -> Vec<FollowedThread> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let user_id = who.to_owned();
        let request = ListThreadsRequest {
            user_id,
            limit,
            after,
            device_type: DeviceType::Web as i32,
            unread,
        };
        let reply = queries(store, PAGE_BYTES).list_threads(Request::new(request)).await.unwrap();
        let reply = reply.into_inner();
        all.extend(reply.threads);
        after = reply.next;
        if after.is_empty() {
            return all;
        }
    }
}

/// First message, unread replies and the seq of the newest one of each thread.
async fn followed(store: &Store, who: &str) -> Vec<(u64, u32, u64)> {
    let seq = |entry: &[u8]| serde_json::from_slice::<Value>(entry).unwrap()["seq"].as_u64();
    let threads = threads(store, who, false, 100).await;
    threads.iter().map(|it| (it.thread, it.unread, seq(&it.last_reply).unwrap())).collect()
}

async fn crew(store: Store) -> (Rig, ConversationId) {
    let rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob", "cleo"])).await.unwrap();
    (rig, at)
}

pub async fn mentions_are_counted_and_listed_until_they_are_read(store: Store) {
    let (mut rig, at) = crew(store).await;
    // A user who is named twice is mentioned once, and oneself not at all.
    assert_eq!(say(&mut rig, "ann", at, mention(&["bob", "bob", "ann"])).await, 2);
    assert_eq!(say(&mut rig, "ann", at, bus::Send::default()).await, 3);
    assert_eq!(
        say(&mut rig, "ann", at, bus::Send { mentions: vec!["bob".to_owned()], ..everybody() })
            .await,
        4
    );
    let counts = async |rig: &Rig| {
        let of = async |who: &str| unread(&rig.store, who, at).await;
        [of("ann").await, of("bob").await, of("cleo").await]
    };
    assert_eq!(counts(&rig).await, [(0, 0), (3, 2), (3, 1)]);
    assert_eq!(mentions(&rig.store, "bob", false, 100).await, [(4, true), (2, true)]);
    assert_eq!(mentions(&rig.store, "cleo", false, 1).await, [(4, true)]);
    assert_eq!(mentions(&rig.store, "ann", false, 100).await, []);
    rig.ask("bob", read(at, 3)).await;
    assert_eq!(counts(&rig).await, [(0, 0), (1, 1), (3, 1)]);
    assert_eq!(mentions(&rig.store, "bob", false, 1).await, [(4, true), (2, false)], "in pages");
    assert_eq!(mentions(&rig.store, "bob", true, 100).await, [(4, true)], "unread ones alone");
    // What is for other devices concerns nobody on this one.
    let for_phones = bus::Send { device_type: DeviceType::Ios as i32, ..mention(&["bob"]) };
    assert_eq!(say(&mut rig, "ann", at, for_phones).await, 5);
    assert_eq!(unread(&rig.store, "bob", at).await, (1, 1));
    assert_eq!(mentions(&rig.store, "bob", true, 100).await, [(4, true)]);
    // Everybody is told that everybody is mentioned.
    let told = rig.ask("cleo", act(at, text(everybody()))).await;
    let entry = told.iter().find(|(who, frame)| who == "ann" && frame["type"] == "entry").unwrap();
    assert_eq!(entry.1["mention_all"], true, "{entry:?}");
    assert_eq!(mentions(&rig.store, "ann", true, 100).await, [(6, true)]);
    let direct = super::direct("ann", "bob");
    say(&mut rig, "ann", direct, bus::Send { to: "bob".to_owned(), ..mention(&["bob"]) }).await;
    assert_eq!(refused(&mut rig, "ann", direct, everybody()).await, "forbidden");
    assert_eq!(mentions(&rig.store, "bob", true, 1).await.len(), 3, "of all conversations");
}

pub async fn an_edit_mentions_those_whom_it_names_and_no_others(store: Store) {
    let (mut rig, at) = crew(store).await;
    let counts = async |rig: &Rig| {
        let of = async |who: &str| unread(&rig.store, who, at).await.1;
        [of("ann").await, of("bob").await, of("cleo").await]
    };
    let edit = |seq: u64, who: &[&str]| {
        let mentions = who.iter().map(|name| (*name).to_owned()).collect();
        let content = r#"{"text":"ho"}"#.to_owned();
        act(at, Action::Edit(bus::Edit { seq, content, mentions, ..bus::Edit::default() }))
    };
    assert_eq!(say(&mut rig, "ann", at, mention(&["bob"])).await, 2);
    rig.ask("ann", edit(2, &["cleo", "cleo", "ann"])).await;
    assert_eq!(counts(&rig).await, [0, 0, 1]);
    assert_eq!(mentions(&rig.store, "bob", false, 100).await, []);
    assert_eq!(mentions(&rig.store, "cleo", false, 100).await, [(2, true)]);
    rig.batch(vec![("ann", edit(2, &[])), ("ann", edit(2, &["bob", "cleo"]))], false).await;
    assert_eq!(counts(&rig).await, [0, 1, 1]);
    rig.ask("ann", edit(2, &["bob"])).await;
    assert_eq!(counts(&rig).await, [0, 1, 0]);
    // A member who has read that far finds the mention, and has nothing unread by it.
    rig.ask("cleo", read(at, 2)).await;
    rig.ask("ann", edit(2, &["cleo"])).await;
    assert_eq!(counts(&rig).await, [0, 0, 0]);
    assert_eq!(mentions(&rig.store, "cleo", false, 100).await, [(2, false)]);
    // In one batch with the message itself.
    let said = act(at, text(mention(&["bob"])));
    rig.batch(vec![("ann", said), ("ann", edit(8, &["cleo"]))], false).await;
    assert_eq!(counts(&rig).await, [0, 0, 1]);
    // What mentions all of them goes on to do so, and what is deleted mentions nobody.
    assert_eq!(say(&mut rig, "ann", at, everybody()).await, 10);
    rig.ask("ann", edit(10, &["bob"])).await;
    assert_eq!(counts(&rig).await, [0, 1, 2]);
    for seq in [8, 10] {
        let delete = bus::Delete { seq, ..bus::Delete::default() };
        rig.ask("ann", act(at, Action::Delete(delete))).await;
    }
    assert_eq!(counts(&rig).await, [0, 0, 0]);
    // In a thread a user who is mentioned by an edit follows it from there.
    assert_eq!(say(&mut rig, "ann", at, bus::Send::default()).await, 14);
    assert_eq!(say(&mut rig, "ann", at, reply(14)).await, 15);
    assert_eq!(followed(&rig.store, "bob").await, []);
    rig.ask("ann", edit(15, &["bob"])).await;
    assert_eq!(followed(&rig.store, "bob").await, [(14, 1, 15)]);
    assert_eq!(counts(&rig).await, [0, 0, 0], "the conversation counts none of it");
    assert_eq!(mentions(&rig.store, "bob", true, 100).await, [(15, true)]);
}

pub async fn threads_are_followed_and_read_apart_from_their_conversation(store: Store) {
    let (mut rig, at) = crew(store).await;
    assert_eq!(say(&mut rig, "ann", at, bus::Send::default()).await, 2);
    rig.ask("bob", read(at, 2)).await;
    rig.ask("cleo", read(at, 2)).await;
    assert_eq!(followed(&rig.store, "ann").await, [], "nobody has answered");
    assert_eq!(say(&mut rig, "bob", at, reply(2)).await, 3);
    assert_eq!(followed(&rig.store, "ann").await, [(2, 1, 3)], "its author follows");
    assert_eq!(followed(&rig.store, "bob").await, [(2, 0, 3)], "and a user who answers");
    assert_eq!(followed(&rig.store, "cleo").await, [], "and nobody else");
    let with_cleo = bus::Send { mentions: vec!["cleo".to_owned()], ..reply(2) };
    assert_eq!(say(&mut rig, "ann", at, with_cleo).await, 4);
    assert_eq!(followed(&rig.store, "cleo").await, [(2, 1, 4)], "but who is mentioned in it");
    assert_eq!(followed(&rig.store, "bob").await, [(2, 1, 4)]);
    assert_eq!(mentions(&rig.store, "cleo", true, 10).await, [(4, true)]);
    assert_eq!(unread(&rig.store, "cleo", at).await, (0, 0), "the conversation counts none of it");
    // Reading the conversation reads no thread, and a thread is read without the conversation.
    rig.ask("cleo", read(at, 4)).await;
    assert_eq!(followed(&rig.store, "cleo").await, [(2, 1, 4)]);
    let told = rig.ask("cleo", read_thread(at, 2, 99)).await;
    let heard: Vec<_> = told.iter().filter(|(_, frame)| frame["type"] == "thread_read").collect();
    assert_eq!(heard.len(), 1, "the own devices alone: {told:?}");
    assert_eq!((heard[0].0.as_str(), &heard[0].1["read_seq"]), ("cleo", &Value::from(4)));
    assert_eq!(followed(&rig.store, "cleo").await, [(2, 0, 4)]);
    assert_eq!(mentions(&rig.store, "cleo", true, 10).await, []);
    let back: Told = rig.ask("cleo", read_thread(at, 2, 3)).await;
    assert!(back.is_empty(), "never back: {back:?}");
    rig.ask("bob", read_thread(at, 2, 4)).await;
    assert_eq!(
        shown(&rig.store, "bob", at).await.my_read_seq,
        2,
        "the conversation is read no further"
    );
    // One that is not followed has no cursor.
    assert_eq!(say(&mut rig, "bob", at, bus::Send::default()).await, 5);
    assert!(rig.ask("cleo", read_thread(at, 5, 5)).await.is_empty());
    // What is said in both is unread in both.
    let in_both = bus::Send { also_in_main: true, ..reply(2) };
    assert_eq!(say(&mut rig, "ann", at, in_both).await, 6);
    assert_eq!(unread(&rig.store, "bob", at).await, (1, 0));
    assert_eq!(followed(&rig.store, "bob").await, [(2, 1, 6)]);
    // The thread with the newest reply comes first, in pages of any size; and those with something unread alone.
    assert_eq!(say(&mut rig, "ann", at, reply(5)).await, 7);
    for limit in [1, 100] {
        let all = threads(&rig.store, "ann", false, limit).await;
        let all: Vec<_> = all.iter().map(|thread| thread.thread).collect();
        assert_eq!(all, [5, 2]);
    }
    let unread = threads(&rig.store, "ann", true, 100).await;
    let unread: Vec<_> = unread.iter().map(|thread| (thread.thread, thread.unread)).collect();
    assert_eq!(unread, [(2, 1)]);
    let entry = |json: &[u8]| serde_json::from_slice::<Value>(json).unwrap();
    let first = threads(&rig.store, "ann", false, 1).await.remove(0);
    let (root, last) = (entry(&first.root), entry(&first.last_reply));
    assert_eq!((&root["seq"], &last["seq"]), (&Value::from(5), &Value::from(7)));
    assert_eq!(last["thread"], 5);
    // What is known of its replies is in the state of the message that begins it.
    let page = rig.store.messages(keyed(at), MessagePage::Only(2), 1, room(1)).await.unwrap();
    let thread = page.messages[0].state.as_ref().unwrap().thread.clone().unwrap();
    assert_eq!((thread.n, thread.last_seq), (3, 6));
    assert_eq!(thread.by, [name("bob"), name("ann")]);
}

pub async fn a_thread_is_followed_and_not_as_its_user_said_by_hand(store: Store) {
    let (mut rig, at) = crew(store).await;
    let follow = |thread: u64, value: &str| {
        let (what, value) = ("follow_thread".to_owned(), value.to_owned());
        let conversation_id = at.to_bytes();
        let set = bus::Set { what, value, thread, conversation_id, ..bus::Set::default() };
        operation(None, ClientId::generate(), Action::Set(set))
    };
    let naming = |who: &str| bus::Send { mentions: vec![who.to_owned()], ..reply(2) };
    assert_eq!(say(&mut rig, "ann", at, bus::Send::default()).await, 2);
    assert_eq!(say(&mut rig, "bob", at, reply(2)).await, 3);
    assert_eq!(followed(&rig.store, "cleo").await, []);
    // By hand: what is there already counts as read, and it has a cursor like any other.
    rig.ask("cleo", follow(2, "true")).await;
    assert_eq!(followed(&rig.store, "cleo").await, [(2, 0, 3)]);
    assert_eq!(say(&mut rig, "bob", at, reply(2)).await, 4);
    assert_eq!(followed(&rig.store, "cleo").await, [(2, 1, 4)]);
    rig.ask("cleo", read_thread(at, 2, 4)).await;
    assert_eq!(followed(&rig.store, "cleo").await, [(2, 0, 4)]);
    // Not by hand: whatever the user has to do with it, until that is taken back.
    rig.ask("ann", follow(2, "false")).await;
    assert_eq!(followed(&rig.store, "ann").await, []);
    assert_eq!(say(&mut rig, "bob", at, naming("ann")).await, 5);
    assert_eq!(followed(&rig.store, "ann").await, []);
    assert_eq!(threads(&rig.store, "ann", true, 1).await, []);
    rig.ask("ann", follow(2, "null")).await;
    assert_eq!(followed(&rig.store, "ann").await, [(2, 3, 5)]);
    // What was followed by hand alone is not when that is taken back, and is again by what the user has to do with it.
    rig.ask("cleo", follow(2, "null")).await;
    assert_eq!(followed(&rig.store, "cleo").await, []);
    assert_eq!(say(&mut rig, "bob", at, naming("cleo")).await, 6);
    assert_eq!(followed(&rig.store, "cleo").await, [(2, 2, 6)]);
    rig.ask("cleo", follow(2, "true")).await;
    rig.ask("cleo", follow(2, "null")).await;
    assert_eq!(followed(&rig.store, "cleo").await, [(2, 2, 6)]);
    // One without replies is in no list yet; both reasons in one batch are both.
    assert_eq!(say(&mut rig, "ann", at, bus::Send::default()).await, 7);
    rig.ask("cleo", follow(7, "true")).await;
    assert_eq!(followed(&rig.store, "cleo").await, [(2, 2, 6)]);
    let writes = act(at, text(reply(7)));
    rig.batch(vec![("bob", follow(7, "true")), ("bob", writes)], false).await;
    assert_eq!(followed(&rig.store, "cleo").await, [(7, 1, 8), (2, 2, 6)]);
    rig.ask("bob", follow(7, "null")).await;
    assert_eq!(followed(&rig.store, "bob").await[0], (7, 0, 8));
    // Who is no member follows nothing.
    let told = rig.ask("dan!", follow(2, "true")).await;
    assert_eq!(answers(&told), [("not_found".to_owned(), 0)]);
    assert_eq!(followed(&rig.store, "dan").await, []);
}

pub async fn replies_in_a_thread_have_pages_of_their_own(store: Store) {
    let (mut rig, at) = crew(store).await;
    for _ in 0..2 {
        say(&mut rig, "ann", at, bus::Send::default()).await;
    }
    let mut of_first = Vec::new();
    for place in 0..9_u64 {
        let thread = 2 + place % 2;
        let seq = say(&mut rig, "bob", at, reply(thread)).await;
        if thread == 2 {
            of_first.push(seq);
        }
    }
    let page = async |before_seq, after_seq, limit| {
        let request = ReadEntriesRequest {
            user_id: "ann".to_owned(),
            conversation_id: at.to_bytes(),
            before_seq,
            after_seq,
            limit,
            thread: 2,
            ..ReadEntriesRequest::default()
        };
        let reply = queries(&rig.store, PAGE_BYTES).read_entries(Request::new(request)).await;
        let reply = reply.unwrap().into_inner();
        let seq = |entry: &bytes::Bytes| {
            let entry: Value = serde_json::from_slice(entry).unwrap();
            assert_eq!(entry["thread"], 2);
            entry["seq"].as_u64().unwrap()
        };
        (reply.entries.iter().map(seq).collect::<Vec<_>>(), reply.more)
    };
    assert_eq!(page(None, None, 100).await, (of_first.clone(), false));
    assert_eq!(page(None, None, 2).await, (of_first[3..].to_vec(), true));
    assert_eq!(page(Some(of_first[3]), None, 3).await, (of_first[..3].to_vec(), false));
    assert_eq!(page(None, Some(0), 2).await, (of_first[..2].to_vec(), true));
    assert_eq!(page(None, Some(of_first[1]), 3).await, (of_first[2..].to_vec(), false));
    assert_eq!(page(None, Some(of_first[4]), 3).await, (Vec::new(), false));
}

pub async fn a_thread_begins_at_a_message_that_one_may_see_and_that_is_in_none(store: Store) {
    let (mut rig, at) = crew(store).await;
    assert_eq!(say(&mut rig, "ann", at, bus::Send::default()).await, 2);
    assert_eq!(say(&mut rig, "ann", at, reply(2)).await, 3);
    let in_both = bus::Send { also_in_main: true, ..reply(2) };
    assert_eq!(say(&mut rig, "ann", at, in_both).await, 4);
    let add = bus::AddMembers { user_ids: vec!["dan".to_owned()], role: Role::Member as i32 };
    let told = rig.ask("ann", act(at, Action::AddMembers(add))).await;
    assert_eq!(answers(&told)[0], ("sent".to_owned(), 5));
    for (who, message, code) in [
        ("ann", reply(3), "invalid"),
        ("ann", reply(4), "invalid"),
        ("ann", reply(1), "not_found"),
        ("ann", reply(99), "not_found"),
        ("dan!", reply(2), "not_found"),
        ("ann", bus::Send { also_in_main: true, ..bus::Send::default() }, "invalid"),
        ("ann", bus::Send { to: "bob".to_owned(), ..reply(1) }, "not_found"),
    ] {
        assert_eq!(refused(&mut rig, who, at, message.clone()).await, code, "{who} {message:?}");
    }
    // Of messages of the same batch, too.
    let frames =
        [bus::Send::default(), reply(6), reply(7), reply(6)].map(|it| ("ann", act(at, text(it))));
    let told = answers(&rig.batch(frames.into(), false).await);
    let expected = [("sent", 6), ("sent", 7), ("invalid", 0), ("sent", 8)];
    assert_eq!(told, expected.map(|(what, seq)| (what.to_owned(), seq)));
    // A repeat has the first answer; the same id for another thread is another operation.
    let client_id = ClientId::generate();
    for (thread, expected) in [(2, ("sent", 9)), (2, ("sent", 9)), (6, ("conflict", 0))] {
        let told = rig.ask("ann", operation(Some(at), client_id, text(reply(thread)))).await;
        assert_eq!(answers(&told), [(expected.0.to_owned(), expected.1)]);
    }
    // An answer to what is for phones is for phones.
    let for_phones = bus::Send { device_type: DeviceType::Ios as i32, ..bus::Send::default() };
    assert_eq!(say(&mut rig, "ann", at, for_phones).await, 10);
    let told = rig.ask("ann", act(at, text(reply(10)))).await;
    let heard = told.iter().find(|(who, frame)| who == "bob" && frame["type"] == "entry").unwrap();
    assert_eq!(heard.1["content"], serde_json::json!({}), "bob has a browser");
}

pub async fn who_comes_or_goes_sees_no_mention_or_thread_of_before(store: Store) {
    let (mut rig, at) = crew(store).await;
    say(&mut rig, "ann", at, everybody()).await;
    assert_eq!(say(&mut rig, "bob", at, reply(2)).await, 3);
    say(&mut rig, "bob", at, mention(&["cleo"])).await;
    let add = bus::AddMembers { user_ids: vec!["dan".to_owned()], role: Role::Member as i32 };
    rig.ask("ann", act(at, Action::AddMembers(add))).await;
    assert_eq!(mentions(&rig.store, "dan", false, 10).await, []);
    assert_eq!(unread(&rig.store, "dan", at).await, (0, 0));
    assert_eq!(mentions(&rig.store, "cleo", false, 10).await, [(4, true), (2, true)]);
    let gone = bus::RemoveMember { user_id: "cleo".to_owned() };
    rig.ask("ann", act(at, Action::RemoveMember(gone))).await;
    let gone = bus::RemoveMember { user_id: "bob".to_owned() };
    rig.ask("ann", act(at, Action::RemoveMember(gone))).await;
    assert_eq!(mentions(&rig.store, "cleo", false, 10).await, []);
    assert_eq!(followed(&rig.store, "bob").await, []);
    let back = bus::AddMembers { user_ids: vec!["bob".to_owned()], role: Role::Member as i32 };
    rig.ask("ann", act(at, Action::AddMembers(back))).await;
    assert_eq!(followed(&rig.store, "bob").await, [], "its replies are of before");
    assert_eq!(say(&mut rig, "ann", at, reply(2)).await, 9);
    let thread = threads(&rig.store, "bob", false, 10).await.remove(0);
    assert_eq!(
        (thread.unread, thread.root.is_empty()),
        (1, true),
        "its first message is of before"
    );
}

pub async fn what_is_unread_is_counted_to_a_hundred(store: Store) {
    let at = ConversationId::generate();
    store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let append = async |seqs: std::ops::RangeInclusive<u64>| {
        store.append(&only(seqs.map(|seq| entry(at, seq, "ann")).collect())).await.unwrap();
        let shown = shown(&store, "bob", at).await;
        (shown.unread, shown.unread_more)
    };
    assert_eq!(append(2..=101).await, (100, false));
    assert_eq!(append(102..=102).await, (100, true));
}

pub async fn steps_of_cursors_tell_when_an_entry_was_received_and_read(store: Store) {
    let at = ConversationId::generate();
    store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let entries = (2..=200).map(|seq| entry(at, seq, "ann")).collect();
    store.append(&only(entries)).await.unwrap();
    let advance = async |delivered_seq, read_seq, now_ms| {
        let row = CursorRow { conversation_id: at, user_id: user("bob"), delivered_seq, read_seq };
        store.advance_cursors_at(&[row], &[true], now_ms).await.unwrap();
    };
    let bob = async || {
        let members = store.stepped_members(keyed(at), None, 10).await.unwrap();
        members.into_iter().find(|member| member.user_id == user("bob")).unwrap()
    };
    let known = |delivered, read| Times { delivered_ms: Some(delivered), read_ms: read };
    let start = 1_800_000_000_000;
    advance(5, 0, start).await;
    // Close to the one before, so it is the same step.
    advance(6, 0, start + MERGED_MS).await;
    advance(7, 0, start + 2 * MERGED_MS + 1).await;
    // Both at once, of which what is read is less; then what is read implies that it is received; and what is no move.
    advance(9, 8, start + 10_000).await;
    advance(0, 12, start + 20_000).await;
    advance(12, 11, start + 30_000).await;
    // Beyond the head.
    advance(0, 999, start + 40_000).await;
    let steps = bob().await.steps;
    assert_eq!(steps.len(), 6 * STEP_CHARS, "{steps}");
    for (seq, expected) in [
        (1, known(start, Some(start + 10_000))),
        (6, known(start, Some(start + 10_000))),
        (7, known(start + 2 * MERGED_MS + 1, Some(start + 10_000))),
        (9, known(start + 10_000, Some(start + 20_000))),
        (12, known(start + 20_000, Some(start + 20_000))),
        (200, known(start + 40_000, Some(start + 40_000))),
        (201, Times::default()),
    ] {
        assert_eq!(times(&steps, seq), expected, "{seq}: {steps}");
    }
    // Others keep theirs, and of one that is not timed there is no step.
    let row =
        CursorRow { conversation_id: at, user_id: user("ann"), delivered_seq: 3, read_seq: 3 };
    store.advance_cursors_at(&[row], &[false], start).await.unwrap();
    let members = store.stepped_members(keyed(at), None, 1).await.unwrap();
    assert_eq!((members[0].read_seq, members[0].steps.as_str()), (3, ""));
    // The newest are kept.
    let more = (201..=300).map(|seq| entry(at, seq, "ann")).collect();
    store.append(&only(more)).await.unwrap();
    for seq in 201..=300 {
        advance(seq, 0, start + seq * 10_000).await;
    }
    let steps = bob().await.steps;
    assert_eq!(steps.len(), KEPT * STEP_CHARS);
    assert_eq!(times(&steps, 300), known(start + 3_000_000, None));
    assert_eq!(times(&steps, 202).delivered_ms, times(&steps, 269).delivered_ms, "at the latest");
}

async fn reads(
    store: &Store,
    who: &str,
    at: ConversationId,
    seq: u64,
) -> Result<ListReadsReply, i32> {
    let (user_id, conversation_id) = (who.to_owned(), at.to_bytes());
    let request =
        ListReadsRequest { user_id, conversation_id, seq, limit: 1, ..ListReadsRequest::default() };
    let mut all = ListReadsReply::default();
    let mut after = String::new();
    loop {
        let request = ListReadsRequest { after, ..request.clone() };
        let reply = queries(store, PAGE_BYTES).list_reads(Request::new(request)).await;
        let reply = reply.map_err(|status| status.code() as i32)?.into_inner();
        all.receipts = reply.receipts;
        all.members.extend(reply.members);
        after = reply.next;
        if after.is_empty() {
            return Ok(all);
        }
    }
}

pub async fn members_are_told_who_has_read_a_message_and_when(store: Store) {
    let (mut rig, at) = crew(store).await;
    say(&mut rig, "ann", at, bus::Send::default()).await;
    let seen = async |rig: &Rig| {
        let members = reads(&rig.store, "ann", at, 2).await.unwrap().members;
        let state = |it: &proto::chat::ReadBy| {
            assert_eq!(it.delivered, it.delivered_at_ms > 0, "{it:?}");
            assert_eq!(it.read, it.read_at_ms > 0, "{it:?}");
            (it.user_id.clone(), it.delivered, it.read)
        };
        members.iter().map(state).collect::<Vec<_>>()
    };
    let of = |who: &str, delivered, read| (who.to_owned(), delivered, read);
    assert_eq!(seen(&rig).await, [of("bob", false, false), of("cleo", false, false)]);
    let delivered = bus::AdvanceCursor { delivered_seq: 2, ..cursor(at) };
    rig.ask("bob", Frame::from(Body::AdvanceCursor(delivered))).await;
    rig.ask("cleo", read(at, 2)).await;
    assert_eq!(seen(&rig).await, [of("bob", true, false), of("cleo", true, true)]);
    // A user who hides their times gives no moment away, though others see how far they have come.
    let hidden = bus::AdvanceCursor { read_seq: 2, quiet: true, ..cursor(at) };
    rig.ask("bob", Frame::from(Body::AdvanceCursor(hidden))).await;
    let members = reads(&rig.store, "ann", at, 2).await.unwrap().members;
    assert_eq!((members[0].read, members[0].read_at_ms), (true, 0));
    for (who, seq, code) in [
        ("ann", 0, tonic::Code::NotFound),
        ("ann", 99, tonic::Code::NotFound),
        ("dan", 2, tonic::Code::PermissionDenied),
    ] {
        assert_eq!(reads(&rig.store, who, at, seq).await.unwrap_err(), code as i32, "{who} {seq}");
    }
    // In large conversations nobody is told.
    let crowd = ConversationId::generate();
    let names: Vec<_> = (0..300).map(|n| format!("member-{n:03}")).collect();
    let names: Vec<_> = std::iter::once("ann").chain(names.iter().map(String::as_str)).collect();
    rig.store.append(&group(crowd, &names)).await.unwrap();
    assert_eq!(reads(&rig.store, "ann", crowd, 1).await, Ok(ListReadsReply::default()));
}
