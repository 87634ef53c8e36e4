//! What users chose to be shown as.

use super::*;

pub async fn what_was_chosen_last_is_read(store: Store) {
    let (ann, bob, cid) = (user("chosen-ann"), user("chosen-bob"), user("chosen-cid"));
    let kept = |name: &UserId, status: &str| (name.clone(), status.to_owned());
    let first = [kept(&ann, "busy"), kept(&bob, "invisible")];
    store.keep_chosen(&first, 1).await.unwrap();
    store.keep_chosen(&[kept(&ann, "online")], 2).await.unwrap();
    store.keep_chosen(&[kept(&ann, "online")], 3).await.unwrap();
    let mut read = store.chosen(&[cid, bob.clone(), ann.clone()]).await.unwrap();
    read.sort();
    assert_eq!(read, [kept(&ann, "online"), kept(&bob, "invisible")]);
    assert_eq!(store.chosen(&[]).await.unwrap(), []);
}
