//! Guarantees 1, 2, 7 and 9: what a report does.

use super::*;

pub async fn what_was_reported_is_located_by_every_replica([one, other]: Replicas) {
    let g1 = gateway("g1", u64::MAX);
    let connected = vec![
        opened("ann", "phone", 1),
        opened("ann", "laptop", u64::MAX - 1),
        opened("bob", "phone", 3),
    ];
    let changes = one.report(&report(&g1, connected, vec![])).await.unwrap().changes;
    assert_eq!(changes.len(), 3, "{changes:?}");
    let epoch = u64::MAX;
    let ann = vec![("g1".to_owned(), epoch, 1), ("g1".to_owned(), epoch, u64::MAX - 1)];
    let bob = vec![("g1".to_owned(), epoch, 3)];
    assert_eq!(
        places(other.as_ref(), &["bob", "nobody", "ann", "bob"]).await,
        [bob.clone(), vec![], ann, bob]
    );
    assert_eq!(state(other.as_ref(), "ann").await.standing.devices, 2);
    let located = other.locate(&[user("ann")]).await.unwrap();
    assert_eq!(located.device_types, [1, 1]);
}

pub async fn the_newest_connection_of_a_device_replaces_the_older_one([one, other]: Replicas) {
    let (g1, g2) = (gateway("g1", 7), gateway("g2", 8));
    one.report(&report(&g1, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    let changes =
        other.report(&report(&g2, vec![opened("ann", "phone", 2)], vec![])).await.unwrap().changes;
    assert_eq!(connections(one.as_ref(), "ann").await, [2]);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(devices(&changes[0]), ("ann".to_owned(), 1, 1));
    let replaced: Vec<_> =
        changes[0].replaced.iter().map(|place| (&place.gateway, place.connection)).collect();
    assert_eq!(replaced, [(&g1, 1)], "its gateway is to close it");
    // Until it has, both sides count it, and nobody is asked to resync.
    assert_eq!(one.heartbeat(&g1, tally(&[("ann", 1)])).await, Ok(HeartbeatOutcome::Agreed));
    let late = one.report(&report(&g1, vec![], vec![closed("ann", 1)])).await.unwrap().changes;
    assert_eq!(late, [], "it is no longer ann's");
    assert_eq!(connections(one.as_ref(), "ann").await, [2]);
    assert_eq!(one.heartbeat(&g1, tally(&[])).await, Ok(HeartbeatOutcome::Agreed));
}

pub async fn one_that_claims_to_be_newer_stays_beside_and_counts_as_one_device([one, _]: Replicas) {
    let (ahead, g2) = (gateway("ahead", 1), gateway("g2", 1));
    let mut from_the_future = opened("ann", "phone", 1);
    from_the_future.connected_at_ms += 3_600_000;
    one.report(&report(&ahead, vec![from_the_future], vec![])).await.unwrap();
    let changes =
        one.report(&report(&g2, vec![opened("ann", "phone", 2)], vec![])).await.unwrap().changes;
    assert_eq!(changes, [], "it is the same device");
    assert_eq!(
        places(one.as_ref(), &["ann"]).await.concat().len(),
        2,
        "either may be the live one"
    );
    one.report(&report(&ahead, vec![], vec![closed("ann", 1)])).await.unwrap();
    assert_eq!(connections(one.as_ref(), "ann").await, [2]);
    assert_eq!(state(one.as_ref(), "ann").await.standing.devices, 1);
}

pub async fn what_is_reported_anew_does_not_displace_another_gateway_s_connection(
    [one, other]: Replicas,
) {
    let (g1, g2) = (gateway("g1", 1), gateway("g2", 1));
    let (mut older, mut newer) = (opened("ann", "phone", 1), opened("ann", "phone", 2));
    older.connected_at_ms -= 120_000;
    newer.connected_at_ms -= 60_000;
    one.report(&snapshot(&g1, vec![older])).await.unwrap();
    let changes = other.report(&snapshot(&g2, vec![newer])).await.unwrap().changes;
    assert_eq!(changes, [], "one of the two sockets is half open, and nobody knows which");
    assert_eq!(places(one.as_ref(), &["ann"]).await.concat().len(), 2);
}

pub async fn a_connection_opened_and_closed_in_one_report_is_gone([one, _]: Replicas) {
    let g1 = gateway("g1", 7);
    let both = report(&g1, vec![opened("ann", "phone", 1)], vec![closed("ann", 1)]);
    one.report(&both).await.unwrap();
    assert!(connections(one.as_ref(), "ann").await.is_empty());
    assert_eq!(one.heartbeat(&g1, tally(&[])).await, Ok(HeartbeatOutcome::Agreed));
}

pub async fn of_concurrent_reports_one_sees_the_first_device_and_one_the_last(
    [one, other]: Replicas,
) {
    let reports = |open: bool| {
        let (one, other) = (one.clone(), other.clone());
        async move {
            let calls = (0..16_u64).map(|number| {
                let store = if number % 2 == 0 { one.clone() } else { other.clone() };
                async move {
                    let at = gateway(&format!("g{number}"), 1);
                    let (opened, closed) = if open {
                        (vec![opened("ann", &format!("d{number}"), 1)], vec![])
                    } else {
                        (vec![], vec![closed("ann", 1)])
                    };
                    store.report(&report(&at, opened, closed)).await.unwrap().changes
                }
            });
            futures_util::future::join_all(calls).await.concat()
        }
    };
    is_known(one.as_ref(), "ann").await;
    let came = reports(true).await;
    assert_eq!(came.iter().filter(|change| change.before.devices == 0).count(), 1);
    assert_eq!(state(one.as_ref(), "ann").await.standing.devices, 16);
    let left = reports(false).await;
    assert_eq!(left.iter().filter(|change| change.after.devices == 0).count(), 1);
    assert!(state(one.as_ref(), "ann").await.last_seen_ms > 0);
}

pub async fn who_comes_back_is_known_to_have_been_away([one, other]: Replicas) {
    is_known(one.as_ref(), "ann").await;
    let g1 = gateway("g1", 1);
    let came =
        one.report(&report(&g1, vec![opened("ann", "phone", 1)], vec![])).await.unwrap().changes;
    assert_eq!(came[0].cause, Cause::Connected { offline_ms: None, is_anew: false });
    one.report(&report(&g1, vec![], vec![closed("ann", 1)])).await.unwrap();
    let back =
        other.report(&report(&g1, vec![opened("ann", "phone", 2)], vec![])).await.unwrap().changes;
    let Cause::Connected { offline_ms: Some(offline_ms), is_anew: false } = back[0].cause else {
        panic!("{back:?}");
    };
    assert!(offline_ms < 5_000, "{offline_ms}");
    let mut old = opened("bob", "phone", 3);
    old.connected_at_ms -= 60_000;
    let healed = one.report(&report(&g1, vec![old], vec![])).await.unwrap().changes;
    assert_eq!(healed[0].cause, Cause::Connected { offline_ms: None, is_anew: true });
}

pub async fn what_is_repeated_is_not_done_twice([one, _]: Replicas) {
    let g1 = gateway("g1", 1);
    let ann = report(&g1, vec![opened("ann", "phone", 1)], vec![]);
    assert_eq!(one.report(&ann).await.unwrap().changes.len(), 1);
    assert_eq!(one.report(&ann).await.unwrap().changes, []);
    assert_eq!(one.heartbeat(&g1, tally(&[("ann", 1)])).await, Ok(HeartbeatOutcome::Agreed));
    let gone = report(&g1, vec![], vec![closed("ann", 1)]);
    assert_eq!(one.report(&gone).await.unwrap().changes.len(), 1);
    assert_eq!(one.report(&gone).await.unwrap().changes, []);
    assert_eq!(one.heartbeat(&g1, tally(&[])).await, Ok(HeartbeatOutcome::Agreed));
}

pub async fn a_report_of_thousands_is_taken_and_counted_whole([one, other]: Replicas) {
    let g1 = gateway("g1", 1);
    let names: Vec<String> = (0..3_000).map(|number| format!("user-{number}")).collect();
    let many = || names.iter().zip(0..).map(|(name, at)| opened(name, "phone", at)).collect();
    assert_eq!(one.report(&snapshot(&g1, many())).await.unwrap().changes.len(), 3_000);
    let all: Vec<(&str, u64)> = names.iter().map(String::as_str).zip(0..).collect();
    assert_eq!(other.heartbeat(&g1, tally(&all)).await, Ok(HeartbeatOutcome::Agreed));
    let users: Vec<UserId> = names.iter().map(|name| user(name)).collect();
    let located = other.locate(&users).await.unwrap();
    assert_eq!(located.connections, (0..3_000).collect::<Vec<u64>>(), "in the order asked for");
    assert_eq!(located.gateways.len(), 1);
}
