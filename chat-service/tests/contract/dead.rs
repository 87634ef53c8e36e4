//! Letters and marks.

use bytes::Bytes;
use chat_service::domain::letter::{DeadLetter, LetterKey, LetterKind};
use chat_service::store::dead::Mark;
use proto::id::TenantId;

use super::Store;

fn key(id: &str) -> LetterKey {
    LetterKey { tenant: TenantId::DEFAULT, id: id.to_owned() }
}

fn letter(id: &str, at_ms: u64) -> DeadLetter {
    DeadLetter {
        key: key(id),
        kind: LetterKind::Frame,
        reason: format!("broken at {at_ms}"),
        partition: 5,
        user_id: "ann".to_owned(),
        conversation_id: Bytes::copy_from_slice(&[0xab; 16]),
        client_id: Bytes::copy_from_slice(&[7; 16]),
        body: Bytes::copy_from_slice(&[0, 255, 1]),
        times: 1,
        first_at_ms: at_ms,
        last_at_ms: at_ms,
    }
}

/// A letter of its sender.
pub fn letter_of(user_id: &str, id: &str, at_ms: u64) -> DeadLetter {
    let tenant = super::user(user_id).tenant();
    let key = LetterKey { tenant, id: id.to_owned() };
    DeadLetter { key, user_id: user_id.to_owned(), ..letter(id, at_ms) }
}

async fn ids(store: &Store) -> Vec<(String, u64)> {
    let letters = store.dead_letters(TenantId::DEFAULT, None, 10).await.unwrap();
    letters.into_iter().map(|(letter, _)| (letter.key.id, letter.times)).collect()
}

pub async fn a_letter_is_read_back_whole_and_counts_up_when_it_comes_again(store: Store) {
    assert!(store.keep_dead(&letter("one", 10), 9).await.unwrap());
    assert_eq!(store.dead_letter(&key("one")).await.unwrap(), Some(letter("one", 10)));
    assert_eq!(store.dead_letter(&key("two")).await.unwrap(), None);
    assert!(store.keep_dead(&letter("one", 20), 9).await.unwrap());
    let expected = DeadLetter { times: 2, first_at_ms: 10, ..letter("one", 20) };
    assert_eq!(store.dead_letter(&key("one")).await.unwrap(), Some(expected.clone()));
    let listed = store.dead_letters(TenantId::DEFAULT, None, 10).await.unwrap();
    assert_eq!(listed, [(DeadLetter { body: Bytes::new(), ..expected }, 3)]);
}

pub async fn letters_are_listed_the_newest_first_in_pages(store: Store) {
    for (id, at_ms) in [("a", 1), ("b", 3), ("c", 2), ("d", 3)] {
        assert!(store.keep_dead(&letter(id, at_ms), 9).await.unwrap());
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.dead_letters(TenantId::DEFAULT, after.take(), 2).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some((last.first_at_ms, last.key.id.clone()));
        seen.extend(page.into_iter().map(|(letter, _)| letter.key.id));
    }
    assert_eq!(seen, ["b", "d", "c", "a"]);
}

pub async fn a_full_table_takes_no_new_letter_and_counts_those_it_has(store: Store) {
    assert!(store.keep_dead(&letter("one", 1), 2).await.unwrap());
    assert!(store.keep_dead(&letter("two", 2), 2).await.unwrap());
    assert!(!store.keep_dead(&letter("three", 3), 2).await.unwrap());
    assert!(store.keep_dead(&letter("one", 4), 2).await.unwrap());
    // Where a letter stands does not change while somebody walks the list.
    assert_eq!(ids(&store).await, [("two".to_owned(), 1), ("one".to_owned(), 2)]);
    assert!(store.drop_dead(&key("two"), None).await.unwrap());
    assert!(store.keep_dead(&letter("three", 5), 2).await.unwrap());
}

pub async fn a_letter_that_came_again_is_not_dropped_by_who_read_it_before(store: Store) {
    assert!(!store.drop_dead(&key("one"), None).await.unwrap());
    store.keep_dead(&letter("one", 1), 9).await.unwrap();
    store.keep_dead(&letter("one", 2), 9).await.unwrap();
    assert!(!store.drop_dead(&key("one"), Some(1)).await.unwrap());
    assert!(store.drop_dead(&key("one"), Some(2)).await.unwrap());
    assert_eq!(ids(&store).await, []);
}

pub async fn marks_count_up_until_they_are_cleared(store: Store) {
    let keys = [key("one"), key("two")];
    let first = Mark { deaths: 1, alone: 0 };
    assert_eq!(store.mark(&keys, 1).await.unwrap(), [first, first]);
    assert_eq!(store.mark_alone(&key("two"), 2).await.unwrap(), 1);
    assert_eq!(store.mark_alone(&key("two"), 3).await.unwrap(), 2);
    let marks = store.mark(&keys, 4).await.unwrap();
    assert_eq!(marks, [Mark { deaths: 2, alone: 0 }, Mark { deaths: 2, alone: 2 }]);
    store.unmark(&keys[..1]).await.unwrap();
    assert_eq!(store.mark(&keys, 5).await.unwrap(), [first, Mark { deaths: 3, alone: 2 }]);
    // A letter that is dropped or replayed gets another chance.
    store.keep_dead(&letter("two", 6), 9).await.unwrap();
    store.drop_dead(&key("two"), None).await.unwrap();
    assert_eq!(store.mark(&keys[1..], 7).await.unwrap(), [first]);
}

pub async fn marks_that_nobody_clears_are_forgotten_in_time(store: Store) {
    let keys = [key("one")];
    store.mark(&keys, 1).await.unwrap();
    let a_month_later = 30 * 24 * 3_600 * 1_000;
    let marks = store.mark(&keys, a_month_later).await.unwrap();
    assert_eq!(marks, [Mark { deaths: 1, alone: 0 }]);
}
