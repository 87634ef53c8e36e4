//! Guarantee 11: how many connections a user may have.

use super::*;

/// Connections of ann at a gateway, each another device.
fn devices_of_ann(numbers: std::ops::Range<u64>) -> Vec<Connected> {
    numbers.map(|number| opened("ann", &format!("d{number}"), number)).collect()
}

pub async fn of_a_hundred_connections_at_once_no_more_than_allowed_are_taken(
    [one, other]: Replicas,
) {
    let calls = (0..100_u64).map(|number| {
        let store = if number % 2 == 0 { one.clone() } else { other.clone() };
        async move {
            let at = gateway(&format!("g{}", number % 3), 1);
            let report = report(&at, devices_of_ann(number..number + 1), vec![]);
            store.report(&report).await.unwrap().refused.len() as u64
        }
    });
    let refused: u64 = futures_util::future::join_all(calls).await.into_iter().sum();
    assert_eq!(refused, 100 - MOST);
    assert_eq!(connections(other.as_ref(), "ann").await.len() as u64, MOST);
    assert_eq!(u64::from(state(one.as_ref(), "ann").await.standing.devices), MOST);
}

pub async fn a_refused_connection_is_in_no_account([one, other]: Replicas) {
    let (g1, g2) = (gateway("g1", 1), gateway("g2", 1));
    one.report(&report(&g1, devices_of_ann(0..MOST), vec![])).await.unwrap();
    let further = vec![opened("ann", "further", 900), opened("bob", "phone", 901)];
    let reported = other.report(&report(&g2, further.clone(), vec![])).await.unwrap();
    assert_eq!(reported.refused, [900]);
    assert_eq!(reported.changes.len(), 1, "bob came: {:?}", reported.changes);
    assert_eq!(one.heartbeat(&g2, tally(&[("bob", 901)])).await, Ok(HeartbeatOutcome::Agreed));
    assert!(!connections(one.as_ref(), "ann").await.contains(&900));
    // A user who closes one has room for another, at once and in the same report.
    let swap = report(&g1, vec![opened("ann", "next", 902)], vec![closed("ann", 0)]);
    assert!(one.report(&swap).await.unwrap().refused.is_empty());
    assert_eq!(connections(one.as_ref(), "ann").await.len() as u64, MOST);
}

pub async fn a_connection_that_takes_another_s_place_is_no_further_one([one, other]: Replicas) {
    let (g1, g2) = (gateway("g1", 1), gateway("g2", 1));
    let all = report(&g1, devices_of_ann(0..MOST), vec![]);
    one.report(&all).await.unwrap();
    assert!(one.report(&all).await.unwrap().refused.is_empty(), "it was said before");
    let again = other.report(&report(&g2, vec![opened("ann", "d3", 800)], vec![])).await.unwrap();
    assert!(again.refused.is_empty(), "the same device");
    assert_eq!(again.changes[0].replaced.len(), 1);
    assert_eq!(connections(one.as_ref(), "ann").await.len() as u64, MOST);
}

pub async fn what_a_dead_gateway_had_counts_no_longer_than_its_lease([one, _]: Replicas) {
    let (dead, next) = (gateway("dead", 1), gateway("next", 1));
    one.report(&report(&dead, devices_of_ann(0..MOST), vec![])).await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    for attempt in 1_000.. {
        assert!(tokio::time::Instant::now() < deadline, "it counts for ever");
        let new = devices_of_ann(attempt..attempt + 1);
        if one.report(&report(&next, new, vec![])).await.unwrap().refused.is_empty() {
            break;
        }
        one.sweep(1_000).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(connections(one.as_ref(), "ann").await.len(), 1);
}

pub async fn what_is_reported_anew_is_not_refused([one, other]: Replicas) {
    let (g1, g2) = (gateway("g1", 1), gateway("g2", 1));
    one.report(&report(&g1, devices_of_ann(0..MOST), vec![])).await.unwrap();
    let account = snapshot(&g2, vec![opened("ann", "old", 700)]);
    assert!(other.report(&account).await.unwrap().refused.is_empty());
    assert_eq!(connections(one.as_ref(), "ann").await.len() as u64, MOST + 1);
}
