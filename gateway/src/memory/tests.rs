//! Who is let in, who waits, and what is given back.

use super::*;

fn budget(most: usize, user_most: usize) -> Budget {
    Budget::new(most, user_most, Gauge::default())
}

fn held(budget: &Budget) -> usize {
    usize::try_from(budget.0.shown.get()).unwrap()
}

fn holders(budget: &Budget) -> usize {
    budget.0.by_user.lock().len()
}

fn user(name: &str) -> UserId {
    UserId::parse_qualified(name).unwrap()
}

#[test]
fn no_more_is_held_than_allowed_together_and_by_one_user() {
    let budget = budget(100, 40);
    let (ann, bob) = (user("ann"), user("bob"));
    let mut anns = budget.empty(Some(&ann));
    assert_eq!(anns.grow(30), Ok(()));
    let mut second = budget.empty(Some(&ann));
    assert_eq!(second.grow(11), Err(Full), "however it is divided");
    assert_eq!(second.grow(10), Ok(()));
    let mut bobs = budget.empty(Some(&bob));
    assert_eq!((bobs.grow(40), held(&budget)), (Ok(()), 80));
    let mut nobodys = budget.empty(None);
    assert_eq!((nobodys.grow(21), nobodys.grow(20)), (Err(Full), Ok(())));
    drop((anns, second));
    assert_eq!((held(&budget), holders(&budget)), (60, 1));
    drop((bobs, nobodys));
    assert_eq!((held(&budget), holders(&budget)), (0, 0));
}

#[test]
fn what_is_larger_than_the_whole_is_let_in_alone() {
    let budget = budget(10, 5);
    let ann = user("ann");
    let mut first = budget.empty(Some(&ann));
    assert_eq!(first.grow(1_000), Ok(()));
    assert_eq!(budget.empty(None).grow(1), Err(Full));
    drop(first);
    assert_eq!(held(&budget), 0);
}

#[test]
fn parts_are_given_back_on_their_own() {
    let budget = budget(100, 100);
    let ann = user("ann");
    let mut whole = budget.empty(Some(&ann));
    whole.grow(50).unwrap();
    let part = whole.split(20);
    drop(whole);
    assert_eq!(held(&budget), 20);
    drop(part);
    assert_eq!(held(&budget), 0);
}

#[tokio::test]
async fn who_waits_is_let_in_when_bytes_are_given_back_or_told_after_a_time() {
    let budget = budget(10, 10);
    let mut first = budget.empty(None);
    first.grow(8).unwrap();
    let mut second = budget.empty(None);
    assert_eq!(second.grow_within(5, Duration::from_millis(20)).await, Err(Full));
    let giving_back = async {
        tokio::task::yield_now().await;
        drop(first);
    };
    let waiting = second.grow_within(5, Duration::from_secs(10));
    let (waited, ()) = tokio::join!(waiting, giving_back);
    assert_eq!((waited, held(&budget)), (Ok(()), 5));
}

#[tokio::test]
async fn who_asked_first_is_served_first_however_little_the_next_one_wants() {
    let budget = budget(10, 10);
    let mut held = budget.empty(None);
    held.grow(8).unwrap();
    let (mut large, mut small) = (budget.empty(None), budget.empty(None));
    let later = Duration::from_secs(10);
    let mut first = Box::pin(large.grow_within(6, later));
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    let mut second = Box::pin(small.grow_within(2, later));
    assert!(futures_util::poll!(second.as_mut()).is_pending(), "the first waits for these");
    held.shrink_to(4);
    assert_eq!(first.await, Ok(()));
    drop(held);
    assert_eq!(second.await, Ok(()));
}

#[tokio::test]
async fn who_waits_for_a_part_of_their_own_holds_up_nobody_else() {
    let budget = budget(100, 10);
    let ann = user("ann");
    let mut first = budget.empty(Some(&ann));
    first.grow(10).unwrap();
    let mut second = budget.empty(Some(&ann));
    let mut waiting = Box::pin(second.grow_within(5, Duration::from_secs(10)));
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    assert_eq!(budget.empty(Some(&user("bob"))).grow(10), Ok(()));
    first.shrink_to(5);
    assert_eq!(waiting.await, Ok(()));
    drop((first, second));
    assert_eq!((held(&budget), holders(&budget)), (0, 0));
}

#[test]
fn what_was_taken_together_is_given_back_together() {
    let budget = budget(10, 10);
    let ann = user("ann");
    let (mut first, mut second) = (budget.empty(Some(&ann)), budget.empty(Some(&ann)));
    assert_eq!((first.grow(4), second.grow(3)), (Ok(()), Ok(())));
    first.absorb(second);
    assert_eq!((first.bytes(), held(&budget)), (7, 7));
    drop(first);
    assert_eq!((held(&budget), holders(&budget)), (0, 0));
    assert_eq!(budget.empty(None).grow(10), Ok(()), "all of it");
}
