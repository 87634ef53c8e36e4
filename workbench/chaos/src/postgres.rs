//! A Postgres cluster of its own. Root may not run it, so it runs as the user `postgres` then.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use sqlx::{Connection, Executor, PgConnection};
use tokio::process::Command;

use super::daemon::{Daemon, Launch, path_variable};
use super::machine;

/// The database of the run.
pub const DATABASE: &str = "chaos";

/// Where Debian puts the server's programs, the newest first; else the search path.
fn programs() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_default()
}

async fn id(kind: &str, user: &str) -> anyhow::Result<u32> {
    let output = Command::new("id").args([kind, user]).output().await?;
    ensure!(output.status.success(), "there is no user {user}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

/// Makes a cluster under `folder` and starts it.
pub async fn start(host: Ipv4Addr, folder: &Path, log: PathBuf) -> anyhow::Result<Daemon> {
    let data = folder.join("postgres/data");
    std::fs::create_dir_all(&data)?;
    let user = if rustix::process::geteuid().is_root() {
        Some((id("-u", "postgres").await?, id("-g", "postgres").await?))
    } else {
        None
    };
    if let Some((user, group)) = user {
        std::os::unix::fs::chown(&data, Some(user), Some(group))?;
    }
    let data_text = data.to_str().context("the folder has a plain name")?.to_owned();
    let mut initdb = Command::new(programs().join("initdb"));
    initdb.args(["-D", &data_text, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]);
    initdb.args(["--locale", "C"]).current_dir("/");
    if let Some((user, group)) = user {
        initdb.uid(user).gid(group);
    }
    let output = initdb.output().await.context("initdb cannot be started")?;
    if !output.status.success() {
        bail!("initdb: {}", String::from_utf8_lossy(&output.stderr));
    }
    let port = machine::free_port(host)?;
    let settings = [
        format!("listen_addresses={host}"),
        format!("port={port}"),
        "unix_socket_directories=".to_owned(),
        // Durable as by default: a crash of the process is among the faults.
        "fsync=on".to_owned(),
        "log_min_messages=warning".to_owned(),
        // Its disk is small.
        "max_wal_size=96MB".to_owned(),
        "min_wal_size=32MB".to_owned(),
    ];
    let mut arguments = vec!["-D".to_owned(), data_text];
    arguments.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
    let daemon = Daemon::start(Launch {
        name: "postgres",
        program: programs().join("postgres"),
        arguments,
        environment: vec![path_variable()],
        user,
        address: (host, port).into(),
        pid_file: None,
        log,
    })
    .await?;
    let mut admin = connect(&daemon, "postgres").await?;
    admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {DATABASE}"))).await?;
    Ok(daemon)
}

/// A connection straight to the server, past every proxy.
pub async fn connect(daemon: &Daemon, database: &str) -> anyhow::Result<PgConnection> {
    let url = format!("postgres://postgres@{}/{database}", daemon.address());
    // A server that has just started says so for a moment.
    let mut attempts = 0;
    loop {
        match PgConnection::connect(&url).await {
            Ok(connection) => return Ok(connection),
            Err(error) if attempts > 100 => return Err(error).context("Postgres"),
            Err(_) => attempts += 1,
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Ends the server's connections to the run's database; how many there were.
pub async fn terminate_backends(daemon: &Daemon) -> anyhow::Result<i64> {
    let mut admin = connect(daemon, "postgres").await?;
    let count = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1",
    )
    .bind(DATABASE)
    .fetch_one(&mut admin)
    .await?;
    Ok(count)
}

/// How many sessions wait for a lock.
pub async fn waiting(daemon: &Daemon) -> anyhow::Result<i64> {
    let mut looker = connect(daemon, "postgres").await?;
    let count =
        sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            .fetch_one(&mut looker)
            .await?;
    Ok(count)
}

/// Ends the sessions that wait for a lock; how many there were.
pub async fn terminate_waiting(daemon: &Daemon) -> anyhow::Result<i64> {
    let mut admin = connect(daemon, "postgres").await?;
    let count = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = $1 AND wait_event_type = 'Lock'",
    )
    .bind(DATABASE)
    .fetch_one(&mut admin)
    .await?;
    Ok(count)
}

/// The server's version.
pub async fn version(daemon: &Daemon) -> String {
    let version = async {
        let mut admin = connect(daemon, "postgres").await?;
        anyhow::Ok(sqlx::query_scalar("SHOW server_version").fetch_one(&mut admin).await?)
    };
    version.await.unwrap_or_else(|_| "unknown".to_owned())
}
