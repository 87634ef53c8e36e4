//! Operations that come again: the first answer, whatever has changed since and in whatever company.

use chat_service::domain::entry::CursorRow;
use chat_service::store::Page;
use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::common::{ConversationKind, Role};
use proto::id::{ClientId, ConversationId};

use chat_service::config::WorkerConfig;

use super::worker::{Rig, answers, operation, operation_of, pushed};
use super::{Store, group, keyed, user};

fn id() -> ClientId {
    ClientId::generate()
}

fn send(at: ConversationId, client_id: ClientId, content: &str) -> Frame {
    operation(Some(at), client_id, Action::Send(text(content)))
}

pub fn send_to(to: &str, client_id: ClientId, content: &str) -> Frame {
    let message = bus::Send { to: to.to_owned(), ..text(content) };
    operation(None, client_id, Action::Send(message))
}

fn text(content: &str) -> bus::Send {
    bus::Send { kind: "text".to_owned(), content: content.to_owned(), ..bus::Send::default() }
}

fn create(client_id: ClientId, members: &[&str]) -> Frame {
    let create = bus::CreateConversation {
        kind: ConversationKind::Group as i32,
        title: " Crew ".to_owned(),
        member_ids: members.iter().map(|name| (*name).to_owned()).collect(),
    };
    operation(None, client_id, Action::CreateConversation(create))
}

fn add(at: ConversationId, client_id: ClientId, who: &str) -> Frame {
    let add = bus::AddMembers { user_ids: vec![who.to_owned()], role: Role::Member as i32 };
    operation(Some(at), client_id, Action::AddMembers(add))
}

fn remove(at: ConversationId, client_id: ClientId, who: &str) -> Frame {
    let remove = bus::RemoveMember { user_id: who.to_owned() };
    operation(Some(at), client_id, Action::RemoveMember(remove))
}

fn give(at: ConversationId, client_id: ClientId, who: &str, role: Role) -> Frame {
    let give = bus::SetRole { user_id: who.to_owned(), role: role as i32 };
    operation(Some(at), client_id, Action::SetRole(give))
}

fn rename(at: ConversationId, client_id: ClientId, title: &str) -> Frame {
    let rename = bus::Rename { title: title.to_owned() };
    operation(Some(at), client_id, Action::Rename(rename))
}

/// The message of a frame, to be changed.
fn message(frame: &mut Frame) -> &mut bus::Send {
    match &mut operation_of(frame).action {
        Some(Action::Send(message)) => message,
        other => panic!("{other:?}"),
    }
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
    let entities = r#""entities":[{"type":"bold","from":0,"length":2}]"#;
    let plain = format!(r#"{{"text":"jürgen",{entities}}}"#);
    let spaced = format!("{{ {entities} ,\n \"text\":\"j\\u00fcrgen\" }}");
    let with = |mut frame: Frame, extra: &str| {
        extra.clone_into(&mut message(&mut frame).extra);
        frame
    };
    let spellings = [
        with(send_to("bob", client_id, &plain), r#"{"n":[1.5,100]}"#),
        with(send_to("bob", client_id, &spaced), r#"{ "n" : [ 15e-1, 1E2 ] }"#),
        with(send(direct, client_id, &plain), r#"{"n":[1.50,100.0]}"#),
    ];
    for spelling in spellings {
        assert_eq!(only(answers(&rig.ask("ann", spelling).await)), sent(1));
    }
    let other = with(send(direct, client_id, &plain), r#"{"n":[1.5,101]}"#);
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
    let entry = |told: &super::worker::Told| {
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
    let mut frame = send_to("bob", client_id, r#"{"body":"maintenance"}"#);
    message(&mut frame).kind = "notice".to_owned();
    assert_eq!(only(answers(&rig.ask("dan", frame.clone()).await)), sent(1));
    // The same by a token without the role.
    let again = rig.ask("dan!", frame.clone()).await;
    assert_eq!(only(answers(&again)), sent(1));
    frame.client_id = id().to_bytes();
    let refused = rig.ask("dan!", frame).await;
    assert_eq!(only(answers(&refused)).0, "forbidden");
    assert_eq!(rig.store.load(&[keyed(at)]).await.unwrap()[0].as_ref().unwrap().head, 1);
}

pub async fn what_a_gateway_finds_not_allowed_is_refused_unless_it_was_stored_before(store: Store) {
    let mut rig = Rig::over(store).await;
    let forbidden = |mut frame: Frame| {
        operation_of(&mut frame).refusal = "bob does not know you".to_owned();
        frame
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
        let create = bus::CreateConversation {
            kind: ConversationKind::Direct as i32,
            member_ids: vec!["bob".to_owned()],
            ..bus::CreateConversation::default()
        };
        operation(None, client_id, Action::CreateConversation(create))
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
        let mut frame = send(at, id(), r#"{"text":"x"}"#);
        let message = message(&mut frame);
        to.clone_into(&mut message.to);
        change(message);
        frame
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

pub async fn what_a_later_build_asks_for_is_answered_and_not_skipped(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let known = send(at, id(), r#"{"text":"hi"}"#);
    assert_eq!(only(answers(&rig.ask("ann", known.clone()).await)), sent(2));
    // Neither the body nor the action of an operation is known to this build.
    let no_body = |client_id: &bytes::Bytes| Frame {
        r#ref: "mine".to_owned(),
        client_id: client_id.clone(),
        ..Frame::default()
    };
    let no_action = |client_id: &bytes::Bytes| {
        let mut frame = known.clone();
        operation_of(&mut frame).action = None;
        Frame { client_id: client_id.clone(), ..frame }
    };
    let fresh = id().to_bytes();
    for frame in [no_body(&fresh), no_action(&fresh)] {
        let told = rig.batch(vec![("ann", frame), ("bob", send(at, id(), "{}"))], false).await;
        assert_eq!(told.len(), 2, "{told:?}");
        let (who, error) = &told[0];
        assert_eq!((who.as_str(), &error["code"]), ("ann", &"unavailable".into()));
        assert_eq!((&error["stored"], error["retry_after_ms"].is_u64()), (&"unknown".into(), true));
        assert_eq!(error["client_id"], ClientId::from_bytes(&fresh).unwrap().to_string());
    }
    assert_eq!(rig.ask("ann", no_body(&fresh)).await[0].1["ref"], "mine");
    // Nobody waits for a frame without a client id.
    assert_eq!(rig.ask("ann", Frame::default()).await, super::worker::Told::new());
    let odd = Frame { client_id: vec![1, 2].into(), ..Frame::default() };
    assert_eq!(only(answers(&rig.ask("ann", odd).await)).0, "unavailable");
    assert_eq!(rig.store.load(&[keyed(at)]).await.unwrap()[0].as_ref().unwrap().head, 2);
}

pub async fn users_are_bounded_by_their_conversations_and_by_what_they_store_in_a_day(
    store: Store,
) {
    let config = WorkerConfig { user_conversations: 2, ..WorkerConfig::default() };
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

    let config = WorkerConfig { user_bytes_a_day: 1_000, ..WorkerConfig::default() };
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

pub async fn what_waited_too_long_is_not_worked_on_unless_it_was_stored_before(store: Store) {
    let mut rig = Rig::over(store).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let (now, client_id) = (now.as_millis() as u64, ClientId::generate());
    let send = || vec![("ann", send_to("bob", client_id, r#"{"text":"late"}"#))];
    let told = rig.batch_since(send(), false, now - 61_000).await;
    assert_eq!(answers(&told), [("expired".to_owned(), 0)]);
    assert_eq!((told[0].1["stored"].as_str(), told.len()), (Some("no"), 1), "{told:?}");
    let told = rig.batch_since(send(), false, now - 10_000).await;
    assert_eq!(answers(&told), [("sent".to_owned(), 1)]);
    let told = rig.batch_since(send(), false, now - 61_000).await;
    assert_eq!(answers(&told), [("sent".to_owned(), 1)], "it is told as it was then");
}
