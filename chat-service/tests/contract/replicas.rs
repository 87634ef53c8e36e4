//! Who runs the service, by the database's account.

use std::time::Duration;

use super::Store;

const GONE: Duration = Duration::from_secs(5);

pub async fn a_replica_that_beats_is_listed_as_just_heard(store: Store) {
    for _ in 0..2 {
        let live = store.beat("one", GONE).await.unwrap();
        assert_eq!(live.len(), 1, "{live:?}");
        assert_eq!(live[0].id, "one");
        assert!(live[0].beat_ago < GONE, "{live:?}");
    }
    store.leave("one").await.unwrap();
    // A replica that beats is alive, also after it left.
    assert_eq!(store.beat("one", GONE).await.unwrap().len(), 1);
}
