//! What others may know of a user, as the user set it.

use chat_service::domain::entry::{CursorRow, UserRow};
use chat_service::domain::privacy::{Audience, Privacy};
use proto::chat::chat_server::Chat as _;
use proto::chat::{
    ContactsRequest, ListMembersRequest, ListReadsRequest, PrivacyRequest, SearchUsersRequest,
};
use proto::id::ConversationId;
use serde_json::json;
use tonic::Request;

use super::own::{sent, set_for_all};
use super::paging::queries;
use super::worker::Rig;
use super::{Store, entry, group, only, user};

const PAGE_BYTES: usize = 64 << 10;

/// What of these users the asker may not know: whether they are here, and when they were.
async fn hidden(store: &Store, asker: &str, others: &[&str]) -> [Vec<String>; 2] {
    let request = PrivacyRequest {
        user_id: asker.to_owned(),
        user_ids: others.iter().map(|&other| other.to_owned()).collect(),
    };
    let reply = queries(store, PAGE_BYTES).privacy(Request::new(request)).await;
    let reply = reply.unwrap().into_inner();
    [reply.hidden_online, reply.hidden_last_seen]
}

fn some(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

pub async fn presence_is_known_to_those_whom_its_user_lets_know_it(store: Store) {
    let mut rig = Rig::over(store).await;
    let id = ConversationId::generate();
    rig.store.append(&group(id, &["ann", "bob"])).await.unwrap();
    let all = ["ann", "bob", "eve"];
    assert_eq!(hidden(&rig.store, "bob", &all).await, [Vec::<String>::new(), Vec::new()]);

    let some_know = r#"{"online":"contacts","last_seen":"nobody"}"#;
    sent(&rig.ask("ann", set_for_all("ann", "privacy", some_know)).await);
    let set = rig.store.privacy_of(&all.map(user)).await.unwrap();
    let privacy =
        Privacy { online: Audience::Contacts, last_seen: Audience::Nobody, ..Privacy::default() };
    assert_eq!(set, [(user("ann"), privacy)]);
    let ann = || some(&["ann"]);
    assert_eq!(hidden(&rig.store, "bob", &all).await, [Vec::new(), ann()]);
    assert_eq!(hidden(&rig.store, "eve", &all).await, [ann(), ann()], "a stranger");
    // A user who hides it learns it of nobody.
    let others = some(&["bob", "eve"]);
    assert_eq!(hidden(&rig.store, "ann", &all).await, [Vec::new(), others]);
    // Of another tenant nobody set anything here.
    let elsewhere = hidden(&rig.store, "pv-other/ann", &["pv-other/bob"]).await;
    assert_eq!(elsewhere, [Vec::<String>::new(), Vec::new()]);
}

pub async fn groups_and_calls_are_open_to_those_whom_their_user_lets(store: Store) {
    let mut rig = Rig::over(store).await;
    let id = ConversationId::generate();
    rig.store.append(&group(id, &["ann", "bob"])).await.unwrap();
    let closed = async |store: &Store, asker: &str| {
        let user_ids = some(&["ann", "bob", "eve"]);
        let request = PrivacyRequest { user_id: asker.to_owned(), user_ids };
        let reply = queries(store, PAGE_BYTES).privacy(Request::new(request)).await;
        let reply = reply.unwrap().into_inner();
        [reply.closed_to_groups, reply.closed_to_calls]
    };
    assert_eq!(closed(&rig.store, "eve").await, [Vec::<String>::new(), Vec::new()]);
    let some_may = r#"{"groups":"contacts","calls":"nobody"}"#;
    sent(&rig.ask("ann", set_for_all("ann", "privacy", some_may)).await);
    let ann = || some(&["ann"]);
    assert_eq!(closed(&rig.store, "bob").await, [Vec::new(), ann()], "a contact");
    assert_eq!(closed(&rig.store, "eve").await, [ann(), ann()], "a stranger");
    assert_eq!(closed(&rig.store, "ann").await, [Vec::<String>::new(), Vec::new()], "herself");
}

pub async fn who_hides_is_told_to_be_offline_and_has_nobody_to_tell(store: Store) {
    let mut rig = Rig::over(store).await;
    let id = ConversationId::generate();
    rig.store.append(&group(id, &["ann", "bob"])).await.unwrap();
    let contacts = async |store: &Store| {
        let request = ContactsRequest {
            user_ids: some(&["ann", "bob"]),
            limit: 10,
            ..ContactsRequest::default()
        };
        let reply = queries(store, PAGE_BYTES).contacts(Request::new(request)).await.unwrap();
        let lists = reply.into_inner().lists.into_iter();
        lists.map(|list| (list.user_ids, list.hides_last_seen)).collect::<Vec<_>>()
    };
    let (ann, bob) = (some(&["ann"]), some(&["bob"]));
    let both = [(bob.clone(), false), (ann.clone(), false)];
    assert_eq!(contacts(&rig.store).await, both);
    sent(&rig.ask("ann", set_for_all("ann", "privacy", r#"{"last_seen":"nobody"}"#)).await);
    assert_eq!(contacts(&rig.store).await, [(bob, true), (ann.clone(), false)]);
    let told = rig.ask("ann", set_for_all("ann", "privacy", r#"{"online":"nobody"}"#)).await;
    let of_presence = told.iter().filter(|(_, frame)| frame["type"] == "presence");
    let offline: Vec<_> = of_presence.collect();
    let [(to, frame)] = offline.as_slice() else { panic!("{told:?}") };
    assert_eq!(to, "bob");
    assert_eq!((&frame["user_id"], &frame["status"]), (&json!("ann"), &json!("offline")));
    assert_eq!(contacts(&rig.store).await, [(Vec::new(), false), (ann, false)]);
}

pub async fn receipts_are_told_to_those_whom_their_user_lets_know_them(store: Store) {
    let mut rig = Rig::over(store).await;
    let id = ConversationId::generate();
    rig.store.append(&group(id, &["ann", "bob"])).await.unwrap();
    rig.store.append(&only(vec![entry(id, 2, "ann")])).await.unwrap();
    let read =
        CursorRow { conversation_id: id, user_id: user("bob"), delivered_seq: 2, read_seq: 2 };
    rig.store.advance_cursors(&[read]).await.unwrap();
    let shown = async |store: &Store, asker: &str| {
        let queries = queries(store, PAGE_BYTES);
        let request = ListMembersRequest {
            user_id: asker.to_owned(),
            conversation_id: id.to_bytes(),
            limit: 10,
            ..ListMembersRequest::default()
        };
        let members = queries.list_members(Request::new(request)).await.unwrap().into_inner();
        let bob = members.members.into_iter().find(|member| member.user_id == "bob");
        let request = ListReadsRequest {
            user_id: asker.to_owned(),
            conversation_id: id.to_bytes(),
            seq: 2,
            limit: 10,
            ..ListReadsRequest::default()
        };
        let reads = queries.list_reads(Request::new(request)).await.unwrap().into_inner();
        (bob.unwrap().read_seq, reads.members.len())
    };
    assert_eq!(shown(&rig.store, "ann").await, (2, 1));
    let hide = r#"{"receipts":"nobody"}"#;
    sent(&rig.ask("bob", set_for_all("bob", "privacy", hide)).await);
    assert_eq!(shown(&rig.store, "ann").await, (0, 0));
    assert_eq!(shown(&rig.store, "bob").await, (2, 1), "his own he knows");
    let contacts = r#"{"receipts":"contacts"}"#;
    sent(&rig.ask("bob", set_for_all("bob", "privacy", contacts)).await);
    assert_eq!(shown(&rig.store, "ann").await, (2, 1), "she shares a conversation");
}

pub async fn users_are_found_by_those_whom_they_let_find_them(store: Store) {
    let mut rig = Rig::over(store).await;
    let names = ["ann", "bob", "cleo", "dan"];
    let rows = names.map(|name| UserRow {
        id: user(name),
        name: format!("Pf {name}"),
        avatar: String::new(),
    });
    rig.store.upsert_users(&rows, 1).await.unwrap();
    let id = ConversationId::generate();
    rig.store.append(&group(id, &["ann", "bob"])).await.unwrap();
    let set = async |rig: &mut Rig, who: &str, find: &str| {
        let value = format!(r#"{{"find":"{find}"}}"#);
        sent(&rig.ask(who, set_for_all(who, "privacy", &value)).await);
    };
    set(&mut rig, "bob", "contacts").await;
    set(&mut rig, "cleo", "nobody").await;
    let found = async |store: &Store, asker: &str, limit| {
        let request = SearchUsersRequest {
            prefix: "pf".to_owned(),
            limit,
            user_id: asker.to_owned(),
            ..SearchUsersRequest::default()
        };
        let reply = queries(store, PAGE_BYTES).search_users(Request::new(request)).await.unwrap();
        reply.into_inner().users.into_iter().map(|user| user.id).collect::<Vec<_>>()
    };
    assert_eq!(found(&rig.store, "ann", 10).await, ["ann", "bob", "dan"]);
    assert_eq!(found(&rig.store, "dan", 10).await, ["ann", "dan"]);
    assert_eq!(found(&rig.store, "dan", 2).await, ["ann", "dan"], "nobody's place is taken");
    assert_eq!(found(&rig.store, "cleo", 10).await, ["ann", "cleo", "dan"]);
    assert_eq!(found(&rig.store, "", 10).await, names, "an operator finds all");
}
