//! The fleets that talk through the cluster while it is hurt, each with its history or with a verdict of its own.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use e2e::process::command;
use e2e::token::secret_of;
use rustix::process::Signal;
use serde_json::Value;
use tokio::process::Child;

use super::machine;

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
    command: Command,
    child: Child,
    history: PathBuf,
    verdict: PathBuf,
    log: PathBuf,
}

/// Direct conversations and groups.
#[derive(Debug)]
pub struct Fleets(Vec<Fleet>);

/// Which fleet it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `fleet run`, whose history the checker judges with those of the others.
    Run,
    /// `fleet changes`, which judges itself.
    Changes,
    /// `fleet hooks`, which judges itself. It has its tenant for itself.
    Hooks,
}

/// What a fleet does.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// The fleet's name.
    pub name: &'static str,
    /// Which fleet it is.
    pub command: Command,
    /// Whose users it is made of. Two fleets of one scenario have users, devices and client ids of equal names.
    pub tenant: &'static str,
    /// The arguments that say it.
    pub scenario: &'static [&'static str],
}

/// Everything that the suite wants talked about: the pairs in two tenants at once, which must see nothing of each other.
pub const ALL_WORK: &[Work] = &[
    Work { name: "pairs", command: Command::Run, tenant: "default", scenario: PAIRS },
    Work { name: "pairs-of-acme", command: Command::Run, tenant: "acme", scenario: PAIRS },
    Work { name: "groups", command: Command::Run, tenant: "default", scenario: GROUPS },
    Work { name: "changes", command: Command::Changes, tenant: "default", scenario: CHANGES },
    Work { name: "hooks", command: Command::Hooks, tenant: "beta", scenario: HOOKS },
];

const CHANGES: &[&str] = &["--rate", "15", "--changes", "20", "--drain", "90s"];
const HOOKS: &[&str] = &["--rate", "8", "--drain", "90s"];
const PAIRS: &[&str] =
    &["--scenario", "pairs", "--pairs", "16", "--rate", "60", "--payload", "256", "--drain", "90s"];
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
    /// Starts them and waits until they are acknowledged. Webhooks are received at the address `hooks`.
    pub async fn start(
        work: &[Work],
        gateways: &[SocketAddr],
        seed: u64,
        out: &Path,
        hooks: IpAddr,
    ) -> anyhow::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let run = format!("fleet.{now:x}.{:06x}", seed & 0xff_ffff);
        let fleets = work
            .iter()
            .map(|work| match work.command {
                Command::Run => start(*work, &run, gateways, seed, out),
                Command::Changes | Command::Hooks => start_judge(*work, gateways, seed, out, hooks),
            })
            .collect::<anyhow::Result<_>>()?;
        let mut fleets = Self(fleets);
        for fleet in &mut fleets.0 {
            fleet.begun().await?;
        }
        Ok(fleets)
    }

    /// The histories' files, of those that do not judge themselves.
    pub fn histories(&self) -> Vec<PathBuf> {
        let judged = self.0.iter().filter(|fleet| fleet.command == Command::Run);
        judged.map(|fleet| fleet.history.clone()).collect()
    }

    /// The users of the groups, by name.
    pub fn group_users(&self) -> anyhow::Result<Vec<String>> {
        let groups = self.0.iter().find(|fleet| fleet.name == "groups").context("the groups")?;
        let text = std::fs::read_to_string(&groups.history)?;
        let first: Value = serde_json::from_str(text.lines().next().unwrap_or_default())?;
        let run = first["name"].as_str().context("the history names its run")?;
        Ok((0..GROUP_USERS).map(|number| format!("{run}-{number}")).collect())
    }

    /// Stops the sending, and waits for the drain and the fleets' own verdicts.
    pub async fn finish(self) -> anyhow::Result<Vec<Finished>> {
        let mut all = Vec::new();
        for fleet in &self.0 {
            machine::signal(fleet.child.id().unwrap_or(0), Signal::INT);
        }
        for mut fleet in self.0 {
            let status = tokio::time::timeout(END, fleet.child.wait())
                .await
                .with_context(|| format!("the fleet {} did not end", fleet.name))??;
            let judgement = match fleet.command {
                Command::Run => None,
                Command::Changes | Command::Hooks => std::fs::read(&fleet.verdict).ok(),
            };
            let judgement = judgement.and_then(|json| serde_json::from_slice(&json).ok());
            let is_own = fleet.command != Command::Run;
            let code = status.code().unwrap_or(-1);
            all.push(Finished { name: fleet.name, code, is_own, judgement, log: fleet.log });
        }
        Ok(all)
    }
}

/// What a fleet says of itself.
#[derive(Debug)]
pub struct Finished {
    /// The fleet.
    pub name: &'static str,
    /// Its exit code.
    pub code: i32,
    /// Nobody but itself judges what it saw.
    is_own: bool,
    judgement: Option<Value>,
    log: PathBuf,
}

impl Finished {
    /// What is wrong by its account, where the checker found nothing.
    pub fn complaint(&self, checker: u8) -> Option<String> {
        let Self { name, code, is_own, log, .. } = self;
        match (code, is_own) {
            (0, _) => None,
            (_, true) => Some(format!("the fleet {name}: {}; see {}", self.said(), log.display())),
            // The fleets judge for themselves what they saw; the checker knows more, and never less.
            (_, false) if checker == 0 => {
                Some(format!("the fleet {name} ended with {code}, the checker finds nothing"))
            }
            (_, false) => None,
        }
    }

    /// Its own verdict, for people; nothing of those that the checker judges.
    pub fn told(&self) -> Option<(&'static str, String)> {
        self.is_own.then(|| (self.name, self.said()))
    }

    fn said(&self) -> String {
        let Some(judgement) = &self.judgement else {
            return format!("no verdict, exit code {}", self.code);
        };
        let verdict = judgement["verdict"].as_str().unwrap_or("unknown");
        let counts = judgement["counts"].as_object().into_iter().flatten();
        let counts = counts.map(|(what, count)| format!("{count} {what}"));
        let reasons = judgement["reasons"].as_array().into_iter().flatten();
        let reasons = reasons.filter_map(Value::as_str).map(str::to_owned);
        let all: Vec<String> = reasons.chain(counts).collect();
        format!("{verdict}: {}", all.join(", "))
    }
}

/// A fleet that judges itself.
fn start_judge(
    Work { name, command: which, tenant, scenario }: Work,
    gateways: &[SocketAddr],
    seed: u64,
    out: &Path,
    hooks: IpAddr,
) -> anyhow::Result<Fleet> {
    let path = |ending: &str| out.join(format!("{name}.{ending}"));
    let (history, verdict, log) = (path("account.json"), path("verdict.json"), path("fleet.log"));
    let plain = |path: &Path| path.to_str().map(str::to_owned).context("plain names");
    let mut arguments: Vec<String> = [
        "--secret",
        &secret_of(tenant),
        "--seed",
        &seed.to_string(),
        "--history",
        &plain(&history)?,
        "--json",
        &plain(&verdict)?,
        // Longer than any run: a signal ends the sending.
        "--duration",
        "1440m",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.extend(gateways.iter().map(|address| format!("--url=ws://{address}/ws")));
    arguments.extend(scenario.iter().map(|&argument| argument.to_owned()));
    let word = if which == Command::Hooks { "hooks" } else { "changes" };
    arguments.insert(0, word.to_owned());
    if which == Command::Hooks {
        arguments.extend([format!("--tenant={tenant}"), format!("--listen={hooks}")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let child = spawn(&arguments, &log)?;
    Ok(Fleet { name, command: which, child, history, verdict, log })
}

fn spawn(arguments: &[&str], log: &Path) -> anyhow::Result<Child> {
    let file = std::fs::File::create(log)?;
    let mut fleet = command("fleet", arguments, &[]);
    fleet.stdout(file.try_clone()?).stderr(file).spawn().context("the fleet cannot be started")
}

fn start(
    Work { name, command: which, tenant, scenario }: Work,
    run: &str,
    gateways: &[SocketAddr],
    seed: u64,
    out: &Path,
) -> anyhow::Result<Fleet> {
    let history = out.join(format!("{name}.history.jsonl"));
    let log = out.join(format!("{name}.fleet.log"));
    let (seed, path) = (seed.to_string(), history.to_str().context("plain names")?);
    let urls: Vec<String> = gateways.iter().map(|address| format!("ws://{address}/ws")).collect();
    let secret = secret_of(tenant);
    let mut arguments = vec!["run", "--secret", &secret, "--seed", &seed, "--history", path];
    // A group has members by name; they are not those of the pairs.
    if scenario == PAIRS {
        arguments.extend(["--run-name", run]);
    }
    arguments.extend(["--tenant", tenant]);
    // Longer than any run: a signal ends the sending.
    arguments.extend(["--duration", "1440m", "--warmup", "0s"]);
    arguments.extend(["--verify-history", "--outbox", "20000", "--ack-every-ms", "500"]);
    arguments.extend(["--pins", "5"]);
    for url in &urls {
        arguments.extend(["--url", url]);
    }
    arguments.extend(scenario);
    let child = spawn(&arguments, &log)?;
    let verdict = PathBuf::new();
    Ok(Fleet { name, command: which, child, history, verdict, log })
}

impl Fleet {
    async fn begun(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + BEGIN;
        loop {
            let (file, sign) = match self.command {
                Command::Run => (&self.history, r#""e":"ok""#),
                Command::Changes | Command::Hooks => (&self.log, "under load"),
            };
            if std::fs::read_to_string(file).unwrap_or_default().contains(sign) {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("the fleet {} did not begin: see {}", self.name, self.log.display());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
