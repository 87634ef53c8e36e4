//! Operations that come again: the first answer, whatever has changed since and in whatever company.

use chat_service::domain::entry::CursorRow;
use chat_service::store::Page;
use proto::bus::frame::Body;
use proto::bus::{self, Role};
use proto::id::{ClientId, ConversationId};

use chat_service::config::LaneConfig;

use super::lane::{Rig, answers, pushed};
use super::{Store, group, keyed, user};

fn id() -> ClientId {
    ClientId::generate()
}

fn send(at: ConversationId, client_id: ClientId, content: &str) -> Body {
    Body::Send(bus::Send {
        client_id: client_id.to_bytes(),
        conversation_id: at.to_bytes(),
        kind: "text".to_owned(),
        content: content.to_owned(),
        ..bus::Send::default()
    })
}

pub fn send_to(to: &str, client_id: ClientId, content: &str) -> Body {
    Body::Send(bus::Send {
        client_id: client_id.to_bytes(),
        to: to.to_owned(),
        kind: "text".to_owned(),
        content: content.to_owned(),
        ..bus::Send::default()
    })
}

fn create(client_id: ClientId, members: &[&str]) -> Body {
    Body::CreateConversation(bus::CreateConversation {
        client_id: client_id.to_bytes(),
        kind: bus::ConversationKind::Group as i32,
        title: " Crew ".to_owned(),
        member_ids: members.iter().map(|name| (*name).to_owned()).collect(),
        ..bus::CreateConversation::default()
    })
}

fn add(at: ConversationId, client_id: ClientId, who: &str) -> Body {
    Body::AddMembers(bus::AddMembers {
        client_id: client_id.to_bytes(),
        conversation_id: at.to_bytes(),
        user_ids: vec![who.to_owned()],
        role: Role::Member as i32,
        ..bus::AddMembers::default()
    })
}

fn remove(at: ConversationId, client_id: ClientId, who: &str) -> Body {
    Body::RemoveMember(bus::RemoveMember {
        client_id: client_id.to_bytes(),
        conversation_id: at.to_bytes(),
        user_id: who.to_owned(),
        ..bus::RemoveMember::default()
    })
}

fn give(at: ConversationId, client_id: ClientId, who: &str, role: Role) -> Body {
    Body::SetRole(bus::SetRole {
        client_id: client_id.to_bytes(),
        conversation_id: at.to_bytes(),
        user_id: who.to_owned(),
        role: role as i32,
        ..bus::SetRole::default()
    })
}

fn rename(at: ConversationId, client_id: ClientId, title: &str) -> Body {
    Body::Rename(bus::Rename {
        client_id: client_id.to_bytes(),
        conversation_id: at.to_bytes(),
        title: title.to_owned(),
        ..bus::Rename::default()
    })
}

fn only(answers: Vec<(String, u64)>) -> (String, u64) {
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.into_iter().next().unwrap()
}

fn sent(seq: u64) -> (String, u64) {
    ("sent".to_owned(), seq)
}

pub async fn every_operation_that_comes_again_gets_its_first_answer_alone_and_in_company(
    store: Store,
) {
    let mut rig = Rig::over(store).await;
    let begun = id();
    let at = ConversationId::created(&user("ann"), begun);
    // Each is refused, or changes nothing, when it is taken for a new one after all the others.
    let script = [
        ("ann", create(begun, &["bob"])),
        ("ann", add(at, id(), "cleo")),
        ("cleo", send(at, id(), r#"{"text":"hello"}"#)),
        ("ann", rename(at, id(), "Others")),
        ("ann", give(at, id(), "bob", Role::Owner)),
        ("bob", remove(at, id(), "cleo")),
        ("ann", remove(at, id(), "ann")),
    ];
    for (place, (user, body)) in script.iter().enumerate() {
        let first = rig.ask(user, body.clone()).await;
        assert_eq!(only(answers(&first)), sent(place as u64 + 1), "{body:?}");
    }
    for (place, (user, body)) in script.iter().enumerate() {
        let again = rig.ask(user, body.clone()).await;
        assert_eq!(only(answers(&again)), sent(place as u64 + 1), "alone: {body:?}");
        let fresh = send_to("bob", id(), r#"{"text":"company"}"#);
        let company = vec![("dan", fresh), (*user, body.clone())];
        let again = rig.batch(company, false).await;
        assert_eq!(answers(&again)[1], sent(place as u64 + 1), "in company: {body:?}");
    }
    let all = script.iter().map(|(user, body)| (*user, body.clone())).collect();
    let places: Vec<u64> = answers(&rig.batch(all, false).await).iter().map(|it| it.1).collect();
    assert_eq!(places, [1, 2, 3, 4, 5, 6, 7], "all together");
    assert_eq!(rig.store.load(&[keyed(at)]).await.unwrap()[0].as_ref().unwrap().head, 7);
}

pub async fn the_same_thing_written_otherwise_is_the_same_thing(store: Store) {
    let mut rig = Rig::over(store).await;
    let (client_id, direct) = (id(), super::direct("ann", "bob"));
    let spellings = [
        send_to("bob", client_id, r#"{"text":"jürgen","n":[1.5,100]}"#),
        send_to("bob", client_id, "{ \"n\" : [ 15e-1, 1E2 ],\n \"text\":\"j\\u00fcrgen\" }"),
        send(direct, client_id, r#"{"text":"jürgen","n":[1.50,100.0]}"#),
    ];
    for spelling in spellings {
        assert_eq!(only(answers(&rig.ask("ann", spelling).await)), sent(1));
    }
    let other = send(direct, client_id, r#"{"text":"jürgen","n":[1.5,101]}"#);
    let refused = rig.ask("ann", other).await;
    assert_eq!(only(answers(&refused)).0, "conflict");
    let entries =
        rig.store.entries(keyed(direct), Page::After(0), 0, super::room(10)).await.unwrap();
    assert_eq!(entries.len(), 1);
}

pub async fn a_repeat_is_pushed_as_it_is_stored_and_only_to_whom_it_may_be_missing(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob", "cleo"])).await.unwrap();
    let client_id = id();
    let first = rig.ask("ann", send(at, client_id, r#"{"text":"hi"}"#)).await;
    assert_eq!(pushed(&first), ["bob", "cleo"]);
    let reached =
        CursorRow { conversation_id: at, user_id: user("bob"), delivered_seq: 2, read_seq: 0 };
    rig.store.advance_cursors(&[reached]).await.unwrap();
    let again = rig.ask("ann", send(at, client_id, r#"{ "text": "h\u0069" }"#)).await;
    assert_eq!(only(answers(&again)), sent(2));
    assert_eq!(pushed(&again), ["cleo"], "bob has acknowledged it");
    let entry = |told: &super::lane::Told| {
        told.iter().find(|(_, frame)| frame["type"] == "entry").unwrap().1.to_string()
    };
    assert_eq!(entry(&again), entry(&first), "byte for byte");
    // A batch that comes again may have been stored and never pushed.
    let frame = send(at, client_id, r#"{"text":"hi"}"#);
    assert_eq!(pushed(&rig.batch(vec![("ann", frame)], true).await), ["bob", "cleo"]);
    // Twice in one batch is one push.
    let twice = send(at, id(), r#"{"text":"twice"}"#);
    let told = rig.batch(vec![("ann", twice.clone()), ("ann", twice)], false).await;
    assert_eq!(pushed(&told), ["bob", "cleo"]);
}

pub async fn what_is_not_taken_any_more_is_answered_as_it_was_when_it_was_stored(store: Store) {
    let mut rig = Rig::over(store).await;
    // `dan` is an operator.
    let client_id = id();
    let at = super::direct("dan", "bob");
    let Body::Send(mut message) = send_to("bob", client_id, r#"{"text":"maintenance"}"#) else {
        unreachable!()
    };
    message.kind = "system".to_owned();
    assert_eq!(only(answers(&rig.ask("dan", Body::Send(message.clone())).await)), sent(1));
    // The same by a token without the role.
    let again = rig.batch(vec![("dan!", Body::Send(message.clone()))], false).await;
    assert_eq!(only(answers(&again)), sent(1));
    message.client_id = id().to_bytes();
    let refused = rig.batch(vec![("dan!", Body::Send(message))], false).await;
    assert_eq!(only(answers(&refused)).0, "forbidden");
    assert_eq!(rig.store.load(&[keyed(at)]).await.unwrap()[0].as_ref().unwrap().head, 1);
}

pub async fn what_a_gateway_finds_not_allowed_is_refused_unless_it_was_stored_before(store: Store) {
    let mut rig = Rig::over(store).await;
    let forbidden = |mut body: Body| {
        match &mut body {
            Body::CreateConversation(create) => create.refusal = "bob does not know you".to_owned(),
            Body::AddMembers(add) => add.refusal = "cleo does not know you".to_owned(),
            other => panic!("{other:?}"),
        }
        body
    };
    let (made, added) = (create(id(), &["bob"]), id());
    let told = rig.ask("ann", forbidden(made.clone())).await;
    assert_eq!(only(answers(&told)).0, "forbidden");
    assert_eq!(
        (&told[0].1["message"], &told[0].1["stored"]),
        (&"bob does not know you".into(), &"no".into())
    );
    let told = rig.ask("ann", made.clone()).await;
    assert_eq!(only(answers(&told)), sent(1));
    let at = ConversationId::parse(told[0].1["conversation_id"].as_str().unwrap()).unwrap();
    assert_eq!(only(answers(&rig.ask("ann", add(at, added, "cleo")).await)), sent(2));
    // They have left all conversations with each other since: the first answers stay.
    assert_eq!(only(answers(&rig.ask("ann", forbidden(made)).await)), sent(1));
    assert_eq!(only(answers(&rig.ask("ann", forbidden(add(at, added, "cleo"))).await)), sent(2));
    let other = forbidden(add(at, id(), "dan"));
    assert_eq!(only(answers(&rig.ask("ann", other).await)).0, "forbidden");
    assert_eq!(rig.store.load(&[keyed(at)]).await.unwrap()[0].as_ref().unwrap().head, 2);
}

pub async fn what_changes_nothing_appends_nothing(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let nothing =
        [rename(at, id(), " Crew"), give(at, id(), "bob", Role::Member), add(at, id(), "bob")];
    for body in nothing {
        let told = rig.ask("ann", body.clone()).await;
        assert_eq!(only(answers(&told)), sent(1), "{body:?}");
        assert_eq!(told[0].1["unchanged"], true, "{}", told[0].1);
        assert_eq!(only(answers(&rig.ask("bob", rename(at, id(), "Crew")).await)).0, "forbidden");
    }
    let direct = |client_id: ClientId| {
        Body::CreateConversation(bus::CreateConversation {
            client_id: client_id.to_bytes(),
            kind: bus::ConversationKind::Direct as i32,
            member_ids: vec!["bob".to_owned()],
            ..bus::CreateConversation::default()
        })
    };
    let made = id();
    assert!(rig.ask("ann", direct(made)).await[0].1["unchanged"].is_null());
    assert_eq!(rig.ask("ann", direct(id())).await[0].1["unchanged"], true);
    assert!(rig.ask("ann", direct(made)).await[0].1["unchanged"].is_null(), "the first answer");
}

pub async fn what_a_message_names_has_to_exist(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let with = |to: &str, change: &dyn Fn(&mut bus::Send)| {
        let Body::Send(mut message) = send(at, id(), r#"{"text":"x"}"#) else { unreachable!() };
        to.clone_into(&mut message.to);
        change(&mut message);
        Body::Send(message)
    };
    let mentions = |name: &'static str| {
        move |message: &mut bus::Send| message.mentions = vec![name.to_owned()]
    };
    let answers_reply = |seq| move |message: &mut bus::Send| message.reply_to = seq;
    let tried = [
        (with("", &mentions("bob")), "sent"),
        (with("", &mentions("cleo")), "invalid"),
        (with("", &answers_reply(1)), "sent"),
        (with("", &answers_reply(9)), "not_found"),
        (with("ann", &|_| {}), "invalid"),
        (with("cleo", &mentions("bob")), "invalid"),
        (with("cleo", &answers_reply(1)), "not_found"),
    ];
    for (body, code) in tried {
        assert_eq!(only(answers(&rig.ask("ann", body.clone()).await)).0, code, "{body:?}");
    }
    let joined = only(answers(&rig.ask("ann", add(at, id(), "cleo")).await)).1;
    let late = rig.ask("cleo", with("", &answers_reply(joined - 1))).await;
    assert_eq!(only(answers(&late)).0, "not_found", "an entry of before the sender came");
    let seen = rig.ask("cleo", with("", &answers_reply(joined))).await;
    assert_eq!(only(answers(&seen)).0, "sent");
    let none = super::direct("ann", "cleo");
    assert!(rig.store.load(&[keyed(none)]).await.unwrap()[0].is_none(), "a refusal begins nothing");
}

pub async fn users_are_bounded_by_their_conversations_and_by_what_they_store_in_a_day(
    store: Store,
) {
    let config = LaneConfig { user_conversations: 2, ..LaneConfig::default() };
    let mut rig = Rig::with(store.clone(), config).await;
    let made = [id(), id(), id()];
    for client_id in &made[..2] {
        assert_eq!(only(answers(&rig.ask("ann", create(*client_id, &["bob"])).await)).0, "sent");
    }
    let third = rig.ask("cleo", create(made[2], &["bob"])).await;
    assert_eq!(only(answers(&third)).0, "quota_exceeded");
    let direct = rig.ask("cleo", send_to("bob", id(), r#"{"text":"x"}"#)).await;
    assert_eq!(only(answers(&direct)).0, "quota_exceeded");
    let again = rig.ask("ann", create(made[0], &["bob"])).await;
    assert_eq!(only(answers(&again)), sent(1), "what is there is there");

    let config = LaneConfig { user_bytes_a_day: 1_000, ..LaneConfig::default() };
    let mut rig = Rig::with(store, config).await;
    let at = ConversationId::created(&user("ann"), made[0]);
    let text = format!(r#"{{"text":"{}"}}"#, "x".repeat(600));
    let (one, other) = (id(), id());
    assert_eq!(only(answers(&rig.ask("ann", send(at, one, &text)).await)), sent(2));
    let refused = rig.batch(
        vec![
            ("ann", send(at, other, &text)),
            ("bob", send(at, id(), &text)),
            ("ann", send(at, one, &text)),
        ],
        false,
    );
    let refused = answers(&refused.await);
    let codes: Vec<_> = refused.iter().map(|(code, seq)| (code.as_str(), *seq)).collect();
    assert_eq!(codes, [("quota_exceeded", 0), ("sent", 2), ("sent", 3)]);
}
