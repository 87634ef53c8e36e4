//! Disks that are really full. A backend that did not survive it is started again afterwards, as its
//! operator does.

use std::time::{Duration, Instant};

use crate::postgres;
use crate::system::{Backend, System};

/// What Postgres says then.
const NO_SPACE: &str = "No space left on device";
/// The broker looks at its disk within this time.
const NOTICED: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

fn count(system: &System) -> usize {
    let log = std::fs::read_to_string(system.postgres.log()).unwrap_or_default();
    log.matches(NO_SPACE).count()
}

pub(super) async fn of_postgres(system: &mut System, hold: Duration) -> anyhow::Result<String> {
    let before = count(system);
    let ballast = system.means.disk(Backend::Postgres)?.fill()?;
    let deadline = Instant::now() + hold + NOTICED;
    tokio::time::sleep(hold).await;
    // Room within files that were made before may last for a while.
    while count(system) == before && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
    let refused = count(system) - before;
    drop(ballast);
    let ended = system.postgres.revive().await?;
    postgres::connect(&system.postgres, postgres::DATABASE).await?;
    let ended = if ended { ", it ended and was started again" } else { "" };
    let evidence = format!("{refused} times no space left{ended}");
    Ok(if refused > 0 { evidence } else { String::new() })
}

pub(super) async fn of_broker(system: &mut System, hold: Duration) -> anyhow::Result<String> {
    let ballast = system.means.disk(Backend::Broker)?.fill()?;
    let deadline = Instant::now() + NOTICED;
    // Asking fails when it has ended.
    let mut alarms = String::new();
    while !alarms.contains("disk") && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
        alarms = system.broker.alarms().await.unwrap_or_default();
    }
    tokio::time::sleep(hold).await;
    drop(ballast);
    let ended = system.broker.daemon.revive().await?;
    let mut evidence = Vec::new();
    evidence.extend(alarms.contains("disk").then_some("disk alarm by itself"));
    evidence.extend(ended.then_some("it ended and was started again"));
    Ok(evidence.join(", "))
}
