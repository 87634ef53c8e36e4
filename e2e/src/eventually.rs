//! Waiting for a condition with a deadline, never for a time.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Asks until the answer is `Ok`; panics with the last `Err` at the deadline.
pub async fn eventually<T, E, F, A>(what: &str, deadline: Duration, mut ask: A) -> T
where
    E: Debug,
    F: Future<Output = Result<T, E>>,
    A: FnMut() -> F,
{
    let started = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(last) if started.elapsed() > deadline => {
                panic!("{what}: not within {deadline:?}; last seen: {last:?}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
