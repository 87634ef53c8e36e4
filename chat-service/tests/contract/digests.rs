//! The digests of heads, which devices compare with their own.

use proto::heads::HeadsDigest;
use proto::id::ConversationId;

use super::{AppendBatch, Store, entry, group, user};

pub async fn digests_of_heads_cover_just_the_conversations_of_each_user(store: Store) {
    let (shared, own) = (ConversationId::generate(), ConversationId::generate());
    store.append(&group(shared, &["ann", "bob"])).await.unwrap();
    store.append(&group(own, &["ann"])).await.unwrap();
    let more = AppendBatch { entries: vec![entry(shared, 2, "bob")], ..AppendBatch::default() };
    store.append(&more).await.unwrap();
    let digest = |heads: &[(ConversationId, u64)]| {
        let mut digest = HeadsDigest::default();
        for (id, head) in heads {
            digest.add(*id, *head);
        }
        digest
    };
    let told = store.head_digests(&[user("bob"), user("eve"), user("ann")]).await.unwrap();
    let wanted = [digest(&[(shared, 2)]), digest(&[]), digest(&[(shared, 2), (own, 1)])];
    assert_eq!(told, wanted);
}
