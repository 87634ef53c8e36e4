//! Tenants that have users, conversations and client ids in common see nothing of each other.

use std::sync::Arc;

use bus::in_process::{InProcessBus, InProcessConfig};
use chat_service::config::WorkerConfig;
use chat_service::domain::entry::{Entry, UserRow};
use chat_service::queries::ChatQueries;
use chat_service::queries::dead_letters::DeadLetterDesk;
use chat_service::store::Page;
use prost::Message as _;
use proto::bus::frame::Body;
use proto::bus::operation::Action;
use proto::bus::{self as frames, Frame, SignalKind};
use proto::chat::chat_server::Chat;
use proto::chat::dead_letters_server::DeadLetters;
use proto::chat::{
    AcquaintedRequest, Cursor, DeadLetterRequest, ExplainRequest, GetConversationRequest,
    GetUsersRequest, ListDeadRequest, ListMembersRequest, ListPinsRequest, MembersAmongRequest,
    ReadEntriesRequest, SearchUsersRequest, SyncRequest, sync_event::Event,
};
use proto::common::{ConversationKind, Role};
use proto::id::{CallId, ClientId, ConversationId, ConversationKey, TenantId};
use tonic::{Request, Status};

use super::paging::queries;
use super::worker::{Rig, Told, answers, operation, pushed};
use super::{Store, entry, group, keyed, name, only, room, user};

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

/// The same conversation of the tenant `acme`.
fn theirs(id: ConversationId) -> ConversationKey {
    ConversationKey::new(acme(), id)
}

pub async fn equal_ids_of_two_tenants_in_one_batch_are_stored_for_both(store: Store) {
    let id = ConversationId::generate();
    let mut batch = group(id, &["ann", "bob"]);
    let of_acme = group(id, &["acme/ann", "acme/bob"]);
    batch.entries.extend(of_acme.entries);
    batch.conversations.extend(of_acme.conversations);
    batch.members_set.extend(of_acme.members_set);
    let ours = entry(id, 2, "ann");
    let mut of_them = ours.clone();
    of_them.author.id = user("acme/ann");
    of_them.body.cut(|_| r#"{"text":"theirs"}"#.to_owned());
    batch.entries.extend([ours.clone(), of_them.clone()]);
    store.append(&batch).await.unwrap();
    for (key, wanted) in [(keyed(id), &ours), (theirs(id), &of_them)] {
        let read = store.entries(key, Page::After(1), 0, room(10)).await.unwrap();
        let read: Vec<_> = read.into_iter().map(|stored| stored.entry).collect();
        assert_eq!(read, [Entry { digest: [0; 32], ..wanted.clone() }]);
        let sender = wanted.author.id.clone();
        let found = store.find_client_ids(&[(sender, ours.client_id)]).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().conversation, key);
    }
    let loaded = store.load(&[theirs(id), keyed(id)]).await.unwrap();
    let members = |place: usize| {
        let snapshot = loaded[place].as_ref().unwrap();
        snapshot.members.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        (members(0), members(1)),
        (strings(&["acme/ann", "acme/bob"]), strings(&["ann", "bob"]))
    );
    // One of them leaves, the other says more: neither is seen by the other tenant.
    let mut more = only(vec![Entry { seq: 3, client_id: ClientId::generate(), ..of_them }]);
    more.members_removed.push((id, user("bob")));
    store.append(&more).await.unwrap();
    let loaded = store.load(&[keyed(id), theirs(id)]).await.unwrap();
    let state = |place: usize| {
        let snapshot = loaded[place].as_ref().unwrap();
        (snapshot.head, snapshot.members.len())
    };
    assert_eq!((state(0), state(1)), ((2, 1), (3, 2)));
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn send(to: &str, at: Option<ConversationId>, client_id: ClientId) -> Frame {
    operation(at, client_id, Action::Send(message(to)))
}

fn message(to: &str) -> frames::Send {
    frames::Send {
        to: to.to_owned(),
        kind: "text".to_owned(),
        content: r#"{"text":"hi"}"#.to_owned(),
        ..frames::Send::default()
    }
}

pub async fn the_same_frames_of_two_tenants_are_stored_and_pushed_apart(store: Store) {
    let mut rig = Rig::over(store).await;
    let client_id = ClientId::generate();
    let frame = |to: &str| send(to, None, client_id);
    let batch = vec![("ann", frame("bob")), ("acme/ann", frame("acme/bob"))];
    let told = rig.batch(batch.clone(), false).await;
    assert_eq!(answers(&told), [("sent".to_owned(), 1), ("sent".to_owned(), 1)]);
    assert_eq!(pushed(&told), ["bob", "acme/bob"]);
    let entries = told.iter().filter(|(_, frame)| frame["type"] == "entry");
    for (_, frame) in entries {
        assert_eq!(frame["sender"]["id"], "ann", "a client hears of no tenant");
    }
    let again = rig.batch(batch, false).await;
    assert_eq!(answers(&again), [("sent".to_owned(), 1), ("sent".to_owned(), 1)]);
    // Receipts and typing stay in their tenant, too.
    let id = ConversationId::direct(acme(), &name("ann"), &name("bob"));
    let cursor = Body::AdvanceCursor(frames::AdvanceCursor {
        conversation_id: id.to_bytes(),
        delivered_seq: 1,
        read_seq: 1,
        ..frames::AdvanceCursor::default()
    });
    let typing = Body::Typing(frames::Typing { conversation_id: id.to_bytes(), on: true });
    for body in [cursor, typing] {
        assert_eq!(rig.ask("bob", body.clone()).await, Told::new(), "not of this tenant");
        let told = rig.ask("acme/bob", body).await;
        assert!(told.iter().any(|(user, _)| user == "acme/ann"), "{told:?}");
        assert!(
            told.iter().all(|(user, frame)| user.starts_with("acme/") && frame["user_id"] == "bob")
        );
    }
}

/// What an operation asks of somebody, by their id.
type Asks = fn(&str, ConversationId, ClientId) -> Frame;

fn create(who: &str, kind: ConversationKind, title: &str, client_id: ClientId) -> Frame {
    let create = frames::CreateConversation {
        kind: kind as i32,
        title: title.to_owned(),
        member_ids: vec![who.to_owned()],
    };
    operation(None, client_id, Action::CreateConversation(create))
}

/// Every operation that names a user.
const NAMING: [Asks; 6] = [
    |who, _, client_id| send(who, None, client_id),
    |who, at, client_id| {
        let message = frames::Send { mentions: vec![who.to_owned()], ..message("") };
        operation(Some(at), client_id, Action::Send(message))
    },
    |who, _, client_id| create(who, ConversationKind::Group, "Crew", client_id),
    |who, _, client_id| create(who, ConversationKind::Direct, "", client_id),
    |who, at, client_id| {
        let (user_ids, role) = (vec![who.to_owned()], Role::Member as i32);
        let add = frames::AddMembers { user_ids, role };
        operation(Some(at), client_id, Action::AddMembers(add))
    },
    |who, at, client_id| {
        let remove = frames::RemoveMember { user_id: who.to_owned() };
        operation(Some(at), client_id, Action::RemoveMember(remove))
    },
];

pub async fn frames_that_name_what_another_tenant_has_are_answered_as_if_it_did_not_exist(
    store: Store,
) {
    // Of the tenant `acme`: `zoe`, who is known there and a member, and a conversation.
    let (at, of_acme) = (ConversationId::generate(), ConversationId::generate());
    store.append(&group(at, &["ann", "bob"])).await.unwrap();
    store.append(&group(of_acme, &["acme/ann", "acme/zoe"])).await.unwrap();
    let known = ["ann", "bob", "acme/ann", "acme/zoe"].map(|text| UserRow {
        id: user(text),
        name: "Zoe".to_owned(),
        avatar: String::new(),
    });
    store.upsert_users(&known, 1).await.unwrap();
    let config = WorkerConfig { known_members_only: true, ..WorkerConfig::default() };
    let mut rig = Rig::with(store, config).await;
    for asks in NAMING {
        let client_id = ClientId::generate();
        let foreign = rig.ask("ann", asks("acme/zoe", at, client_id)).await;
        let nobody = rig.ask("ann", asks("zoe", at, client_id)).await;
        assert_eq!(foreign, nobody);
        assert_eq!(foreign[0].1["type"], "error", "{foreign:?}");
        // The operation is taken once it names somebody of the own tenant, or for what the rules say.
        let known = rig.ask("ann", asks("bob", at, ClientId::generate())).await;
        assert_ne!(known, nobody);
    }
    // Known members or not, nobody of another tenant is ever added.
    let mut open = Rig::over(rig.store.clone()).await;
    for asks in NAMING {
        let told = open.ask("ann", asks("acme/zoe", at, ClientId::generate())).await;
        assert_eq!(told[0].1["type"], "error", "{told:?}");
    }
    // A conversation of the other tenant is as any that does not exist.
    let client_id = ClientId::generate();
    let foreign = rig.ask("ann", send("", Some(of_acme), client_id)).await;
    let nowhere = send("", Some(ConversationId::generate()), client_id);
    assert_eq!(foreign, rig.ask("ann", nowhere).await);
    assert_eq!(answers(&foreign)[0].0, "not_member");
    let client_id = ClientId::generate();
    let rename = |id: ConversationId| {
        let rename = frames::Rename { title: "Ours".to_owned() };
        operation(Some(id), client_id, Action::Rename(rename))
    };
    let foreign = rig.ask("ann", rename(of_acme)).await;
    assert_eq!(foreign, rig.ask("ann", rename(ConversationId::generate())).await);
    let call = |to: &str| {
        Body::Signal(frames::Signal {
            to: to.to_owned(),
            call_id: CallId::generate().to_bytes(),
            kind: SignalKind::Ring as i32,
            ..frames::Signal::default()
        })
    };
    assert_eq!(rig.ask("ann", call("acme/zoe")).await, Told::new());
    assert_eq!(rig.ask("acme/ann", call("acme/zoe")).await.len(), 1);
}

/// What a question was refused with.
fn refusal<T>(answer: Result<T, Status>) -> (tonic::Code, String) {
    let Err(status) = answer else { panic!("it is answered") };
    (status.code(), status.message().to_owned())
}

/// Questions of `ann` about a conversation of another tenant are answered as those about none.
async fn a_conversation_is_as_none(
    queries: &ChatQueries,
    at: ConversationId,
    nowhere: ConversationId,
) {
    let (ann, bytes) = ("ann".to_owned(), ConversationId::to_bytes);
    let show = async |id: ConversationId| {
        let (user_id, conversation_id) = (ann.clone(), bytes(id));
        let request = GetConversationRequest { user_id, conversation_id, device_type: 0 };
        refusal(queries.get_conversation(Request::new(request)).await)
    };
    assert_eq!(show(at).await, show(nowhere).await);
    let read = async |id: ConversationId| {
        let request = ReadEntriesRequest {
            user_id: ann.clone(),
            conversation_id: bytes(id),
            ..ReadEntriesRequest::default()
        };
        refusal(queries.read_entries(Request::new(request)).await)
    };
    assert_eq!(read(at).await, read(nowhere).await);
    let members = async |id: ConversationId| {
        let request = ListMembersRequest {
            user_id: ann.clone(),
            conversation_id: bytes(id),
            ..ListMembersRequest::default()
        };
        refusal(queries.list_members(Request::new(request)).await)
    };
    assert_eq!(members(at).await, members(nowhere).await);
    let pins = async |id: ConversationId| {
        let request = ListPinsRequest {
            user_id: ann.clone(),
            conversation_id: bytes(id),
            ..ListPinsRequest::default()
        };
        refusal(queries.list_pins(Request::new(request)).await)
    };
    assert_eq!(pins(at).await, pins(nowhere).await);
    let explain_place = async |id: ConversationId| {
        let request =
            ExplainRequest { conversation_id: bytes(id), seq: 2, ..ExplainRequest::default() };
        refusal(queries.explain(Request::new(request)).await)
    };
    assert_eq!(explain_place(at).await, explain_place(nowhere).await);
}

pub async fn questions_find_nothing_of_another_tenant(store: Store) {
    let (at, nowhere) = (ConversationId::generate(), ConversationId::generate());
    let mut begun = group(at, &["acme/ann", "acme/bob"]);
    let said = entry(at, 2, "acme/ann");
    let client_id = said.client_id;
    begun.entries.push(said);
    store.append(&begun).await.unwrap();
    let row = UserRow { id: user("acme/bob"), name: "Bob".to_owned(), avatar: String::new() };
    store.upsert_users(&[row], 1).await.unwrap();
    let queries = queries(&store, 1 << 20);
    let (ann, bytes) = ("ann".to_owned(), |id: ConversationId| id.to_bytes());
    a_conversation_is_as_none(&queries, at, nowhere).await;
    // By its client id; of the own tenant it is found.
    let explain = async |tenant: &str, id: &[u8]| {
        let request = ExplainRequest {
            id: bytes::Bytes::copy_from_slice(id),
            limit: 10,
            tenant: tenant.to_owned(),
            ..ExplainRequest::default()
        };
        queries.explain(Request::new(request)).await.map(|reply| reply.into_inner().members.len())
    };
    let unknown = ClientId::generate().to_bytes();
    assert_eq!(
        refusal(explain("", &client_id.to_bytes()).await),
        refusal(explain("", &unknown).await)
    );
    assert_eq!(explain("acme", &client_id.to_bytes()).await.unwrap(), 2);
    let search = async |tenant: &str| {
        let request = SearchUsersRequest {
            prefix: "bob".to_owned(),
            limit: 10,
            tenant: tenant.to_owned(),
            ..SearchUsersRequest::default()
        };
        let found = queries.search_users(Request::new(request)).await.unwrap().into_inner().users;
        found.into_iter().map(|user| user.id).collect::<Vec<_>>()
    };
    assert_eq!((search("").await, search("acme").await), (strings(&[]), strings(&["acme/bob"])));
    let request = GetUsersRequest { user_ids: strings(&["bob", "acme/bob"]) };
    let found = queries.get_users(Request::new(request)).await.unwrap().into_inner().users;
    assert_eq!(found.into_iter().map(|user| user.id).collect::<Vec<_>>(), ["acme/bob"]);
    let request = AcquaintedRequest { user_id: ann.clone(), user_ids: strings(&["acme/bob"]) };
    let known = queries.acquainted(Request::new(request)).await.unwrap().into_inner().user_ids;
    assert_eq!(known, strings(&[]));
    let among = async |tenant: &str| {
        let request = MembersAmongRequest {
            conversation_id: bytes(at),
            user_ids: strings(&["ann", "acme/bob"]),
            tenant: tenant.to_owned(),
        };
        let reply = queries.members_among(Request::new(request)).await.unwrap().into_inner();
        (reply.head, reply.indexes)
    };
    assert_eq!((among("").await, among("acme").await), ((0, vec![]), (2, vec![1])));
    assert_eq!(of_nobody(&queries, &ann, at).await, of_nobody(&queries, &ann, nowhere).await);
    letters_of_another_tenant_are_none(&store).await;
}

/// Syncs of a user without conversations, also of one conversation and of one that the device says it holds: the bytes of
/// their events.
async fn of_nobody(queries: &ChatQueries, user: &str, id: ConversationId) -> Vec<Vec<u8>> {
    let cursor = Cursor { conversation_id: id.to_bytes(), seq: 1, ..Cursor::default() };
    let user_id = || user.to_owned();
    let requests = [
        SyncRequest { user_id: user_id(), ..SyncRequest::default() },
        SyncRequest { user_id: user_id(), only: id.to_bytes(), ..SyncRequest::default() },
        SyncRequest { user_id: user_id(), cursors: vec![cursor], ..SyncRequest::default() },
    ];
    let mut all = Vec::new();
    for (request, events) in requests.into_iter().zip([1, 1, 2]) {
        let stream = queries.sync(Request::new(request)).await.unwrap().into_inner();
        let heard: Vec<_> = futures_util::StreamExt::collect(stream).await;
        assert_eq!(heard.len(), events, "{heard:?}");
        all.extend(heard.into_iter().map(|event| {
            let mut event = event.unwrap();
            // Of a conversation that is gone the answer names the id that was asked for.
            if let Some(Event::Page(page)) = &mut event.event {
                assert_eq!(std::mem::take(&mut page.conversation_id), id.to_bytes());
            }
            if let Some(Event::Done(done)) = &mut event.event {
                let only = std::mem::take(&mut done.only);
                assert!(only.is_empty() || only == id.to_bytes());
            }
            event.encode_to_vec()
        }));
    }
    all
}

async fn letters_of_another_tenant_are_none(store: &Store) {
    let letter = super::dead::letter_of("acme/ann", "one", 1);
    store.keep_dead(&letter, 9).await.unwrap();
    let bus = Arc::new(InProcessBus::new(InProcessConfig::default()));
    let desk = DeadLetterDesk::new(Arc::clone(store), bus);
    let asked = |tenant: &str, id: &str| {
        Request::new(DeadLetterRequest { id: id.to_owned(), tenant: tenant.to_owned() })
    };
    let none = refusal(desk.show(asked("", "two")).await);
    assert_eq!(refusal(desk.show(asked("", "one")).await), none);
    assert_eq!(refusal(desk.replay(asked("", "one")).await), none);
    assert_eq!(refusal(desk.drop(asked("", "one")).await), none);
    let list = async |tenant: &str| {
        let request = ListDeadRequest { limit: 9, after: String::new(), tenant: tenant.to_owned() };
        let letters = desk.list(Request::new(request)).await.unwrap().into_inner().letters;
        letters.into_iter().map(|letter| letter.user_id).collect::<Vec<_>>()
    };
    assert_eq!((list("").await, list("acme").await), (strings(&[]), strings(&["acme/ann"])));
    desk.drop(asked("acme", "one")).await.unwrap();
    assert_eq!(list("acme").await, strings(&[]));
}
