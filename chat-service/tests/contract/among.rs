//! Which of many users are members, as gateways ask about large conversations.

use chat_service::store::among::Among;

use super::*;

pub async fn members_among_many_are_told_with_their_beginning_and_the_head(store: Store) {
    let id = ConversationId::generate();
    store.append(&group(id, &["ann", "bob"])).await.unwrap();
    let late = AppendBatch {
        entries: vec![entry(id, 2, "ann"), entry(id, 3, "ann")],
        members_set: vec![MemberRow {
            conversation_id: id,
            user_id: user("cleo"),
            role: Role::Member,
            from_seq: 3,
        }],
        members_removed: vec![(id, user("bob"))],
        ..AppendBatch::default()
    };
    store.append(&late).await.unwrap();
    let mut asked: Vec<UserName> = (0..3_000).map(|number| name(&format!("u{number}"))).collect();
    asked.extend(["bob", "cleo", "ann"].map(name));
    let mut among = store.members_among(keyed(id), &asked).await.unwrap();
    among.members.sort();
    assert_eq!(among, Among { head: 3, members: vec![(name("ann"), 1), (name("cleo"), 3)] });
    let nobody = store.members_among(keyed(id), &[]).await.unwrap();
    assert_eq!(nobody, Among { head: 3, members: Vec::new() });
    let unknown = store.members_among(keyed(ConversationId::generate()), &asked).await.unwrap();
    assert_eq!(unknown, Among::default());
}
