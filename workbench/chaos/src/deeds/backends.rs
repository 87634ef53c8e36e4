//! What is done to the backends, each with what shows it.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use sqlx::{Connection as _, Executor as _};

use crate::daemon::Daemon;
use crate::postgres;
use crate::system::System;

/// Presence fills an empty Redis within this time.
const MEMORY: Duration = Duration::from_secs(10);

/// Ends a backend with a signal and starts it again in the same place.
pub(super) async fn end(daemon: &mut Daemon, by: Signal, hold: Duration) -> anyhow::Result<String> {
    let evidence = daemon.end(by).await?;
    tokio::time::sleep(hold).await;
    daemon.restart().await?;
    Ok(evidence)
}

pub(super) async fn alarm(system: &System, hold: Duration) -> anyhow::Result<String> {
    let alarms = system.broker.alarm(true).await?;
    tokio::time::sleep(hold).await;
    system.broker.alarm(false).await?;
    Ok(if alarms.contains("memory") { "memory alarm".to_owned() } else { String::new() })
}

pub(super) async fn disk_alarm(system: &System, hold: Duration) -> anyhow::Result<String> {
    let alarms = system.broker.disk_alarm(true).await?;
    tokio::time::sleep(hold).await;
    system.broker.disk_alarm(false).await?;
    Ok(if alarms.contains("disk") { "disk alarm".to_owned() } else { String::new() })
}

async fn redis_connection(system: &System) -> anyhow::Result<redis::aio::MultiplexedConnection> {
    let client = redis::Client::open(format!("redis://{}", system.redis.address()))?;
    Ok(client.get_multiplexed_async_connection().await?)
}

pub(super) async fn flush(system: &System) -> anyhow::Result<String> {
    let mut connection = redis_connection(system).await?;
    // A Redis that has just been killed knows nothing yet.
    let deadline = Instant::now() + MEMORY;
    let mut before = 0_u64;
    while before == 0 && Instant::now() < deadline {
        before = redis::cmd("DBSIZE").query_async(&mut connection).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let () = redis::cmd("FLUSHALL").query_async(&mut connection).await?;
    Ok(if before > 0 { format!("{before} keys are gone") } else { String::new() })
}

pub(super) async fn redis_pause(system: &System, hold_ms: u64) -> anyhow::Result<String> {
    let mut connection = redis_connection(system).await?;
    let () = redis::cmd("CLIENT").arg("PAUSE").arg(hold_ms).query_async(&mut connection).await?;
    let begun = Instant::now();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let client = redis::Client::open(format!("redis://{}", system.redis.address()))?;
    let mut other = client.get_multiplexed_async_connection_with_config(&config).await?;
    let () = redis::cmd("PING").query_async(&mut other).await?;
    let took = begun.elapsed();
    let is_felt = took >= Duration::from_millis(hold_ms / 2);
    Ok(if is_felt { format!("a ping took {took:.1?}") } else { String::new() })
}

pub(super) async fn lock(system: &System, hold: Duration) -> anyhow::Result<String> {
    let mut locker = postgres::connect(&system.postgres, postgres::DATABASE).await?;
    let mut transaction = locker.begin().await?;
    transaction.execute("LOCK TABLE entries IN ACCESS EXCLUSIVE MODE").await?;
    tokio::time::sleep(hold).await;
    let waiting = postgres::waiting(&system.postgres).await?;
    transaction.rollback().await?;
    let evidence = format!("{waiting} sessions waited for the log's lock, held for {hold:?}");
    Ok(if waiting > 0 { evidence } else { String::new() })
}
