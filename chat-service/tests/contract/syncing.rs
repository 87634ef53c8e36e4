//! Syncs over the gRPC service: nothing is missing in silence.

use chat_service::config::QueryConfig;
use chat_service::domain::entry::{MemberRow, Role};
use chat_service::queries::ChatQueries;
use chat_service::store::AppendBatch;
use futures_util::StreamExt;
use proto::chat::chat_server::Chat;
use proto::chat::{Cursor, SyncPage, SyncRequest, sync_event::Event};
use proto::id::{ConversationId, EntryId};
use std::collections::HashMap;
use tonic::Request;

use super::paging::{Dice, queries, random_log, seq_of};
use super::{Store, entry, group, only, user};

fn at(id: ConversationId, seq: u64) -> Cursor {
    Cursor { conversation_id: id.to_bytes(), seq, ..Cursor::default() }
}

async fn sync(
    queries: &ChatQueries,
    user_id: &str,
    cursors: &[(ConversationId, u64)],
) -> Vec<SyncPage> {
    let cursors = cursors.iter().map(|(id, seq)| at(*id, *seq));
    sync_from(queries, user_id, cursors.collect()).await
}

async fn sync_from(queries: &ChatQueries, user_id: &str, cursors: Vec<Cursor>) -> Vec<SyncPage> {
    let request = SyncRequest { user_id: user_id.to_owned(), cursors, ..SyncRequest::default() };
    let mut events = queries.sync(Request::new(request)).await.unwrap().into_inner();
    let (mut pages, mut is_done) = (Vec::new(), false);
    while let Some(event) = events.next().await {
        match event.unwrap().event.unwrap() {
            Event::Page(page) => pages.push(page),
            Event::Done(_) => is_done = true,
        }
    }
    assert!(is_done);
    pages
}

fn seqs(page: &SyncPage) -> Vec<u64> {
    page.entries.iter().map(|entry| seq_of(entry)).collect()
}

pub async fn a_sync_gives_everything_after_the_cursors_in_frames_that_fit(store: Store) {
    const PAGE_BYTES: usize = 70_000;
    let queries = queries(&store, PAGE_BYTES);
    for seed in 20..26 {
        let dice = &mut Dice::new(seed);
        let (id, joined, head) = random_log(&store, dice).await;
        let cursor = joined - 1 + dice.below(head - joined + 1);
        let pages = sync(&queries, "late", &[(id, cursor)]).await;
        let pages: Vec<_> =
            pages.into_iter().filter(|page| page.conversation_id == id.to_bytes()).collect();
        let seen: Vec<_> = pages.iter().flat_map(seqs).collect();
        assert_eq!(seen, (cursor + 1..=head).collect::<Vec<_>>(), "of {seed}");
        for (place, page) in pages.iter().enumerate() {
            let bytes: usize = page.entries.iter().map(|entry| entry.len() + 1).sum();
            assert!(bytes < PAGE_BYTES, "{bytes}");
            assert_eq!(page.more, place + 1 < pages.len(), "of {seed}");
            assert_eq!((page.reset, page.skipped_before, page.gone), (false, 0, false));
        }
    }
}

pub async fn a_sync_tells_what_is_gone_what_began_anew_and_what_it_leaves_out(store: Store) {
    let queries = ChatQueries::new(
        store.clone(),
        QueryConfig { tail_entries: 50, ..QueryConfig::default() },
        64,
    );
    let id = ConversationId::generate();
    store.append(&group(id, &["bob", "ann"])).await.unwrap();
    store.append(&only((2..=120).map(|seq| entry(id, seq, "bob")).collect())).await.unwrap();

    // It began while the device was away.
    let pages = sync(&queries, "ann", &[]).await;
    assert_eq!((pages.len(), pages[0].skipped_before, pages[0].reset), (1, 71, false));
    assert_eq!(seqs(&pages[0]), (71..=120).collect::<Vec<_>>());

    // Removed while away.
    let removal = AppendBatch {
        entries: vec![entry(id, 121, "bob")],
        members_removed: vec![(id, user("ann"))],
        ..AppendBatch::default()
    };
    store.append(&removal).await.unwrap();
    let stranger = ConversationId::generate();
    let mut pages = sync(&queries, "ann", &[(id, 120), (stranger, 3)]).await;
    pages.sort_by_key(|page| page.conversation_id != id.to_bytes());
    assert_eq!(pages.len(), 2);
    for (page, id) in pages.iter().zip([id, stranger]) {
        assert_eq!(page.conversation_id, id.to_bytes());
        assert_eq!((page.gone, page.reset, page.more, page.entries.len()), (true, true, false, 0));
    }

    // And back again: what was written in between is not for this member.
    let back =
        MemberRow { conversation_id: id, user_id: user("ann"), role: Role::Member, from_seq: 124 };
    let entries = (122..=125).map(|seq| entry(id, seq, "bob")).collect();
    store
        .append(&AppendBatch { entries, members_set: vec![back], ..AppendBatch::default() })
        .await
        .unwrap();
    let pages = sync(&queries, "ann", &[(id, 120)]).await;
    assert_eq!((pages.len(), pages[0].reset, pages[0].skipped_before), (1, true, 0));
    assert_eq!(seqs(&pages[0]), [124, 125]);
    assert_eq!(sync(&queries, "ann", &[(id, 125)]).await.len(), 0, "nothing is missing");

    // A cursor of another database.
    let pages = sync(&queries, "bob", &[(id, 9_999)]).await;
    assert_eq!((pages[0].reset, pages[0].skipped_before), (true, 76));
    assert_eq!(seqs(&pages[0]), (76..=125).collect::<Vec<_>>());
}

pub async fn a_cursor_whose_entry_is_another_one_is_answered_with_the_tail(store: Store) {
    let queries = ChatQueries::new(
        store.clone(),
        QueryConfig { tail_entries: 3, ..QueryConfig::default() },
        64,
    );
    let [one, other, third] = std::array::from_fn(|_| ConversationId::generate());
    let mut ids = HashMap::new();
    for id in [one, other, third] {
        let made = group(id, &["ann", "bob"]);
        let rest: Vec<_> = (2..=6).map(|seq| entry(id, seq, "bob")).collect();
        store.append(&made).await.unwrap();
        store.append(&only(rest.clone())).await.unwrap();
        let entries = made.entries.iter().chain(&rest);
        ids.extend(entries.map(|entry| ((id, entry.seq), entry.id)));
    }
    let holds =
        |id: ConversationId, seq: u64| Cursor { id: ids[&(id, seq)].to_bytes(), ..at(id, seq) };
    let holds_another =
        |id: ConversationId, seq: u64| Cursor { id: EntryId::generate().to_bytes(), ..at(id, seq) };
    // By conversation: the seqs that came, and whether what is held is to be forgotten.
    let synced = async |cursors: Vec<Cursor>| {
        let pages = sync_from(&queries, "ann", cursors).await;
        let page = |page: &SyncPage| {
            assert_eq!((page.more, page.gone), (false, false));
            assert_eq!(page.skipped_before, if page.reset { 4 } else { 0 });
            (page.conversation_id.clone(), (seqs(page), page.reset))
        };
        pages.iter().map(page).collect::<HashMap<_, _>>()
    };
    let of = |id: ConversationId, came: &[u64], is_reset: bool| {
        (id.to_bytes(), (came.to_vec(), is_reset))
    };

    let same = synced(vec![holds(one, 6), holds(other, 4), at(third, 5)]).await;
    assert_eq!(same, HashMap::from([of(other, &[5, 6], false), of(third, &[6], false)]));
    // At the head, before it, and beside one that is as it was; beyond the head an id says nothing more.
    let put_back = synced(vec![holds_another(one, 6), holds_another(other, 2), holds(third, 6)]);
    let tail = [4, 5, 6];
    assert_eq!(put_back.await, HashMap::from([of(one, &tail, true), of(other, &tail, true)]));
    let beyond = synced(vec![holds_another(one, 9), holds(other, 6), at(third, 6)]).await;
    assert_eq!(beyond, HashMap::from([of(one, &tail, true)]));
    // An id of something else is no id.
    let odd = Cursor { id: vec![1, 2].into(), ..at(one, 5) };
    let odd = synced(vec![odd, at(other, 6), at(third, 6)]).await;
    assert_eq!(odd, HashMap::from([of(one, &[6], false)]));
}
