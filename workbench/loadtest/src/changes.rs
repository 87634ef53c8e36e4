//! A fleet whose devices change messages: edits, reactions, pins, deletes and replies in threads among texts, devices that go
//! and come, and pages with states that come late. [`verdict::changes`] judges what they hold beside the logs.
//!
//! Its devices speak the public protocol alone, by a client of their own that does what a page or an app does; the fleet of
//! `fleet run` measures, this one does not. What is kept is bounded by [`book::MOST`].

mod asking;
mod book;
mod choosing;
mod device;
mod ending;
mod link;
mod log;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bench::crowd::error::BenchError;
use clap::Args;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;
use verdict::changes::account::Held;
use verdict::changes::{Account, judge};
use verdict::scenario::Judgement;
use wire_client::identity::Run;
use wire_client::prepare;
use wire_client::rest::{NewGroup, Rest};
use wire_client::token::Signer;
use wire_client::values::{Rate, Secret, WsUrl, duration as parse_duration};
use wire_client::ws::handshake::Target;

use book::Book;

/// What the help says beyond the options.
pub const HELP: &str = "\
Groups of four of the users; each device is in the groups of its user, and two devices are of one user. They send
texts and, of a hundred operations --changes, edits, reactions, pins, deletes and replies in threads, go away and come back
(sync with states, with and without max_behind), and ask for pages with states, which they take late.

Rules of the checker (verdict::changes):
  lost-operation, doubled-operation, altered-operation, phantom
                      the log has what was acknowledged, once, as it was asked for, and nothing else
  refused-stored, wrong-refusal, unchanged-stored, wrong-unchanged
                      what was refused or `unchanged` is not in the log, and the log says why
  gap, disagreement, lost-entry, idle-change
                      logs have no holes, everybody sees the same, and nothing in them changes nothing
  state-differs, mine-differs, content-differs, answer-ahead, lost-message
                      answers with states, during the run and at its end, are what the log comes to at their `as_of`
  device-differs, device-shows, forgotten
                      so is what each device holds at the end
  shown-after-delete  the log has nothing of what was deleted

Exit code 0 valid, 1 a rule was broken, 2 unknown.";

/// Users, and groups of four of them.
const USERS: usize = 6;
const GROUPS: usize = 3;
const MEMBERS: usize = 4;
/// Devices; the last ones are second devices of the first users.
const DEVICES: usize = 8;
/// What fails for now while groups are made and logs are read is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// One run.
#[derive(Debug, Clone, Args)]
pub struct ChangesOptions {
    /// A gateway's WebSocket; may be given several times, devices take turns.
    #[arg(long = "url", required_unless_present = "recorded")]
    pub urls: Vec<WsUrl>,
    /// The HS256 secret that signs tokens. Visible in the process list.
    #[arg(long)]
    pub secret: Option<Secret>,
    /// A file with the secret.
    #[arg(long, conflicts_with = "secret")]
    pub secret_file: Option<PathBuf>,
    /// Operations a second in total.
    #[arg(long, default_value = "15")]
    pub rate: Rate,
    /// Of a hundred operations so many are changes.
    #[arg(long, default_value_t = 20)]
    pub changes: u32,
    /// How long is written; Ctrl-C ends it earlier.
    #[arg(long, default_value = "20s", value_parser = parse_duration)]
    pub duration: Duration,
    /// How long the end may wait for what is under way.
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub drain: Duration,
    /// The verdict is unknown with fewer acknowledged changes.
    #[arg(long, default_value_t = 20)]
    pub min_changes: u64,
    /// Seed of what is chosen.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Writes the verdict there as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Writes there what was done and seen.
    #[arg(long)]
    pub history: Option<PathBuf>,
    /// Judges what another run wrote with --history, and connects to nothing.
    #[arg(long)]
    pub recorded: Option<PathBuf>,
}

/// What devices do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Write, go and come.
    Write,
    /// Stay, and get what is missing.
    Drain,
    /// The run is over.
    End,
}

/// A group.
#[derive(Debug)]
struct Group {
    id: Uuid,
    /// Users by number; the first one owns it.
    members: Vec<usize>,
}

/// What all devices have in common.
struct Shared {
    targets: Arc<[Target]>,
    rests: Vec<Rest>,
    signer: Signer,
    users: Vec<String>,
    groups: Vec<Group>,
    options: ChangesOptions,
    book: RefCell<Book>,
    /// By group, once nothing is written any more.
    heads: RefCell<BTreeMap<usize, u64>>,
    /// Devices that have everything, and nothing under way.
    settled: RefCell<[bool; DEVICES]>,
    /// Operations were acknowledged.
    has_begun: Cell<bool>,
}

/// Runs to the end and blocks meanwhile.
pub fn run(options: ChangesOptions) -> Result<Judgement, BenchError> {
    let least = options.min_changes;
    if let Some(path) = &options.recorded {
        let recorded = std::fs::read(path)?;
        let account: Account = serde_json::from_slice(&recorded).map_err(io::Error::other)?;
        return Ok(judge(&account, least));
    }
    let history = options.history.clone();
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let account = runtime.block_on(conduct(options))?;
    if let Some(path) = history {
        let file = io::BufWriter::new(std::fs::File::create(path)?);
        serde_json::to_writer(file, &account).map_err(io::Error::other)?;
    }
    Ok(judge(&account, least))
}

async fn conduct(options: ChangesOptions) -> Result<Account, BenchError> {
    let shared = Rc::new(set_up(options).await?);
    let (phase, phases) = watch::channel(Phase::Write);
    let mut devices: JoinSet<Vec<Held>> = JoinSet::new();
    for number in 0..DEVICES {
        let device = device::Device::new(number, Rc::clone(&shared));
        devices.spawn_local(device.live(phases.clone()));
    }
    let until = Instant::now() + shared.options.duration;
    tokio::select! {
        () = tokio::time::sleep_until(until) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    eprintln!("draining");
    phase.send_replace(Phase::Drain);
    let mut account = ending::drained(&shared).await;
    phase.send_replace(Phase::End);
    while let Some(held) = devices.join_next().await {
        account.devices.extend(held.map_err(|error| BenchError::Failed(error.to_string()))?);
    }
    let mut book = shared.book.borrow_mut();
    account.operations = std::mem::take(&mut book.operations);
    account.answers = std::mem::take(&mut book.answers);
    account.doubts.append(&mut book.doubts);
    Ok(account)
}

async fn set_up(options: ChangesOptions) -> Result<Shared, BenchError> {
    let secret = prepare::secret(options.secret.as_ref(), options.secret_file.as_deref())?;
    let targets = prepare::targets(&options.urls).await?;
    let signer = Arc::new(Signer::new(&secret, None, None));
    let rests: Result<Vec<Rest>, _> = options
        .urls
        .iter()
        .map(|url| Rest::new(&url.authority, Arc::clone(&signer), PATIENCE))
        .collect();
    let rests = rests.map_err(io::Error::other)?;
    let run = Run::begin();
    let users: Vec<_> = (0..USERS as u32).map(|number| run.user(number)).collect();
    let mut groups = Vec::new();
    for number in 0..GROUPS {
        let members: Vec<usize> = (0..MEMBERS).map(|each| (number + each) % USERS).collect();
        let group = NewGroup {
            what: "make a group",
            title: format!("{} changes {number}", run.name()),
            creator: &users[members[0]],
            members: members[1..].iter().map(|user| users[*user].as_str()).collect(),
        };
        let id = rests[number % rests.len()].patient().create_group(&group).await?;
        groups.push(Group { id, members });
    }
    Ok(Shared {
        targets,
        rests,
        signer: Signer::new(&secret, None, None),
        users: users.iter().map(|user| user.as_str().to_owned()).collect(),
        groups,
        options,
        book: RefCell::default(),
        heads: RefCell::default(),
        settled: RefCell::default(),
        has_begun: Cell::new(false),
    })
}
