//! Guarantee 6: the end of a silent gateway.

use super::*;

pub async fn a_silent_gateway_ends_once_although_two_replicas_sweep([one, other]: Replicas) {
    let dead = gateway("dead", 1);
    let many: Vec<Connected> =
        (0..250).map(|number| opened(&format!("user-{number}"), "phone", number)).collect();
    one.report(&report(&dead, many, vec![])).await.unwrap();
    let told = AtomicUsize::new(0);
    let sweeping = |store: Arc<dyn PresenceStore>| {
        let told = &told;
        async move {
            let deadline = tokio::time::Instant::now() + PATIENCE;
            let (mut ended, mut changes) = (Vec::new(), Vec::new());
            while told.load(Ordering::Relaxed) < 250 {
                let swept = store.sweep(60).await.unwrap();
                ended.extend(swept.ended);
                told.fetch_add(swept.changes.len(), Ordering::Relaxed);
                changes.extend(swept.changes);
                assert!(tokio::time::Instant::now() < deadline, "{} are told of", changes.len());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            changes.extend(store.sweep(60).await.unwrap().changes);
            (ended, changes)
        }
    };
    let ((ended_one, changes_one), (ended_other, changes_other)) =
        tokio::join!(sweeping(one.clone()), sweeping(other));
    assert_eq!([ended_one, ended_other].concat().len(), 1, "one replica finds it");
    let mut users: Vec<String> =
        [changes_one, changes_other].concat().iter().map(|c| c.user_id.to_string()).collect();
    users.sort();
    let all = users.len();
    users.dedup();
    assert_eq!((all, users.len()), (250, 250), "each user is told of once");
    assert_eq!(state(one.as_ref(), "user-7").await.standing.status(), Status::Offline);
}

pub async fn a_heartbeat_keeps_a_gateway_and_one_that_was_taken_for_dead_comes_back(
    [one, other]: Replicas,
) {
    let (alive, paused) = (gateway("alive", 1), gateway("paused", 1));
    one.report(&report(&alive, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    one.report(&report(&paused, vec![opened("bob", "phone", 1)], vec![])).await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !connections(one.as_ref(), "bob").await.is_empty() {
        let agreed = one.heartbeat(&alive, tally(&[("ann", 1)])).await;
        assert_eq!(agreed, Ok(HeartbeatOutcome::Agreed));
        other.sweep(100).await.unwrap();
        assert!(tokio::time::Instant::now() < deadline, "bob stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(connections(one.as_ref(), "ann").await, [1]);
    // The paused gateway runs again and goes on as if nothing had been.
    let woken = one.heartbeat(&paused, tally(&[("bob", 1)])).await;
    assert_eq!(woken, Ok(HeartbeatOutcome::Resync));
    one.report(&snapshot(&paused, vec![opened("bob", "phone", 1)])).await.unwrap();
    let agreed = one.heartbeat(&paused, tally(&[("bob", 1)])).await;
    assert_eq!(agreed, Ok(HeartbeatOutcome::Agreed));
    one.heartbeat(&alive, tally(&[("ann", 1)])).await.unwrap();
    other.sweep(100).await.unwrap();
    assert_eq!(connections(one.as_ref(), "bob").await, [1], "the end of the first account is past");
}

pub async fn who_moved_to_another_gateway_outlives_the_first_one([one, other]: Replicas) {
    let (dead, next) = (gateway("dead", 1), gateway("next", 1));
    one.report(&report(&dead, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    one.report(&report(&next, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    let (deadline, mut ended) = (tokio::time::Instant::now() + PATIENCE, Vec::new());
    while ended.is_empty() {
        let agreed = one.heartbeat(&next, tally(&[("ann", 1)])).await;
        assert_eq!(agreed, Ok(HeartbeatOutcome::Agreed));
        let swept = other.sweep(100).await.unwrap();
        assert_eq!(swept.changes, [], "ann is at the next gateway");
        ended = swept.ended;
        assert!(tokio::time::Instant::now() < deadline, "the first gateway lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ended, [dead.id]);
    assert_eq!(places(one.as_ref(), &["ann"]).await, [[("next".to_owned(), 1, 1)]]);
}

pub async fn a_gateway_that_signs_off_is_gone_at_once_and_is_no_lost_one([one, other]: Replicas) {
    let leaving = gateway("leaving", 1);
    one.report(&report(&leaving, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    assert_eq!(one.sign_off(&leaving).await, Ok(true));
    assert_eq!(other.gateways().await.unwrap(), []);
    // What it had not taken back ends with the next sweep, before any lease would.
    let swept = other.sweep(100).await.unwrap();
    assert_eq!((swept.ended, swept.changes.len()), (vec![], 1), "ann was still named");
    assert!(connections(one.as_ref(), "ann").await.is_empty());
    // A heartbeat or a report that was under way comes too late to bring it back.
    assert_eq!(one.heartbeat(&leaving, Tally::default()).await, Err(StoreError::StaleEpoch));
    let late = one.report(&report(&leaving, vec![opened("bob", "phone", 2)], vec![])).await;
    assert_eq!(late.unwrap_err(), StoreError::StaleEpoch);
    // Far longer than the lease.
    let deadline = tokio::time::Instant::now() + 3 * Duration::from_millis(leases().lease_ms);
    while tokio::time::Instant::now() < deadline {
        assert_eq!(other.sweep(100).await.unwrap().ended, []);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The next process of that name begins as if nothing had been.
    let next = gateway("leaving", 2);
    one.report(&report(&next, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    let agreed = one.heartbeat(&next, tally(&[("ann", 1)])).await;
    assert_eq!(agreed, Ok(HeartbeatOutcome::Agreed));
    other.sweep(100).await.unwrap();
    assert_eq!(connections(one.as_ref(), "ann").await, [1]);
}

pub async fn only_the_present_epoch_signs_off_and_only_once([one, other]: Replicas) {
    let (old, new) = (gateway("g1", 1), gateway("g1", 2));
    assert_eq!(one.sign_off(&old).await, Ok(false), "nobody knows it");
    one.report(&report(&old, vec![], vec![])).await.unwrap();
    one.report(&report(&new, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    assert_eq!(one.sign_off(&old).await, Ok(false), "another has followed");
    assert_eq!(one.sign_off(&gateway("g1", 3)).await, Ok(false), "it has reported nothing");
    other.sweep(100).await.unwrap();
    assert_eq!(connections(one.as_ref(), "ann").await, [1]);
    let agreed = one.heartbeat(&new, tally(&[("ann", 1)])).await;
    assert_eq!(agreed, Ok(HeartbeatOutcome::Agreed));
    let both = tokio::join!(one.sign_off(&new), other.sign_off(&new));
    assert!(matches!(both, (Ok(true), Ok(false)) | (Ok(false), Ok(true))), "{both:?}");
    assert_eq!(one.sign_off(&new).await, Ok(false), "repeated");
}
