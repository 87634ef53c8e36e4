//! What operators say in conversations where they are no member.

use chat_service::store::Page;
use proto::bus::operation::Action;
use proto::bus::{Frame, Send};
use proto::id::{ClientId, ConversationId};

use super::repeats::send_to;
use super::worker::{Rig, answers, operation, pushed};
use super::{Store, group, keyed, user};

fn say(at: ConversationId, client_id: ClientId, kind: &str, content: &str) -> Frame {
    let message = Send { kind: kind.to_owned(), content: content.to_owned(), ..Send::default() };
    operation(Some(at), client_id, Action::Send(message))
}

pub async fn operators_speak_where_they_are_no_member_and_nobody_else_does(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let head =
        async |rig: &Rig| rig.store.load(&[keyed(at)]).await.unwrap()[0].as_ref().unwrap().head;
    let text = r#"{"text":"maintenance at noon"}"#;
    let notice = r#"{"body":"maintenance at noon"}"#;

    // `dan` is an operator and no member; `dan!` is the same user without the role.
    let client_id = ClientId::generate();
    let told = rig.ask("dan", say(at, client_id, "notice", notice)).await;
    assert_eq!(answers(&told), [("sent".to_owned(), 2)]);
    assert_eq!(pushed(&told), ["ann", "bob"]);
    let entry = &told.iter().find(|(_, frame)| frame["type"] == "entry").unwrap().1;
    assert_eq!((&entry["kind"], &entry["sender"]["type"]), (&"notice".into(), &"operator".into()));
    let again = rig.ask("dan", say(at, client_id, "notice", notice)).await;
    assert_eq!(answers(&again), [("sent".to_owned(), 2)], "a repeat has the first answer");

    for (who, kind, content, code) in [
        ("dan!", "notice", notice, "forbidden"),
        ("dan!", "text", text, "not_member"),
        ("cleo", "text", text, "not_member"),
        ("cleo", "notice", notice, "forbidden"),
        ("dan", "text", text, "not_member"),
        ("dan", "system", r#"{"event":"members_added","members":["dan"]}"#, "forbidden"),
        ("dan", "notice", r#"{"event":"member_removed"}"#, "invalid"),
    ] {
        let refused = rig.ask(who, say(at, ClientId::generate(), kind, content)).await;
        assert_eq!(answers(&refused), [(code.to_owned(), 0)], "{who} {kind} {content}");
        assert_eq!(pushed(&refused).len(), 0);
    }
    let nowhere = say(ConversationId::generate(), ClientId::generate(), "notice", notice);
    assert_eq!(answers(&rig.ask("dan", nowhere).await), [("not_found".to_owned(), 0)]);
    assert_eq!(head(&rig).await, 2);

    // It is in the log for everybody who reads it, and the operator has not become a member.
    let snapshot = rig.store.load(&[keyed(at)]).await.unwrap().remove(0).unwrap();
    assert_eq!(snapshot.members.keys().collect::<Vec<_>>(), [&user("ann"), &user("bob")]);
    let entries = rig.store.entries(keyed(at), Page::After(1), 0, super::room(10)).await.unwrap();
    let stored = &entries[0].entry;
    assert_eq!((stored.body.kind(), &stored.author.id), ("notice", &user("dan")));

    // A direct conversation of others, too.
    rig.ask("ann", send_to("bob", ClientId::generate(), text)).await;
    let direct = super::direct("ann", "bob");
    let told = rig.ask("dan", say(direct, ClientId::generate(), "notice", notice)).await;
    assert_eq!((answers(&told), pushed(&told)), (vec![("sent".to_owned(), 2)], vec!["ann", "bob"]));
}
