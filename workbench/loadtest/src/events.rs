//! A subscriber to events that measures: how many come, and how long after the time of their entry. On the broker, by long
//! polling, or as the receiver of webhooks. It takes what somebody else writes, and judges nothing: that is what
//! [`crate::hooks`] is for.

mod broker;
mod lag;
mod pull;
mod tally;
mod webhooks;

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bench::crowd::costs::{self, Figures, Watched};
use bench::crowd::error::BenchError;
use clap::{Args, ValueEnum};
use tokio::runtime::{Builder, LocalOptions};
use wire_client::prepare;
use wire_client::rest::Rest;
use wire_client::token::Signer;
use wire_client::values::{NamedPid, Secret, WsUrl, duration as parse_duration};

use lag::Lags;
use tally::Tally;

/// What the help says beyond the options.
pub const HELP: &str = "\
Prints one line of name=value. per_second: from the first event to the last one; busiest_per_second: in the busiest five
seconds. event_*: from the time of an entry, which the chat service sets when it takes the batch, before the
commit, to when this program has the event; that time is in whole milliseconds. The clocks are those of one machine.
lag_*: what GET /api/v1/admin/followers says of the followers behind it, asked four times a second; none for pull.

Says `subscribed` on stderr when it is ready. Ends when events have come and then none for --quiet.";

/// Who is asked and signs as what.
pub(crate) const OPERATOR: (&str, [&str; 1]) = ("fleet.operator", ["admin"]);
/// What fails for now is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether the events are over.
const LOOK: Duration = Duration::from_millis(100);

/// How events come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// By a queue that is bound to the exchange.
    Broker,
    /// By GET /api/v1/events.
    Pull,
    /// By posts to this program.
    Webhooks,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Pull => "pull",
            Self::Webhooks => "webhooks",
        }
    }
}

/// One run.
#[derive(Debug, Clone, Args)]
pub struct EventsOptions {
    /// A gateway's WebSocket, beside which its REST is.
    #[arg(long)]
    pub url: WsUrl,
    /// The HS256 secret that signs the operator's tokens. Visible in the process list.
    #[arg(long)]
    pub secret: Option<Secret>,
    /// A file with the secret.
    #[arg(long, conflicts_with = "secret")]
    pub secret_file: Option<PathBuf>,
    /// How events come.
    #[arg(long, value_enum)]
    pub way: Way,
    /// The broker.
    #[arg(long, default_value = "amqp://guest:guest@127.0.0.1:5672/%2f")]
    pub amqp_url: String,
    /// The exchange of events: the prefix of the install and `.events`.
    #[arg(long, default_value = "tidings.events")]
    pub exchange: String,
    /// Where webhooks are received: an address of this machine that `webhooks.insecure_hosts` has.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,
    /// Webhooks that are received. Each gets every event.
    #[arg(long, default_value_t = 1)]
    pub hooks: u16,
    /// Webhooks beside them at whose address nobody listens.
    #[arg(long, default_value_t = 0)]
    pub dead: u16,
    /// Requests of a webhook that may be under way.
    #[arg(long, default_value_t = 32)]
    pub in_flight: u16,
    /// Times of events are not measured for so long after the first one.
    #[arg(long, default_value = "3s", value_parser = parse_duration)]
    pub warmup: Duration,
    /// Ends when nothing has come for so long.
    #[arg(long, default_value = "3s", value_parser = parse_duration)]
    pub quiet: Duration,
    /// Ends after so long in any case.
    #[arg(long, default_value = "2m", value_parser = parse_duration)]
    pub longest: Duration,
    /// Server processes, name=pid,name=pid: their CPU time per event, children included.
    #[arg(long, value_delimiter = ',')]
    pub server_pids: Vec<NamedPid>,
}

/// What all parts have in common.
struct Shared {
    options: EventsOptions,
    rest: Rest,
    tally: Tally,
    lags: Lags,
    /// What has to be taken away at the end, and how.
    made: RefCell<Vec<uuid::Uuid>>,
}

/// Runs to the end and blocks meanwhile. `tell` hears of each phase as it begins.
pub fn run(options: EventsOptions, tell: impl FnMut(&str)) -> Result<Figures, BenchError> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(conduct(options, tell))
}

async fn conduct(
    options: EventsOptions,
    mut tell: impl FnMut(&str),
) -> Result<Figures, BenchError> {
    let secret = prepare::secret(options.secret.as_ref(), options.secret_file.as_deref())?;
    prepare::check_processes(&options.server_pids)?;
    let signer = Arc::new(Signer::new(&secret, None, None));
    let rest = Rest::new(&options.url.authority, signer, PATIENCE).map_err(io::Error::other)?;
    let tally = Tally::new(options.warmup);
    let shared = Shared { rest, tally, lags: Lags::default(), made: RefCell::default(), options };
    let watched = Watched::with_generator(&shared.options.server_pids);
    let before = watched.sample();
    let ended = tokio::select! {
        biased;
        failed = take(&shared, &mut tell) => failed.map(|never| match never {}),
        failed = shared.lags.watch(&shared.rest) => failed.map(|never| match never {}),
        () = over(&shared) => Ok(()),
    };
    let cpu_us = costs::cpu_us(&before, &watched.sample());
    webhooks::remove(&shared).await?;
    ended?;
    Ok(figures(&shared, &cpu_us))
}

async fn take(shared: &Shared, tell: &mut impl FnMut(&str)) -> Result<Infallible, BenchError> {
    match shared.options.way {
        Way::Broker => broker::take(shared, tell).await,
        Way::Pull => pull::take(shared, tell).await,
        Way::Webhooks => webhooks::take(shared, tell).await,
    }
}

/// Waits until events have come and then none for a while.
async fn over(shared: &Shared) {
    let deadline = Instant::now() + shared.options.longest;
    loop {
        tokio::time::sleep(LOOK).await;
        let now = Instant::now();
        let is_quiet = |last: Instant| now.duration_since(last) > shared.options.quiet;
        if now > deadline || shared.tally.events().last().is_some_and(is_quiet) {
            return;
        }
    }
}

fn figures(shared: &Shared, cpu_us: &[(String, f64)]) -> Figures {
    let Shared { options, tally, lags, .. } = shared;
    let mut figures = Figures::of("events");
    figures.add("way", options.way.name());
    if options.way == Way::Webhooks {
        figures.add("hooks", options.hooks);
        figures.add("dead", options.dead);
    }
    let events = tally.events();
    figures.add("events", events.total());
    figures.add("unreadable", tally.unreadable());
    figures.add_fraction("seconds", events.length().as_secs_f64());
    figures.add("per_second", format!("{:.0}", events.per_second()));
    figures.add("busiest_per_second", format!("{:.0}", events.busiest_per_second()));
    figures.add_latency("event", &tally.latency());
    if options.way != Way::Pull {
        figures.add_latency("lag", &lags.of_all());
    }
    figures.add_costs("cpu_us", cpu_us, events.total().max(1) as f64);
    figures
}
