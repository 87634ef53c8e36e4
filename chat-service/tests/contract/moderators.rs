//! What a token with the role `moderator` lets its user do where they are no member, and what it does not.

use chat_service::domain::act::Act;
use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::chat::chat_server::Chat;
use proto::chat::{ReadHistoryRequest, ReadMessagesRequest};
use proto::id::{ClientId, ConversationId, TenantId};
use serde_json::{Value, json};
use tonic::{Code, Request};

use super::paging::queries;
use super::worker::{Rig, answers, operation, pushed};
use super::{Store, group, user};

const PAGE_BYTES: usize = 1 << 20;
const CLEO: &str = "cleo (moderator)";

fn act(at: ConversationId, action: Action) -> Frame {
    operation(Some(at), ClientId::generate(), action)
}

fn send(kind: &str, content: &Value) -> Action {
    let (kind, content) = (kind.to_owned(), content.to_string());
    Action::Send(bus::Send { kind, content, ..bus::Send::default() })
}

fn text(said: &str) -> Action {
    send("text", &json!({ "text": said }))
}

fn delete(seq: u64) -> Action {
    Action::Delete(bus::Delete { seq, reason: "spam".to_owned(), ..bus::Delete::default() })
}

/// A group of Ann, Bob and `more`, in which each of the first two said something.
async fn settled(rig: &mut Rig, more: &[&str]) -> ConversationId {
    let at = ConversationId::generate();
    let members: Vec<_> = ["ann", "bob"].iter().chain(more).copied().collect();
    rig.store.append(&group(at, &members)).await.unwrap();
    rig.ask("ann", act(at, text("two"))).await;
    rig.ask("bob", act(at, text("three"))).await;
    at
}

pub async fn a_moderator_deletes_what_anybody_wrote_and_it_is_written_down_once(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = settled(&mut rig, &[]).await;
    // What the owner wrote, where the moderator is no member; a repeat is the same act.
    let frame = act(at, delete(2));
    let told = rig.ask(CLEO, frame.clone()).await;
    assert_eq!((answers(&told), pushed(&told)), (vec![("sent".to_owned(), 4)], vec!["ann", "bob"]));
    let entry = &told.iter().find(|(_, frame)| frame["type"] == "entry").unwrap().1;
    assert_eq!(entry["content"], json!({ "by": "moderator", "reason": "spam" }));
    assert_eq!((&entry["target"], &entry["sender"]["type"]), (&json!(2), &json!("user")));
    assert_eq!(answers(&rig.ask(CLEO, frame).await), [("sent".to_owned(), 4)]);
    assert_eq!(answers(&rig.ask(CLEO, act(at, delete(2))).await), [("sent".to_owned(), 4)]);
    // Of a direct conversation, too.
    let to = bus::Send { to: "bob".to_owned(), ..send_to() };
    rig.ask("ann", operation(None, ClientId::generate(), Action::Send(to))).await;
    let direct = super::direct("ann", "bob");
    assert_eq!(answers(&rig.ask(CLEO, act(direct, delete(1))).await), [("sent".to_owned(), 2)]);
    // What an operator does by the role is an act as well, and what somebody does as a member is none.
    assert_eq!(answers(&rig.ask("dan", act(at, delete(3))).await), [("sent".to_owned(), 5)]);
    rig.ask("bob", act(at, text("six"))).await;
    assert_eq!(answers(&rig.ask("bob", act(at, delete(6))).await), [("sent".to_owned(), 7)]);
    let acts = rig.store.acts(TenantId::DEFAULT, 9).await.unwrap();
    let expected = [
        ("dan", at, 3, "operator"),
        ("cleo", direct, 1, "moderator"),
        ("cleo", at, 2, "moderator"),
    ];
    assert_eq!(acts.len(), expected.len(), "{acts:?}");
    for (act, (who, at, seq, by)) in acts.into_iter().zip(expected) {
        let at_ms = act.at_ms;
        let expected = Act {
            actor: user(who),
            ip: "192.0.2.7".to_owned(),
            action: "message.delete".to_owned(),
            target: format!("{at}:{seq}"),
            reason: "spam".to_owned(),
            details: json!({ "by": by }).to_string(),
            at_ms,
        };
        assert_eq!(act, expected);
    }
    assert!(rig.store.acts(TenantId::parse("acme").unwrap(), 9).await.unwrap().is_empty());
}

fn send_to() -> bus::Send {
    let content = json!({ "text": "hi" }).to_string();
    bus::Send { kind: "text".to_owned(), content, ..bus::Send::default() }
}

pub async fn a_moderator_does_nothing_else_that_others_may_not(store: Store) {
    let mut rig = Rig::over(store).await;
    let (without, within) = (settled(&mut rig, &[]).await, settled(&mut rig, &["cleo"]).await);
    let edit =
        bus::Edit { seq: 2, content: json!({ "text": "x" }).to_string(), ..bus::Edit::default() };
    let add = bus::AddMembers { user_ids: vec!["cleo".to_owned()], ..bus::AddMembers::default() };
    let remove = bus::RemoveMember { user_id: "bob".to_owned() };
    let role = bus::SetRole { user_id: "bob".to_owned(), role: proto::common::Role::Admin as i32 };
    let several = bus::Delete { seqs: vec![2], ..bus::Delete::default() };
    let all = bus::Send { mention_all: true, ..send_to() };
    let own = |what: &str| bus::Set {
        what: what.to_owned(),
        conversation_id: without.to_bytes(),
        value: "true".to_owned(),
        ..bus::Set::default()
    };
    let call = json!({ "call_id": uuid::Uuid::nil(), "state": "started", "media": "audio" });
    // The answer where they are no member, and where they are one without a role in the group.
    for (action, as_stranger, as_member) in [
        (text("x"), "not_member", "sent"),
        (Action::Send(all), "not_member", "sent"),
        (send("notice", &json!({ "body": "x" })), "forbidden", "forbidden"),
        (send("call", &call), "forbidden", "forbidden"),
        (Action::React(bus::React { seq: 2, key: "x".to_owned(), on: true }), "not_member", "sent"),
        (Action::Edit(edit), "not_member", "forbidden"),
        (Action::Pin(bus::Pin { seq: 2, on: true }), "not_member", "forbidden"),
        (Action::AddMembers(add), "not_member", "forbidden"),
        (Action::RemoveMember(remove), "not_member", "forbidden"),
        (Action::SetRole(role), "not_member", "forbidden"),
        (Action::Rename(bus::Rename { title: "x".to_owned() }), "not_member", "forbidden"),
        (Action::Delete(several), "not_member", "forbidden"),
        (Action::Set(own("archive")), "not_found", "not_found"),
    ] {
        for (at, code) in [(without, as_stranger), (within, as_member)] {
            let told = rig.ask(CLEO, act(at, action.clone())).await;
            assert_eq!(answers(&told)[0].0, code, "{action:?}");
        }
    }
    // What operators write stays theirs, and what is no message is none to delete.
    let told = rig.ask("dan", act(without, send("notice", &json!({ "body": "x" })))).await;
    let (_, notice) = answers(&told)[0].clone();
    for (at, seq, code) in [
        (without, notice, "forbidden"),
        (without, 1, "not_found"),
        (without, 99, "not_found"),
        (ConversationId::generate(), 1, "not_found"),
        (ConversationId::own(&user("ann")), 1, "not_found"),
    ] {
        let told = rig.ask(CLEO, act(at, delete(seq))).await;
        assert_eq!(answers(&told), [(code.to_owned(), 0)], "{seq}");
    }
    // Without the role it is anybody.
    assert_eq!(answers(&rig.ask("cleo", act(without, delete(2))).await)[0].0, "not_member");
    assert_eq!(answers(&rig.ask("cleo", act(within, delete(2))).await)[0].0, "forbidden");
}

pub async fn a_moderator_reads_what_was_said_and_nothing_that_is_of_one_user_alone(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = settled(&mut rig, &[]).await;
    let edit = bus::Edit {
        seq: 2,
        content: json!({ "text": "harmless" }).to_string(),
        ..bus::Edit::default()
    };
    rig.ask("ann", act(at, Action::Edit(edit))).await;
    let set = bus::Set {
        what: "push".to_owned(),
        value: r#"{"content":"none"}"#.to_owned(),
        ..bus::Set::default()
    };
    rig.ask("ann", operation(None, ClientId::generate(), Action::Set(set))).await;
    let queries = queries(&rig.store, PAGE_BYTES);
    let page = async |at: ConversationId, moderated: bool| {
        let (user_id, conversation_id, as_of) = ("cleo".to_owned(), at.to_bytes(), Some(2));
        let request = ReadMessagesRequest {
            user_id,
            conversation_id,
            as_of,
            limit: 9,
            moderated,
            ..ReadMessagesRequest::default()
        };
        let reply = queries.read_messages(Request::new(request)).await;
        reply.map(|reply| reply.into_inner().entries).map_err(|status| status.code())
    };
    let history = async |at: ConversationId, moderated: bool| {
        let (user_id, conversation_id) = ("cleo".to_owned(), at.to_bytes());
        let request = ReadHistoryRequest {
            user_id,
            conversation_id,
            seq: 2,
            moderated,
            ..Default::default()
        };
        let reply = queries.read_history(Request::new(request)).await;
        reply.map(|reply| reply.into_inner().entries).map_err(|status| status.code())
    };
    let said = String::from_utf8(page(at, true).await.unwrap().concat()).unwrap();
    assert!(said.contains("two") && !said.contains("harmless"), "{said}");
    let said = String::from_utf8(history(at, true).await.unwrap().concat()).unwrap();
    assert!(said.contains("two") && said.contains("harmless"), "{said}");
    for at in [ConversationId::generate(), ConversationId::own(&user("ann"))] {
        assert_eq!(page(at, true).await, Err(Code::NotFound));
        assert_eq!(history(at, true).await, Err(Code::NotFound));
    }
    assert_eq!(page(at, false).await, Err(Code::PermissionDenied));
    assert_eq!(history(at, false).await, Err(Code::PermissionDenied));
}
