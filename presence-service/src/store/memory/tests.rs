//! What the store in memory bounds.

use super::*;
use crate::domain::status::Chosen;

#[tokio::test]
async fn absent_users_beyond_the_bound_are_forgotten() {
    let store = MemoryStore::with(LeaseConfig::default(), 10);
    for number in 0..100 {
        let user_id = UserId::parse(&format!("user-{number}")).unwrap();
        store.choose(&[Choice { user_id, chosen: Chosen::Busy, by: None }]).await.unwrap();
    }
    assert!(store.state.lock().users.len() <= 11);
}
