//! Signals, sent to a real process: this one. Alone in its binary, because they reach every thread.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::process::Command;
use std::time::Duration;

use platform::shutdown::{Shutdown, Tasks};

fn send(signal: &str) {
    let pid = std::process::id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

#[tokio::test]
async fn the_first_signal_begins_and_the_second_forces() {
    let (tasks, shutdown) = (Tasks::new(), Shutdown::new());
    shutdown.on_signals(&tasks, Duration::from_mins(1));
    // The task has not been polled yet: the signal must be caught all the same.
    send("-TERM");
    tokio::time::timeout(Duration::from_secs(10), shutdown.begun()).await.unwrap();
    assert!(!shutdown.is_forced(), "there is a grace time");
    send("-INT");
    tokio::time::timeout(Duration::from_secs(10), shutdown.forced()).await.unwrap();
    assert_eq!(tasks.join(Duration::from_secs(10)).await, Ok(()));
}
