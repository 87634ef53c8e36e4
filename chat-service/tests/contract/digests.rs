//! The digests of heads, which devices compare with their own, and those of what operations say.

use std::collections::HashMap;

use chat_service::store::heads::Head;
use proto::heads::HeadsDigest;
use proto::id::{ClientId, ConversationId, EntryId, TenantId};
use uuid::Uuid;

use super::repeats::send_to;
use super::worker::{Rig, answers};
use super::{AppendBatch, Store, entry, group, user};

pub async fn digests_of_heads_cover_just_the_conversations_of_each_user(store: Store) {
    let (shared, own) = (ConversationId::generate(), ConversationId::generate());
    let (first, alone) = (group(shared, &["ann", "bob"]), group(own, &["ann"]));
    store.append(&first).await.unwrap();
    store.append(&alone).await.unwrap();
    let more = AppendBatch { entries: vec![entry(shared, 2, "bob")], ..AppendBatch::default() };
    store.append(&more).await.unwrap();
    let digest = |heads: &[(ConversationId, u64, EntryId)]| {
        let mut digest = HeadsDigest::default();
        for (id, head, entry_id) in heads {
            digest.add(*id, *head, *entry_id);
        }
        digest
    };
    let told = store.head_digests(&[user("bob"), user("eve"), user("ann")]).await.unwrap();
    let (shared_head, own_head) = ((shared, 2, more.entries[0].id), (own, 1, alone.entries[0].id));
    let wanted = [digest(&[shared_head]), digest(&[]), digest(&[shared_head, own_head])];
    assert_eq!(told, wanted);
    assert_ne!(digest(&[(shared, 2, EntryId::generate())]), told[0], "the entry counts");

    let mut heads = store.heads(&user("ann")).await.unwrap();
    heads.sort_by_key(|head| head.conversation_id != shared);
    let heads = heads.iter().map(|head| (head.conversation_id, head.seq, head.entry_id));
    assert_eq!(heads.collect::<Vec<_>>(), [shared_head, own_head]);
    let nowhere = ConversationId::generate();
    let places = [(shared, 1), (own, 2), (nowhere, 1)];
    let there = store.entry_ids(TenantId::DEFAULT, &places).await.unwrap();
    assert_eq!(there, HashMap::from([(shared, first.entries[0].id)]));
}

pub async fn conversations_without_entries_have_a_head_of_nothing(store: Store) {
    let id = ConversationId::generate();
    store.append(&AppendBatch { entries: Vec::new(), ..group(id, &["ann"]) }).await.unwrap();
    let heads = store.heads(&user("ann")).await.unwrap();
    let head = Head { conversation_id: id, seq: 0, entry_id: EntryId(Uuid::nil()), from_seq: 1 };
    assert_eq!(heads, [head]);
    assert_eq!(store.head_digests(&[user("ann")]).await.unwrap(), [HeadsDigest::default()]);
}

/// `store_digests` gives all that is stored this digest, in hexadecimal digits.
pub async fn an_operation_whose_digest_is_of_another_version_is_taken_for_the_same(
    store: Store,
    store_digests: impl AsyncFn(&str),
) {
    let mut rig = Rig::over(store).await;
    let client_id = ClientId::generate();
    let one = send_to("bob", client_id, r#"{"text":"one"}"#);
    let other = send_to("bob", client_id, r#"{"text":"other"}"#);
    let conflict = [("conflict".to_owned(), 0)];
    let as_stored = [("sent".to_owned(), 1)];
    assert_eq!(answers(&rig.ask("ann", one.clone()).await), as_stored);
    assert_eq!(answers(&rig.ask("ann", other.clone()).await), conflict);
    // The same version, then a later one, of before there were versions, and whatever may come.
    store_digests(&format!("01{}", "00".repeat(32))).await;
    assert_eq!(answers(&rig.ask("ann", one.clone()).await), conflict);
    for digest in [format!("02{}", "00".repeat(32)), "00".repeat(32), "00".repeat(64)] {
        store_digests(&digest).await;
        for again in [&one, &other] {
            assert_eq!(answers(&rig.ask("ann", again.clone()).await), as_stored, "{digest}");
        }
    }
}
