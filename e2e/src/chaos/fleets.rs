//! The fleets that talk through the cluster while it is hurt, each with its history.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use serde_json::Value;
use tokio::process::Child;

use super::machine;
use crate::process::command;
use crate::token::SECRET;

/// The first acknowledgements come within this time.
const BEGIN: Duration = Duration::from_mins(2);
/// Drain, final reads and judging take no longer.
const END: Duration = Duration::from_mins(3);
/// Users of the groups.
pub const GROUP_USERS: u32 = 8;

/// One fleet.
#[derive(Debug)]
struct Fleet {
    name: &'static str,
    child: Child,
    history: PathBuf,
    log: PathBuf,
}

/// Direct conversations and groups.
#[derive(Debug)]
pub struct Fleets(Vec<Fleet>);

/// What fleets do: a name and the arguments that say it.
pub type Work = (&'static str, &'static [&'static str]);

/// Everything that the suite wants talked about.
pub const ALL_WORK: &[Work] = &[("pairs", PAIRS), ("groups", GROUPS)];

const PAIRS: &[&str] = &[
    "--scenario",
    "pairs",
    "--pairs",
    "16",
    "--rate",
    "120",
    "--payload",
    "256",
    "--drain",
    "90s",
];
const GROUPS: &[&str] = &[
    "--scenario",
    "group",
    "--groups",
    "4",
    "--members",
    "5",
    "--clients",
    "8",
    "--rate",
    "40",
    "--payload",
    "1024",
    "--drain",
    "90s",
];

impl Fleets {
    /// Starts them and waits until they are acknowledged.
    pub async fn start(
        work: &[Work],
        gateways: &[SocketAddr],
        seed: u64,
        out: &Path,
    ) -> anyhow::Result<Self> {
        let fleets = work
            .iter()
            .map(|(name, scenario)| start(name, scenario, gateways, seed, out))
            .collect::<anyhow::Result<_>>()?;
        let mut fleets = Self(fleets);
        for fleet in &mut fleets.0 {
            fleet.begun().await?;
        }
        Ok(fleets)
    }

    /// The histories' files.
    pub fn histories(&self) -> Vec<PathBuf> {
        self.0.iter().map(|fleet| fleet.history.clone()).collect()
    }

    /// The users of the groups, by name.
    pub fn group_users(&self) -> anyhow::Result<Vec<String>> {
        let groups = self.0.iter().find(|fleet| fleet.name == "groups").context("the groups")?;
        let text = std::fs::read_to_string(&groups.history)?;
        let first: Value = serde_json::from_str(text.lines().next().unwrap_or_default())?;
        let run = first["name"].as_str().context("the history names its run")?;
        Ok((0..GROUP_USERS).map(|number| format!("{run}-{number}")).collect())
    }

    /// Stops the sending, and waits for the drain and the fleets' own verdicts: their exit codes.
    pub async fn finish(self) -> anyhow::Result<Vec<(&'static str, i32)>> {
        let mut codes = Vec::new();
        for fleet in &self.0 {
            machine::signal(fleet.child.id().unwrap_or(0), Signal::INT);
        }
        for mut fleet in self.0 {
            let status = tokio::time::timeout(END, fleet.child.wait())
                .await
                .with_context(|| format!("the fleet {} did not end", fleet.name))??;
            codes.push((fleet.name, status.code().unwrap_or(-1)));
        }
        Ok(codes)
    }
}

fn start(
    name: &'static str,
    scenario: &[&str],
    gateways: &[SocketAddr],
    seed: u64,
    out: &Path,
) -> anyhow::Result<Fleet> {
    let history = out.join(format!("{name}.history.jsonl"));
    let log = out.join(format!("{name}.fleet.log"));
    let (seed, path) = (seed.to_string(), history.to_str().context("plain names")?);
    let urls: Vec<String> = gateways.iter().map(|address| format!("ws://{address}/ws")).collect();
    let mut arguments = vec!["run", "--secret", SECRET, "--seed", &seed, "--history", path];
    // Longer than any run: a signal ends the sending.
    arguments.extend(["--duration", "1440m", "--warmup", "0s"]);
    arguments.extend(["--verify-history", "--outbox", "20000", "--ack-every-ms", "500"]);
    for url in &urls {
        arguments.extend(["--url", url]);
    }
    arguments.extend(scenario);
    let file = std::fs::File::create(&log)?;
    let child = command("fleet", &arguments, &[])
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .context("the fleet cannot be started")?;
    Ok(Fleet { name, child, history, log })
}

impl Fleet {
    async fn begun(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + BEGIN;
        loop {
            let history = std::fs::read_to_string(&self.history).unwrap_or_default();
            if history.contains(r#""e":"ok""#) {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("the fleet {} did not begin: see {}", self.name, self.log.display());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
