//! Guarantees 3, 4 and 5: one account follows another, and heartbeats compare.

use super::*;

pub async fn an_epoch_that_another_has_followed_is_refused([one, other]: Replicas) {
    let (old, new) = (gateway("g1", 500), gateway("g1", 3));
    one.report(&report(&old, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    one.report(&snapshot(&new, vec![opened("ann", "phone", 9)])).await.unwrap();
    let stale = report(&old, vec![opened("bob", "phone", 2)], vec![]);
    assert_eq!(other.report(&stale).await, Err(StoreError::StaleEpoch));
    assert_eq!(other.heartbeat(&old, Tally::default()).await, Err(StoreError::StaleEpoch));
    assert!(connections(other.as_ref(), "bob").await.is_empty());
    assert_eq!(places(other.as_ref(), &["ann"]).await, [[("g1".to_owned(), 3, 9)]]);
}

pub async fn what_a_new_epoch_names_again_is_never_absent_and_the_rest_ends(
    [one, other]: Replicas,
) {
    let (old, new) = (gateway("g1", 1), gateway("g1", 2));
    let both = vec![opened("ann", "phone", 1), opened("bob", "phone", 2)];
    one.report(&report(&old, both.clone(), vec![])).await.unwrap();
    let changes = one.report(&snapshot(&new, vec![both[0].clone()])).await.unwrap().changes;
    assert_eq!(changes, [], "ann was there all the time, on the same socket");
    assert_eq!(places(other.as_ref(), &["ann"]).await, [[("g1".to_owned(), 2, 1)]]);
    assert_eq!(connections(other.as_ref(), "bob").await, [2], "the account may go on");
    let keep = one.clone();
    let new_gateway = new.clone();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut told = Vec::new();
    while told.is_empty() {
        let agreed = keep.heartbeat(&new_gateway, tally(&[("ann", 1)])).await;
        assert_eq!(agreed, Ok(HeartbeatOutcome::Agreed));
        let swept = other.sweep(100).await.unwrap();
        assert!(swept.ended.is_empty(), "the gateway lives");
        told.extend(swept.changes);
        assert_eq!(connections(other.as_ref(), "ann").await, [1]);
        assert!(tokio::time::Instant::now() < deadline, "bob stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(told.iter().map(devices).collect::<Vec<_>>(), [("bob".to_owned(), 1, 0)]);
    assert_eq!(told[0].cause, Cause::TakenOver);
}

pub async fn a_socket_may_close_under_a_later_epoch_than_it_opened([one, other]: Replicas) {
    let (old, new) = (gateway("g1", 1), gateway("g1", 2));
    one.report(&report(&old, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    let changes = one.report(&report(&new, vec![], vec![closed("ann", 1)])).await.unwrap().changes;
    assert_eq!(changes.iter().map(devices).collect::<Vec<_>>(), [("ann".to_owned(), 1, 0)]);
    assert!(connections(other.as_ref(), "ann").await.is_empty());
    assert_eq!(one.heartbeat(&new, tally(&[])).await, Ok(HeartbeatOutcome::Agreed));
}

pub async fn a_snapshot_heals_what_was_lost_without_making_anybody_vanish([one, _]: Replicas) {
    let g1 = gateway("g1", 1);
    let ann = opened("ann", "phone", 1);
    one.report(&report(&g1, vec![ann.clone(), opened("ghost", "phone", 3)], vec![])).await.unwrap();
    let truth = tally(&[("ann", 1), ("bob", 2)]);
    assert_eq!(one.heartbeat(&g1, truth).await, Ok(HeartbeatOutcome::Resync));
    // A full account in two messages.
    one.report(&snapshot(&g1, vec![opened("bob", "phone", 2)])).await.unwrap();
    assert!(one.sweep(100).await.unwrap().changes.is_empty(), "the account has its time");
    assert_eq!(connections(one.as_ref(), "ann").await, [1], "not yet named is not yet gone");
    one.report(&report(&g1, vec![ann], vec![])).await.unwrap();
    assert_eq!(one.heartbeat(&g1, truth).await, Ok(HeartbeatOutcome::Agreed));
    let keep = one.clone();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !connections(one.as_ref(), "ghost").await.is_empty() {
        keep.heartbeat(&g1, truth).await.unwrap();
        one.sweep(100).await.unwrap();
        assert!(tokio::time::Instant::now() < deadline, "the ghost stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(places(one.as_ref(), &["ann", "bob"]).await.concat().len(), 2);
}

pub async fn every_gateway_with_an_account_is_named_until_it_is_ended([one, other]: Replicas) {
    let named = async |store: &dyn PresenceStore| {
        let mut named = store.gateways().await.unwrap();
        named.sort_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
        named
    };
    assert_eq!(named(one.as_ref()).await, []);
    let (g1, g2) = (gateway("g1", 1), gateway("g2", 7));
    one.report(&snapshot(&g1, vec![])).await.unwrap();
    one.report(&report(&g2, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    assert_eq!(named(other.as_ref()).await, [g1, g2.clone()]);
    let new = gateway("g1", 2);
    one.report(&snapshot(&new, vec![])).await.unwrap();
    assert_eq!(named(other.as_ref()).await, [new, g2.clone()], "in its new epoch only");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while named(other.as_ref()).await.len() > 1 {
        one.heartbeat(&g2, tally(&[("ann", 1)])).await.unwrap();
        one.sweep(100).await.unwrap();
        assert!(tokio::time::Instant::now() < deadline, "a gateway without a sign stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(named(one.as_ref()).await, [g2]);
}

pub async fn an_unknown_gateway_is_asked_for_everything([one, _]: Replicas) {
    let g1 = gateway("g1", 1);
    assert_eq!(one.heartbeat(&g1, Tally::default()).await, Ok(HeartbeatOutcome::Resync));
    one.report(&snapshot(&g1, vec![])).await.unwrap();
    assert_eq!(one.heartbeat(&g1, Tally::default()).await, Ok(HeartbeatOutcome::Agreed));
    let unseen = gateway("g1", 2);
    assert_eq!(one.heartbeat(&unseen, Tally::default()).await, Ok(HeartbeatOutcome::Resync));
    assert_eq!(one.heartbeat(&g1, Tally::default()).await, Ok(HeartbeatOutcome::Agreed));
}
