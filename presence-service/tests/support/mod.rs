//! What several tests need.

#![allow(dead_code, reason = "each test binary uses a part")]

pub mod chat;
pub mod house;
pub mod redis_keys;

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

/// Waits until the condition holds; fails with its last state after 15 s.
pub async fn eventually<T, E: Debug, F>(what: &str, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, E>>,
{
    let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
    loop {
        match condition().await {
            Ok(held) => return held,
            Err(state) => {
                assert!(tokio::time::Instant::now() < deadline, "{what}: {state:?}");
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
