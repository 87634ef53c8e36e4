//! Guarantees 8 and 10: what users choose, and users who never came.

use super::*;

pub async fn a_choice_lasts_and_is_told_once([one, other]: Replicas) {
    is_known(one.as_ref(), "ann").await;
    let g1 = gateway("g1", 1);
    one.report(&report(&g1, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    let busy = [Choice { user_id: user("ann"), chosen: Chosen::Busy, by: None }];
    let changes = one.choose(&busy).await.unwrap();
    assert_eq!(changes[0].before, Standing { devices: 1, chosen: Chosen::Online });
    assert_eq!(changes[0].after, Standing { devices: 1, chosen: Chosen::Busy });
    assert_eq!(other.choose(&busy).await.unwrap(), [], "nothing changed");
    one.report(&report(&g1, vec![], vec![closed("ann", 1)])).await.unwrap();
    assert_eq!(state(other.as_ref(), "ann").await.standing.status(), Status::Offline);
    one.report(&report(&g1, vec![opened("ann", "phone", 2)], vec![])).await.unwrap();
    assert_eq!(state(other.as_ref(), "ann").await.standing.status(), Status::Busy);
}

pub async fn the_last_seen_time_does_not_move_while_invisible([one, _]: Replicas) {
    is_known(one.as_ref(), "ann").await;
    let g1 = gateway("g1", 1);
    one.report(&report(&g1, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    let hide = [Choice { user_id: user("ann"), chosen: Chosen::Invisible, by: None }];
    one.choose(&hide).await.unwrap();
    let hidden = state(one.as_ref(), "ann").await.last_seen_ms;
    assert!(hidden > 0, "others saw her until now");
    let later = tokio::time::Instant::now() + Duration::from_millis(5);
    tokio::time::sleep_until(later).await;
    one.report(&report(&g1, vec![], vec![closed("ann", 1)])).await.unwrap();
    one.report(&report(&g1, vec![opened("ann", "phone", 2)], vec![])).await.unwrap();
    one.report(&report(&g1, vec![], vec![closed("ann", 2)])).await.unwrap();
    assert_eq!(state(one.as_ref(), "ann").await.last_seen_ms, hidden);
}

pub async fn a_user_without_a_record_is_one_who_never_came([one, _]: Replicas) {
    assert_eq!(state(one.as_ref(), "nobody").await, UserState::default());
    assert_eq!(one.locate(&[]).await.unwrap().device_counts, Vec::<u32>::new());
    assert_eq!(one.states(&[]).await.unwrap(), []);
    assert!(one.sweep(100).await.unwrap().changes.is_empty());
}

pub async fn what_is_filled_in_is_taken_once_and_never_over_a_known_choice([one, other]: Replicas) {
    let g1 = gateway("g1", 1);
    let reported = one.report(&report(&g1, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    assert_eq!(reported.chosen[0].chosen, Chosen::Unread, "nothing is known of her");
    assert_eq!(reported.changes[0].after, Standing { devices: 1, chosen: Chosen::Unread });
    assert_eq!(state(other.as_ref(), "ann").await.standing.status(), Status::Offline);
    let read = [(user("ann"), Chosen::Invisible), (user("bob"), Chosen::Busy)];
    let filled = other.fill_in(&read).await.unwrap();
    let standing = |devices, chosen| Standing { devices, chosen };
    let states: Vec<_> = filled.iter().map(|(was_unread, it)| (*was_unread, it.standing)).collect();
    assert_eq!(states, [(true, standing(1, Chosen::Invisible)), (true, standing(0, Chosen::Busy))]);
    assert_eq!(filled[0].1.last_seen_ms, 0, "others never saw her");
    let late = one.fill_in(&[(user("ann"), Chosen::Online)]).await.unwrap();
    assert_eq!((late[0].0, late[0].1.standing), (false, standing(1, Chosen::Invisible)));
    let again = one.report(&report(&g1, vec![opened("ann", "laptop", 2)], vec![])).await.unwrap();
    assert_eq!(again.chosen[0].chosen, Chosen::Invisible);
    let chosen = [Choice { user_id: user("ann"), chosen: Chosen::Away, by: None }];
    one.choose(&chosen).await.unwrap();
    let late = one.fill_in(&read[..1]).await.unwrap();
    assert_eq!((late[0].0, late[0].1.standing), (false, standing(2, Chosen::Away)));
}
