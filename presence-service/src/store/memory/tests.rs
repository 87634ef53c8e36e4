//! What the store in memory bounds.

use super::*;
use crate::domain::status::Chosen;

#[tokio::test]
async fn absent_users_beyond_the_bound_are_forgotten() {
    let store = MemoryStore::with(LeaseConfig::default(), 10);
    for number in 0..100 {
        let user_id = UserId::parse_qualified(&format!("user-{number}")).unwrap();
        store.choose(&[Choice { user_id, chosen: Chosen::Busy, by: None }]).await.unwrap();
    }
    assert!(store.state.lock().users.len() <= 11);
}

#[tokio::test]
async fn of_too_many_users_those_who_owe_least_are_forgotten() {
    let store = MemoryStore::with(LeaseConfig::default(), 10);
    let time = Duration::from_mins(1);
    for number in 0..100 {
        let user_id = UserId::parse_qualified(&format!("user-{number}")).unwrap();
        let spent = Spent { user_id, micros: vec![1_000_000 * (1 + number % 50)] };
        store.spend(&[spent], time).await.unwrap();
    }
    assert!(store.state.lock().spending.len() <= 10);
    let most = Spent { user_id: UserId::parse_qualified("user-99").unwrap(), micros: Vec::new() };
    let used = store.spend(&[most], time).await.unwrap()[0][0];
    assert!(used > 45_000_000 && used <= 50_000_000, "{used}");
}
