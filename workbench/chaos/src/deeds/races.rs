//! Two things at once, so that what seldom meets does: clients come back while commits wait, while
//! registrations are late; sessions end in the middle of commits.

use std::time::{Duration, Instant};

use fault_proxy::Fault;
use sqlx::Executor as _;

use super::bring_home;
use crate::postgres;
use crate::system::System;

/// Under load the first commit waits within this time.
const WAITING: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// By how much registrations are late.
const LATE_MS: u64 = 600;

/// Commits wait, reads go on. Returns how many wait when the first does.
async fn hold_commits(system: &System, locker: &mut sqlx::PgConnection) -> anyhow::Result<i64> {
    locker.execute("BEGIN").await?;
    locker.execute("LOCK TABLE entries IN SHARE MODE").await?;
    let deadline = Instant::now() + WAITING;
    loop {
        let waiting = postgres::waiting(&system.postgres).await?;
        if waiting > 0 || Instant::now() > deadline {
            return Ok(waiting);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The clients of a gateway lose their connections and come back while commits wait: where they were
/// when the commit began is not where they are when it ends.
pub(super) async fn reset_while_commits_wait(
    system: &mut System,
    link: &str,
    hold: Duration,
) -> anyhow::Result<String> {
    bring_home(system, link).await?;
    let mut locker = postgres::connect(&system.postgres, postgres::DATABASE).await?;
    let waiting = hold_commits(system, &mut locker).await?;
    let before = system.proxy.seen(link).await?.broken;
    system.proxy.tell(link, Fault::Reset).await?;
    tokio::time::sleep(hold).await;
    let broken = system.proxy.seen(link).await?.broken - before;
    locker.execute("ROLLBACK").await?;
    let evidence = format!("{broken} connections reset while {waiting} commits waited");
    Ok(if broken > 0 && waiting > 0 { evidence } else { String::new() })
}

/// Sessions end while their commits wait: those never happen.
pub(super) async fn abort_commits(system: &System, hold: Duration) -> anyhow::Result<String> {
    let mut locker = postgres::connect(&system.postgres, postgres::DATABASE).await?;
    hold_commits(system, &mut locker).await?;
    tokio::time::sleep(hold).await;
    let ended = postgres::terminate_waiting(&system.postgres).await?;
    locker.execute("ROLLBACK").await?;
    let evidence = format!("{ended} sessions ended in the middle of a commit");
    Ok(if ended > 0 { evidence } else { String::new() })
}

/// The clients of a gateway come back while it reaches presence late.
pub(super) async fn reset_with_late_registration(
    system: &mut System,
    gateway: u16,
    hold: Duration,
) -> anyhow::Result<String> {
    let clients = format!("client-gateway-{gateway}");
    let presence = format!("presence-gateway-{gateway}");
    bring_home(system, &clients).await?;
    let held = system.proxy.seen(&presence).await?.held;
    let delay = Fault::Delay { ms: LATE_MS, jitter_ms: 0 };
    system.proxy.tell(&presence, delay).await?;
    let before = system.proxy.seen(&clients).await?.broken;
    system.proxy.tell(&clients, Fault::Reset).await?;
    tokio::time::sleep(hold).await;
    let broken = system.proxy.seen(&clients).await?.broken - before;
    let held = system.proxy.tell(&presence, Fault::Pass).await?.held - held;
    let evidence = format!("{broken} connections reset, {held} chunks to presence held back");
    Ok(if broken > 0 && held > 0 { evidence } else { String::new() })
}
