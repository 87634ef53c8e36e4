//! What operators say in conversations where they are no member.

use chat_service::store::Page;
use proto::bus;
use proto::bus::frame::Body;
use proto::id::{ClientId, ConversationId};

use super::lane::{Rig, answers, pushed};
use super::{Store, group, keyed, user};

fn say(at: ConversationId, client_id: ClientId, kind: &str, content: &str) -> Body {
    Body::Send(bus::Send {
        client_id: client_id.to_bytes(),
        conversation_id: at.to_bytes(),
        kind: kind.to_owned(),
        content: content.to_owned(),
        ..bus::Send::default()
    })
}

pub async fn operators_speak_where_they_are_no_member_and_nobody_else_does(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let head =
        async |rig: &Rig| rig.store.load(&[keyed(at)]).await.unwrap()[0].as_ref().unwrap().head;
    let text = r#"{"text":"maintenance at noon"}"#;

    // `dan` is an operator and no member; `dan!` is the same user without the role.
    let client_id = ClientId::generate();
    let told = rig.ask("dan", say(at, client_id, "system", text)).await;
    assert_eq!(answers(&told), [("sent".to_owned(), 2)]);
    assert_eq!(pushed(&told), ["ann", "bob"]);
    let entry = &told.iter().find(|(_, frame)| frame["type"] == "entry").unwrap().1;
    assert_eq!((&entry["kind"], &entry["sender"]["type"]), (&"system".into(), &"operator".into()));
    let again = rig.ask("dan", say(at, client_id, "system", text)).await;
    assert_eq!(answers(&again), [("sent".to_owned(), 2)], "a repeat has the first answer");

    for (who, kind, content, code) in [
        ("dan!", "system", text, "forbidden"),
        ("dan!", "text", text, "not_member"),
        ("cleo", "text", text, "not_member"),
        ("cleo", "system", text, "forbidden"),
        ("dan", "text", text, "not_member"),
        ("dan", "system", r#"{"event":"members_added","members":["dan"]}"#, "invalid"),
        ("dan", "system", r#"{"text":"x","event":"member_removed"}"#, "invalid"),
    ] {
        let refused = rig.ask(who, say(at, ClientId::generate(), kind, content)).await;
        assert_eq!(answers(&refused), [(code.to_owned(), 0)], "{who} {kind} {content}");
        assert_eq!(pushed(&refused).len(), 0);
    }
    let nowhere = say(ConversationId::generate(), ClientId::generate(), "system", text);
    assert_eq!(answers(&rig.ask("dan", nowhere).await), [("not_found".to_owned(), 0)]);
    assert_eq!(head(&rig).await, 2);

    // It is in the log for everybody who reads it, and the operator has not become a member.
    let snapshot = rig.store.load(&[keyed(at)]).await.unwrap().remove(0).unwrap();
    assert_eq!(snapshot.members.keys().collect::<Vec<_>>(), [&user("ann"), &user("bob")]);
    let entries = rig.store.entries(keyed(at), Page::After(1), 0, super::room(10)).await.unwrap();
    let stored = &entries[0].entry;
    assert_eq!((stored.kind.as_str(), &stored.sender_id), ("system", &user("dan")));

    // A direct conversation of others, too.
    let direct = Body::Send(bus::Send {
        client_id: ClientId::generate().to_bytes(),
        to: "bob".to_owned(),
        kind: "text".to_owned(),
        content: text.to_owned(),
        ..bus::Send::default()
    });
    rig.ask("ann", direct).await;
    let direct = super::direct("ann", "bob");
    let told = rig.ask("dan", say(direct, ClientId::generate(), "system", text)).await;
    assert_eq!((answers(&told), pushed(&told)), (vec![("sent".to_owned(), 2)], vec!["ann", "bob"]));
}
