//! Batches: of every size, refused at the very end, and by many writers at once.

use std::sync::Arc;

use chat_service::domain::entry::CursorRow;
use chat_service::store::{AppendError, Page};
use proto::id::ConversationId;

use super::{Store, entry, group, keyed, only, room, seqs, user};

pub async fn batches_of_every_size_are_stored_whole(store: Store) {
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    let mut head = 1;
    // Around the sizes at which an adapter may cut a batch into statements.
    for size in [1, 2, 3, 4, 5, 15, 16, 17, 20, 21, 63, 64, 65, 84, 85, 128, 513] {
        let batch: Vec<_> = (head + 1..=head + size).map(|seq| entry(id, seq, "ann")).collect();
        let keys: Vec<_> = batch.iter().map(|row| (row.author.id.clone(), row.client_id)).collect();
        store.append(&only(batch.clone())).await.unwrap();
        let read = store.entries(keyed(id), Page::After(head), 0, room(1_000)).await.unwrap();
        let read = read.into_iter().map(|stored| (stored.entry.id, stored.entry.body));
        let read: Vec<_> = read.collect();
        let written: Vec<_> = batch.into_iter().map(|row| (row.id, row.body)).collect();
        assert_eq!(read, written, "of {size}");
        let found = store.find_client_ids(&keys).await.unwrap();
        let found: Vec<_> = found.into_iter().map(|found| found.unwrap().seq).collect();
        assert_eq!(found, (head + 1..=head + size).collect::<Vec<_>>(), "of {size}");
        head += size;
    }
}

pub async fn a_client_id_twice_in_one_batch_is_a_conflict_and_leaves_nothing(store: Store) {
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    let (first, mut second) = (entry(id, 2, "ann"), entry(id, 3, "ann"));
    second.client_id = first.client_id;
    let key = [(user("ann"), first.client_id)];
    let refused = store.append(&only(vec![first, second])).await;
    assert!(matches!(refused, Err(AppendError::Conflict)), "{refused:?}");
    assert_eq!(seqs(&store, id).await, [1]);
    assert_eq!(store.find_client_ids(&key).await.unwrap(), [None]);
}

pub async fn a_conflict_in_the_last_row_of_a_large_batch_leaves_nothing_behind(store: Store) {
    let (id, new) = (ConversationId::generate(), ConversationId::generate());
    store.append(&group(id, &["ann", "bob"])).await.unwrap();
    let earlier = entry(id, 2, "ann");
    store.append(&only(vec![earlier.clone()])).await.unwrap();
    let mut batch = group(new, &["ann"]);
    batch.entries.extend((3..=300).map(|seq| entry(id, seq, "ann")));
    // Not its seq, only its client id is taken.
    batch.entries.last_mut().unwrap().client_id = earlier.client_id;
    batch.members_removed.push((id, user("bob")));
    let fresh = batch.entries.iter().filter(|row| row.client_id != earlier.client_id);
    let keys: Vec<_> = fresh.map(|row| (row.author.id.clone(), row.client_id)).collect();
    let refused = store.append(&batch).await;
    assert!(matches!(refused, Err(AppendError::Conflict)), "{refused:?}");
    assert_eq!(seqs(&store, id).await, [1, 2]);
    let loaded = store.load(&[keyed(id), keyed(new)]).await.unwrap();
    assert_eq!(loaded[0].as_ref().unwrap().members.len(), 2, "nobody was removed");
    assert!(loaded[1].is_none(), "no conversation was made");
    let found = store.find_client_ids(&keys).await.unwrap();
    assert!(found.iter().all(Option::is_none), "no client id is taken");
    // All of it goes in once the one row is corrected.
    batch.entries.last_mut().unwrap().client_id = entry(id, 1, "ann").client_id;
    store.append(&batch).await.unwrap();
    assert_eq!(seqs(&store, id).await, (1..=300).collect::<Vec<_>>());
}

pub async fn sixty_four_writers_of_one_conversation_leave_no_gap_and_readers_see_none(
    store: Store,
) {
    const WRITERS: u64 = 64;
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    let writers = (0..WRITERS).map(|_| {
        let store = Arc::clone(&store);
        async move {
            // As a worker does: a head that is no longer the head is a conflict.
            loop {
                let head = store.load(&[keyed(id)]).await.unwrap()[0].as_ref().unwrap().head;
                let batch = only(vec![entry(id, head + 1, "ann"), entry(id, head + 2, "ann")]);
                match store.append(&batch).await {
                    Ok(()) => break,
                    Err(AppendError::Conflict | AppendError::NotStored(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    let reader = async {
        loop {
            let read = seqs(&store, id).await;
            let whole: Vec<u64> = (1..=read.len() as u64).collect();
            assert_eq!(read, whole, "a hole");
            if read.len() as u64 == 1 + WRITERS * 2 {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    futures_util::future::join(futures_util::future::join_all(writers), reader).await;
}

pub async fn cursors_moved_by_many_at_once_end_at_the_highest(store: Store) {
    let id = ConversationId::generate();
    store.append(&group(id, &["ann", "bob"])).await.unwrap();
    store.append(&only((2..=40).map(|seq| entry(id, seq, "ann")).collect())).await.unwrap();
    let moves = (1..=40_u64).map(|step| {
        let store = Arc::clone(&store);
        async move {
            // Neither order nor time decides: 7 and 40 have no common divisor.
            let delivered_seq = step * 7 % 40 + 1;
            let read_seq = delivered_seq / 2;
            let cursor =
                CursorRow { conversation_id: id, user_id: user("bob"), delivered_seq, read_seq };
            let moved = store.advance_cursors(&[cursor]).await.unwrap();
            for row in &moved {
                assert!(row.delivered_seq >= delivered_seq && row.read_seq >= read_seq, "{row:?}");
            }
        }
    });
    futures_util::future::join_all(moves).await;
    let bob = store.conversation(&user("bob"), None, id).await.unwrap().unwrap().me;
    assert_eq!((bob.delivered_seq, bob.read_seq), (40, 20));
}

pub async fn pages_beyond_the_ends_are_empty_and_none_shows_what_came_before_a_member(
    store: Store,
) {
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    store.append(&only((2..=6).map(|seq| entry(id, seq, "ann")).collect())).await.unwrap();
    let page = async |page, from_seq, limit| -> Vec<u64> {
        let entries = store.entries(keyed(id), page, from_seq, room(limit)).await.unwrap();
        entries.iter().map(|stored| stored.entry.seq).collect()
    };
    assert_eq!(page(Page::After(6), 0, 10).await, [0; 0]);
    assert_eq!(page(Page::After(u64::MAX), 0, 10).await, [0; 0]);
    assert_eq!(page(Page::Before(1), 0, 10).await, [0; 0]);
    assert_eq!(page(Page::Before(u64::MAX), 4, 10).await, [4, 5, 6]);
    assert_eq!(page(Page::After(0), 4, 2).await, [4, 5]);
    assert_eq!(page(Page::Before(4), 4, 10).await, [0; 0]);
    let nobody = ConversationId::generate();
    assert!(store.entries(keyed(nobody), Page::After(0), 0, room(10)).await.unwrap().is_empty());
}
