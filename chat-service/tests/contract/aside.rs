//! Entries that followers have put aside.

use chat_service::store::aside::AsidePlace;
use chat_service::store::tail::AsideRow;
use proto::id::{ConversationId, ConversationKey, TenantId};

use super::{Store, keyed};

pub async fn what_a_follower_put_aside_is_listed_the_newest_first(store: Store) {
    let (id, other) = (ConversationId::generate(), ConversationId::generate());
    let elsewhere = ConversationKey::new(TenantId::parse("aside-other").unwrap(), id);
    let row = |conversation: ConversationKey, seq, at_ms| AsideRow {
        conversation,
        seq,
        error: format!("error of {seq}"),
        at_ms,
    };
    let rows = [
        row(keyed(id), 1, 10),
        row(keyed(id), 2, 10),
        row(keyed(other), 1, 30),
        row(elsewhere, 1, 20),
    ];
    for row in &rows {
        store.put_aside("aside-a", row).await.unwrap();
        // The first error stays.
        store.put_aside("aside-a", &AsideRow { at_ms: 99, ..row.clone() }).await.unwrap();
    }
    store.put_aside("aside-b", &rows[0]).await.unwrap();
    let expected = [&rows[2], &rows[3], &rows[1], &rows[0]].map(Clone::clone);
    for limit in 1..=5 {
        let (mut all, mut behind) = (Vec::new(), None);
        loop {
            let page = store.aside("aside-a", behind, limit).await.unwrap();
            let Some(last) = page.last() else { break };
            behind = Some(AsidePlace::of(last));
            all.extend(page);
        }
        assert_eq!(all, expected, "pages of {limit}");
    }
    assert_eq!(store.aside("aside-b", None, 9).await.unwrap(), rows[..1]);
    assert!(store.aside("aside-c", None, 9).await.unwrap().is_empty());
}
