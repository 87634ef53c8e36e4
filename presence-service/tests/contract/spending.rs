//! Guarantee 15: what users have used up of their rates over all gateways.

use presence_service::domain::spending::Spent;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);
/// How long a step may take here, in microseconds: so much may have been paid off.
const SLACK_US: u64 = 10_000_000;

fn spent(user_id: &str, micros: &[u64]) -> Spent {
    Spent { user_id: user(user_id), micros: micros.to_vec() }
}

fn is_about(used: u64, expected: u64) {
    assert!(used <= expected && used + SLACK_US >= expected, "{used}, expected {expected}");
}

pub async fn what_one_gateway_granted_counts_at_every_other([one, other]: Replicas) {
    let used = one.spend(&[spent("ann", &[20_000_000, 0, 5_000_000])], MINUTE).await.unwrap();
    is_about(used[0][0], 20_000_000);
    let used = other
        .spend(&[spent("bob", &[1_000_000]), spent("ann", &[30_000_000])], MINUTE)
        .await
        .unwrap();
    is_about(used[0][0], 1_000_000);
    is_about(used[1][0], 50_000_000);
    assert_eq!(used[1][1], 0, "each rate for itself");
    is_about(used[1][2], 5_000_000);
    let asked = one.spend(&[spent("ann", &[])], MINUTE).await.unwrap();
    is_about(asked[0][0], 50_000_000);
}

pub async fn what_is_granted_beyond_a_rate_is_owed_but_not_for_ever([one, other]: Replicas) {
    for _ in 0..3 {
        one.spend(&[spent("ann", &[50_000_000])], MINUTE).await.unwrap();
        other.spend(&[spent("ann", &[50_000_000])], MINUTE).await.unwrap();
    }
    let used = one.spend(&[spent("ann", &[u64::MAX])], MINUTE).await.unwrap();
    is_about(used[0][0], 120_000_000);
}

pub async fn what_was_used_up_is_paid_off_as_time_passes([one, other]: Replicas) {
    let time = Duration::from_millis(200);
    one.spend(&[spent("ann", &[150_000])], time).await.unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while other.spend(&[spent("ann", &[])], time).await.unwrap()[0].iter().any(|used| *used > 0) {
        assert!(std::time::Instant::now() < deadline, "it is paid off");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(other.spend(&[], time).await.unwrap(), Vec::<Vec<u64>>::new());
}

pub async fn of_many_who_spend_at_once_nothing_is_lost([one, other]: Replicas) {
    let mut calls = tokio::task::JoinSet::new();
    for call in 0_u32..64 {
        let store = if call.is_multiple_of(2) { Arc::clone(&one) } else { Arc::clone(&other) };
        calls.spawn(async move {
            // More than a pipeline holds.
            let users: Vec<_> =
                (0..150).map(|n| spent(&format!("user-{n}"), &[1_000_000])).collect();
            store.spend(&users, MINUTE).await.unwrap();
        });
    }
    calls.join_all().await;
    let all: Vec<_> = (0..150).map(|n| spent(&format!("user-{n}"), &[])).collect();
    for used in one.spend(&all, MINUTE).await.unwrap() {
        is_about(used[0], 64_000_000);
    }
}
