//! Signals, sent to a real process: this one. Alone in its binary, because they reach every thread.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::process::Command;
use std::time::{Duration, Instant};

use platform::reload::Reload;
use platform::shutdown::{Shutdown, Tasks};

fn send(signal: &str) {
    let pid = std::process::id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

#[tokio::test]
async fn sighup_reads_files_again_and_of_the_others_the_first_begins_and_a_second_one_forces() {
    let (tasks, shutdown, reload) = (Tasks::new(), Shutdown::new(), Reload::new());
    shutdown.on_signals(&tasks, Duration::from_mins(1), &reload);
    let mut moments = reload.moments();
    send("-HUP");
    // Far sooner than unasked.
    tokio::time::timeout(Duration::from_secs(5), moments.next()).await.unwrap();
    assert!(!shutdown.is_begun(), "nothing stops by that");
    // The task has not been polled yet: the signal must be caught all the same.
    send("-TERM");
    tokio::time::timeout(Duration::from_secs(10), shutdown.begun()).await.unwrap();
    let begun = Instant::now();
    send("-TERM");
    while !shutdown.is_forced() {
        assert!(begun.elapsed() < Duration::from_secs(10), "the second signal is not heard");
        // Sent again and again: those that come at once are taken for the first one's echo.
        send("-INT");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() > Duration::from_millis(150), "there is a grace time");
    assert_eq!(tasks.join(Duration::from_secs(10)).await, Ok(()));
}
