//! Users who misbehave, all at once, within the limits that a server sets them or up against those limits.
//!
//! Each attacker repeats one tactic until the time is over. What the server answered is counted by tactic. Whether
//! other people's messages suffer is judged elsewhere, by a `fleet run` beside it. Here is judged: a bystander at each
//! gateway was refused nothing and answered in time, nobody was answered with an internal error, and the account of the
//! one user that several tactics aim at still works.

mod bystander;
mod odd_values;
mod requests;
mod sockets;
mod tally;
mod target;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use bench::crowd::costs::{Figures, Watched, rss_growth};
use bench::crowd::error::BenchError;
use clap::Args;
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::Instant;
use wire_client::prepare;
use wire_client::values::duration as parse_duration;

use bystander::Disturbances;
use tally::Tally;
use target::{Attacker, Target};
use wire_client::values::{NamedPid, Secret, Sources, WsUrl};

/// What the help says beyond the options.
pub const HELP: &str = "\
Each user repeats one tactic: sends without waiting for answers, syncs and event streams that are never read,
call signals and typing in a loop, messages and bodies that never end, malformed frames, connecting again and
again, values that no parameter can have, groups with a victim in them, thousands of conversations, large pages,
revoked sessions that never were, searches. Give each user an address of its own with --sources.

Prints what the server answered, by tactic, then one line of name=value: peak_rss_mib.NAME is the resident memory
of a process at its highest. Exit code 1: a bystander was refused, closed or not
answered in time, an internal error was answered, or the victim's account does not work.";

/// How often the memory of the servers is read.
const WATCH: Duration = Duration::from_millis(250);

/// One attack.
#[derive(Debug, Clone, Args)]
pub struct AttackOptions {
    /// A gateway's WebSocket; may be given several times, attackers take turns.
    #[arg(long = "url", required = true)]
    pub urls: Vec<WsUrl>,
    /// The HS256 secret that signs tokens. Visible in the process list.
    #[arg(long)]
    pub secret: Option<Secret>,
    /// A file with the secret; white space around it is dropped.
    #[arg(long, conflicts_with = "secret")]
    pub secret_file: Option<PathBuf>,
    /// Users; the tactics take turns.
    #[arg(long, default_value_t = 15)]
    pub users: u32,
    /// How long the attack goes on.
    #[arg(long, default_value = "20s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Source addresses, first-last, one for each user and each bystander.
    #[arg(long)]
    pub sources: Option<Sources>,
    /// Server processes, name=pid,name=pid: their memory, children included.
    #[arg(long, value_delimiter = ',')]
    pub server_pids: Vec<NamedPid>,
}

/// What an attack found.
#[derive(Debug)]
pub struct Outcome {
    /// Answers by tactic.
    pub tally: Tally,
    /// What a bystander at each gateway met with.
    pub disturbances: Vec<Disturbances>,
    /// Whether the victim could read its conversations afterwards.
    pub victim_is_served: bool,
    /// Memory of the servers.
    pub figures: Figures,
}

impl Outcome {
    /// Whether the server stayed in order, as far as it can be seen from here.
    pub fn is_withstood(&self) -> bool {
        let is_quiet = |met: &Disturbances| met.rounds > 0 && met.by_kind.is_empty();
        self.victim_is_served
            && self.tally.internal_errors() == 0
            && self.disturbances.iter().all(is_quiet)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.tally)?;
        for (number, met) in self.disturbances.iter().enumerate() {
            let (rounds, longest_ms) = (met.rounds, met.longest_ms);
            write!(f, "bystander {number}: {rounds} rounds, the longest took {longest_ms} ms")?;
            let disturbed = met.by_kind.iter();
            disturbed.into_iter().try_for_each(|(kind, count)| write!(f, ", {kind} ×{count}"))?;
            writeln!(f)?;
        }
        let victim = if self.victim_is_served { "works" } else { "DOES NOT WORK" };
        writeln!(f, "the victim's account {victim}")?;
        write!(f, "{}", self.figures)
    }
}

/// Attacks until the time is over and blocks meanwhile.
pub fn run(options: &AttackOptions) -> Result<Outcome, BenchError> {
    if options.users == 0 {
        return Err(BenchError::Options("--users: at least 1".to_owned()));
    }
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(attack(options))
}

async fn attack(options: &AttackOptions) -> Result<Outcome, BenchError> {
    let secret = prepare::secret(options.secret.as_ref(), options.secret_file.as_deref())?;
    let target = Rc::new(Target::new(&options.urls, &secret).await?);
    let tally = Rc::new(std::cell::RefCell::new(Tally::default()));
    let until = Instant::now() + options.duration;
    let watched = Watched::with_generator(&options.server_pids);
    let before = watched.sample();
    let mut attackers = tokio::task::JoinSet::new();
    for number in 0..options.users {
        let source = options.sources.as_ref().map(|sources| sources.address(number));
        let attacker = Attacker::new(&target, &tally, number, source, until)?;
        attackers.spawn_local(attacker.repeat_tactic());
    }
    let mut bystanders = tokio::task::JoinSet::new();
    for number in 0..target.gateways() {
        let source =
            options.sources.as_ref().map(|sources| sources.address(options.users + number));
        let bystander = Attacker::bystander(&target, number, source, until)?;
        bystanders.spawn_local(bystander::watch(bystander));
    }
    let mut peak = watched.sample();
    while Instant::now() < until {
        tokio::time::sleep(WATCH).await;
        for (name, usage) in watched.sample() {
            let highest = peak.entry(name).or_default();
            highest.rss_bytes = highest.rss_bytes.max(usage.rss_bytes);
        }
    }
    // A tactic that waits for an answer ends here, too.
    attackers.shutdown().await;
    let disturbances = bystanders.join_all().await;
    let victim_is_served = target.victim_is_served().await;
    let mut figures = Figures::of("attack");
    figures.add("users", options.users);
    figures.add_fraction("seconds", options.duration.as_secs_f64());
    for (name, usage) in &peak {
        figures.add_fraction(&format!("peak_rss_mib.{name}"), usage.rss_bytes as f64 / 1_048_576.0);
    }
    for (name, grown) in rss_growth(&before, &peak) {
        figures.add_fraction(&format!("grown_rss_mib.{name}"), grown / 1_048_576.0);
    }
    let tally = tally.take();
    Ok(Outcome { tally, disturbances, victim_is_served, figures })
}
