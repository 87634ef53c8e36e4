//! A fleet that receives webhooks: it makes one for its tenant, writes into groups, and takes what it is told, while it dies,
//! refuses and falls silent now and then. [`verdict::hooks`] judges what came beside the logs.
//!
//! It has its tenant for itself: whatever else is written there would be told to it, too.

pub(crate) mod receiver;
pub(crate) mod signature;
mod talking;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bench::crowd::error::BenchError;
use clap::Args;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;
use verdict::hooks::{Account, judge};
use verdict::scenario::Judgement;
use wire_client::identity::Run;
use wire_client::prepare;
use wire_client::rest::{NewGroup, Rest, RestError};
use wire_client::token::Signer;
use wire_client::values::{Rate, Secret, WsUrl, duration as parse_duration};

use receiver::{AWAY, Door, Ledger, Mode};

/// What the help says beyond the options.
pub const HELP: &str = "\
Makes a webhook for all events of a tenant that nobody else writes in, and receives them here: the server's
webhooks.insecure_hosts must have the address of --listen. The receiver is away now and then: nobody listens, 503, no
answer, or it dies after it has noted a delivery.

Rules of the checker (verdict::hooks):
  lost-event          an entry of a log was never told, though the receiver was there in the end
  out-of-order        an event of a conversation came before the one in front of it was taken
  phantom, leak       an event that is not in a log, or another one in its place; one of another tenant
  id-differs          the header, the event and its entry name different ids or places
  wrong-signature     a delivery was not signed with the secret (Standard Webhooks)
  given-up            the server gave events up
  unreadable          the body is no event

Exit code 0 valid, 1 a rule was broken, 2 unknown.";

/// Groups, each with one who writes and one who does not.
const GROUPS: usize = 5;
/// What fails for now is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the server waits for an answer.
const TIMEOUT_MS: u64 = 2_000;
/// Looked at so often at the end.
const LOOK: Duration = Duration::from_millis(300);
/// Entries of one page of a log.
const PAGE: u32 = 200;

/// One run.
#[derive(Debug, Clone, Args)]
pub struct HooksOptions {
    /// A gateway's WebSocket, beside which its REST is; may be given several times.
    #[arg(long = "url", required_unless_present = "recorded")]
    pub urls: Vec<WsUrl>,
    /// The HS256 secret that signs the tenant's tokens. Visible in the process list.
    #[arg(long)]
    pub secret: Option<Secret>,
    /// A file with the secret.
    #[arg(long, conflicts_with = "secret")]
    pub secret_file: Option<PathBuf>,
    /// The tenant.
    #[arg(long, default_value = "default")]
    pub tenant: String,
    /// Where the receiver listens: an address of this machine that the chat services reach.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,
    /// Operations a second in total.
    #[arg(long, default_value = "10")]
    pub rate: Rate,
    /// How long is written; Ctrl-C ends it earlier.
    #[arg(long, default_value = "20s", value_parser = parse_duration)]
    pub duration: Duration,
    /// How long the end may wait for what is under way.
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub drain: Duration,
    /// The verdict is unknown with fewer events.
    #[arg(long, default_value_t = 50)]
    pub min_events: u64,
    /// Seed of when the receiver is away.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Writes the verdict there as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Writes there what came.
    #[arg(long)]
    pub history: Option<PathBuf>,
    /// Judges what another run wrote with --history, and connects to nothing.
    #[arg(long)]
    pub recorded: Option<PathBuf>,
}

/// What all parts have in common.
struct Shared {
    options: HooksOptions,
    rests: Vec<Rest>,
    users: Vec<String>,
    groups: RefCell<Vec<Uuid>>,
    has_begun: Cell<bool>,
}

/// Runs to the end and blocks meanwhile.
pub fn run(options: HooksOptions) -> Result<Judgement, BenchError> {
    let (least, tenant) = (options.min_events, options.tenant.clone());
    if let Some(path) = &options.recorded {
        let recorded = std::fs::read(path)?;
        let account: Account = serde_json::from_slice(&recorded).map_err(io::Error::other)?;
        return Ok(judge(&account, &tenant, least));
    }
    let history = options.history.clone();
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let account = runtime.block_on(conduct(options))?;
    if let Some(path) = history {
        let file = io::BufWriter::new(std::fs::File::create(path)?);
        serde_json::to_writer(file, &account).map_err(io::Error::other)?;
    }
    Ok(judge(&account, &tenant, least))
}

async fn conduct(options: HooksOptions) -> Result<Account, BenchError> {
    let listener = TcpListener::bind((options.listen, 0)).await?;
    let hook = format!("http://{}/hook", listener.local_addr()?);
    let (mode, modes) = watch::channel(Mode::Here);
    let door = Door { ledger: Rc::default(), modes, key: Rc::default() };
    let mut receiving = JoinSet::new();
    receiving.spawn_local(receiver::run(listener, door.clone()));
    let run = Run::begin();
    let shared = Rc::new(set_up(options, &run)?);
    let body = json!({ "url": hook, "types": ["*"], "timeout_ms": TIMEOUT_MS });
    let (webhook, secret) = make_webhook(&shared.rests[0].patient(), &body).await?;
    *door.key.borrow_mut() = signature::key(&secret);
    make_groups(&shared, &run).await?;

    let (over, is_over) = watch::channel(false);
    let mut talking = JoinSet::new();
    for group in 0..GROUPS {
        talking.spawn_local(talking::talk(Rc::clone(&shared), group, is_over.clone()));
    }
    let until = Instant::now() + shared.options.duration;
    let mut account = Account::default();
    tokio::select! {
        () = tokio::time::sleep_until(until) => {}
        _ = tokio::signal::ctrl_c() => {}
        () = go_and_come(&shared, &mode, &mut account.absences) => {}
    }
    eprintln!("draining");
    mode.send_replace(Mode::Here);
    over.send_replace(true);
    while let Some(doubt) = talking.join_next().await {
        account.doubts.extend(doubt.map_err(|error| BenchError::Failed(error.to_string()))?);
    }
    for group in 0..GROUPS {
        let id = shared.groups.borrow()[group];
        account.logs.insert(id, log(&shared, group, id).await?);
    }
    let deadline = Instant::now() + shared.options.drain;
    while !is_complete(&account.logs, &door.ledger.borrow()) && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
    let shown = show_webhook(&shared, webhook).await?;
    account.given_up = shown["dead"].as_u64().unwrap_or(0);
    if !is_complete(&account.logs, &door.ledger.borrow()) {
        eprintln!("the webhook at the end: {shown}");
    }
    mode.send_replace(Mode::Over);
    while let Some(ended) = receiving.join_next().await {
        ended.map_err(|error| BenchError::Failed(error.to_string()))??;
    }
    account.deliveries = std::mem::take(&mut door.ledger.borrow_mut().deliveries);
    Ok(account)
}

fn set_up(options: HooksOptions, run: &Run) -> Result<Shared, BenchError> {
    let secret = prepare::secret(options.secret.as_ref(), options.secret_file.as_deref())?;
    let signer = Arc::new(Signer::new(&secret, None, None));
    let rests: Result<Vec<Rest>, _> = options
        .urls
        .iter()
        .map(|url| Rest::new(&url.authority, Arc::clone(&signer), PATIENCE))
        .collect();
    let users = (0..=GROUPS as u32).map(|user| run.user(user).as_str().to_owned()).collect();
    Ok(Shared {
        options,
        rests: rests.map_err(io::Error::other)?,
        users,
        groups: RefCell::default(),
        has_begun: Cell::new(false),
    })
}

#[derive(Deserialize)]
struct Made {
    webhook: MadeWebhook,
    secret: String,
}

#[derive(Deserialize)]
struct MadeWebhook {
    id: Uuid,
}

/// Makes a webhook; its id and its secret.
pub(crate) async fn make_webhook(rest: &Rest, body: &Value) -> Result<(Uuid, String), RestError> {
    let what = "make a webhook";
    let post = |http: &reqwest::Client, url: &str| http.post(url).json(body);
    let answer = rest.ask_as("fleet.operator", &["admin"], what, "/admin/webhooks", post).await?;
    let made: Made = serde_json::from_slice(&answer).map_err(|_| RestError::strange(what))?;
    Ok((made.webhook.id, made.secret))
}

async fn show_webhook(shared: &Shared, id: Uuid) -> Result<Value, RestError> {
    let (what, path) = ("show a webhook", format!("/admin/webhooks/{id}"));
    let get = |http: &reqwest::Client, url: &str| http.get(url);
    let rest = shared.rests[0].patient();
    let answer = rest.ask_as("fleet.operator", &["admin"], what, &path, get).await?;
    serde_json::from_slice(&answer).map_err(|_| RestError::strange(what))
}

async fn make_groups(shared: &Shared, run: &Run) -> Result<(), RestError> {
    for number in 0..GROUPS {
        let creator = run.user(number as u32);
        let group = NewGroup {
            what: "make a group",
            title: format!("{} hooks {number}", run.name()),
            creator: &creator,
            members: vec![shared.users[GROUPS].as_str()],
        };
        let id = shared.rests[number % shared.rests.len()].patient().create_group(&group).await?;
        shared.groups.borrow_mut().push(id);
    }
    Ok(())
}

/// Lets the receiver be away, each time in another way, for ever.
async fn go_and_come(shared: &Shared, mode: &watch::Sender<Mode>, absences: &mut u64) {
    let mut random = StdRng::seed_from_u64(shared.options.seed);
    let first = random.random_range(0..AWAY.len());
    for way in AWAY.iter().cycle().skip(first) {
        let here_ms = random.random_range(4_000..11_000);
        tokio::time::sleep(Duration::from_millis(here_ms)).await;
        let away_ms = random.random_range(500..3_000);
        mode.send_replace(*way);
        *absences += 1;
        tokio::time::sleep(Duration::from_millis(away_ms)).await;
        mode.send_replace(Mode::Here);
    }
}

#[derive(Deserialize)]
struct LogPage {
    entries: Vec<LogEntry>,
    more: bool,
}

#[derive(Deserialize)]
struct LogEntry {
    seq: u64,
    id: Uuid,
}

/// The ids of a log, from its first entry.
async fn log(shared: &Shared, group: usize, id: Uuid) -> Result<Vec<Uuid>, RestError> {
    let (rest, user) = (shared.rests[group % shared.rests.len()].patient(), &shared.users[group]);
    let mut log: Vec<LogEntry> = Vec::new();
    loop {
        let after = log.last().map_or(0, |entry| entry.seq);
        let path = format!("/conversations/{id}/messages?after_seq={after}&limit={PAGE}");
        let page: LogPage = rest.get(user, "a log", &path).await?;
        let is_over = !page.more || page.entries.is_empty();
        log.extend(page.entries);
        if is_over {
            return Ok(log.into_iter().map(|entry| entry.id).collect());
        }
    }
}

/// Everything that the logs have was taken.
fn is_complete(logs: &BTreeMap<Uuid, Vec<Uuid>>, ledger: &Ledger) -> bool {
    let taken = ledger.deliveries.iter().filter(|delivery| delivery.taken.is_some());
    let taken: BTreeSet<Uuid> = taken.map(|delivery| delivery.id).collect();
    logs.values().flatten().all(|id| taken.contains(id))
}
