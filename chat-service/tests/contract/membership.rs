//! Who may see what after members came and went.

use chat_service::domain::entry::{MemberRow, Role};
use chat_service::store::{AppendBatch, Membership};
use proto::id::ConversationId;

use super::{Store, entry, group, keyed, user};

pub async fn a_member_who_left_and_came_back_in_one_batch_sees_only_what_follows(store: Store) {
    let id = ConversationId::generate();
    store.append(&group(id, &["ann", "bob"])).await.unwrap();
    let back = AppendBatch {
        entries: vec![entry(id, 2, "ann"), entry(id, 3, "ann")],
        members_set: vec![MemberRow {
            conversation_id: id,
            user_id: user("bob"),
            role: Role::Member,
            from_seq: 3,
        }],
        ..AppendBatch::default()
    };
    store.append(&back).await.unwrap();
    let bob = store.conversation(&user("bob"), None, id).await.unwrap().unwrap();
    assert_eq!((bob.me.from_seq, bob.me.read_seq, bob.unread), (3, 2, 1));
    let membership = store.membership(&user("bob"), id).await.unwrap();
    assert_eq!(membership, Some(Membership { from_seq: 3, head: 3 }));
    assert_eq!(store.membership(&user("cleo"), id).await.unwrap(), None);
    assert_eq!(store.membership(&user("bob"), ConversationId::generate()).await.unwrap(), None);
    let snapshot = store.load(&[keyed(id)]).await.unwrap().remove(0).unwrap();
    assert_eq!(snapshot.members[&user("bob")].from_seq, 3);
}
