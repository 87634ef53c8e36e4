//! Offline pushes, measured: browsers that are subscribed with the fake of a push service and not connected, groups of them,
//! and one user who writes. The whole system decides and pushes; the fake decrypts and checks each push.

mod samples;
mod setup;

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bench::crowd::costs::{self, Figures, Watched};
use bench::crowd::error::BenchError;
use clap::Args;
use push_fakes::WebPushFake;
use serde_json::json;
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;
use wire_client::identity::Run;
use wire_client::prepare;
use wire_client::rest::{Rest, RestError};
use wire_client::token::Signer;
use wire_client::values::{NamedPid, Rate, Secret, WsUrl, duration as parse_duration};

use samples::Samples;

/// What the help says beyond the options.
pub const HELP: &str = "\
The chat services need Web Push on, and push.http.trusted_hosts with 127.0.0.1. Prints one line of name=value. pushes: what
the fake was asked for, problems: what it found wrong; decisions: what tidings_push_decisions_total of --metrics grew by.
*_per_second: from the first one to the last one; busiest_*: in the busiest five seconds; both as they are seen ten times a
second. cpu_us.NAME: user and system time of a process per push, or per decision where nothing is pushed, from the first
message on; the fake's is in that of the fleet.

Says `registered` on stderr before the first message. Ends when all is written and nothing has changed for --quiet.";

/// What fails for now is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// One run.
#[derive(Debug, Clone, Args)]
pub struct PushesOptions {
    /// A gateway's WebSocket, beside which its REST is.
    #[arg(long)]
    pub url: WsUrl,
    /// The HS256 secret that signs the clients' tokens. Visible in the process list.
    #[arg(long)]
    pub secret: Option<Secret>,
    /// A file with the secret.
    #[arg(long, conflicts_with = "secret")]
    pub secret_file: Option<PathBuf>,
    /// Where the chat service tells its metrics, host:port.
    #[arg(long)]
    pub metrics: String,
    /// Groups.
    #[arg(long, default_value_t = 20)]
    pub groups: u32,
    /// Members of each with a browser, beside the one who writes.
    #[arg(long, default_value_t = 250)]
    pub members: u32,
    /// Messages a second in total; groups take turns.
    #[arg(long, default_value = "10")]
    pub rate: Rate,
    /// Messages in total.
    #[arg(long, default_value_t = 100)]
    pub messages: u32,
    /// Ends when nothing has changed for so long.
    #[arg(long, default_value = "3s", value_parser = parse_duration)]
    pub quiet: Duration,
    /// Ends so long after the first message in any case.
    #[arg(long, default_value = "2m", value_parser = parse_duration)]
    pub longest: Duration,
    /// Server processes, name=pid,name=pid: their CPU time, children included.
    #[arg(long, value_delimiter = ',')]
    pub server_pids: Vec<NamedPid>,
}

/// What all parts have in common.
struct Shared {
    options: PushesOptions,
    rest: Rest,
    run: Run,
    fake: WebPushFake,
}

/// Runs to the end and blocks meanwhile. `tell` hears of each phase as it begins.
pub fn run(options: PushesOptions, tell: impl FnMut(&str)) -> Result<Figures, BenchError> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(conduct(options, tell))
}

async fn conduct(
    options: PushesOptions,
    mut tell: impl FnMut(&str),
) -> Result<Figures, BenchError> {
    let secret = prepare::secret(options.secret.as_ref(), options.secret_file.as_deref())?;
    prepare::check_processes(&options.server_pids)?;
    let signer = Arc::new(Signer::new(&secret, None, None));
    let rest = Rest::new(&options.url.authority, signer, PATIENCE).map_err(io::Error::other)?;
    let shared = Shared { rest, run: Run::begin(), fake: WebPushFake::start().await, options };
    setup::register(&shared).await?;
    let groups = setup::make_groups(&shared).await?;
    tell("registered");
    let watched = Watched::with_generator(&shared.options.server_pids);
    let before = watched.sample();
    let mut samples = Samples::begin(&shared).await?;
    let is_written = Cell::new(false);
    let writing = async {
        write(&shared, &groups).await?;
        is_written.set(true);
        Ok::<_, BenchError>(())
    };
    tokio::try_join!(writing, samples.watch(&shared, &is_written))?;
    let cpu_us = costs::cpu_us(&before, &watched.sample());
    Ok(figures(&shared, &samples, &cpu_us))
}

/// Writes all messages, on a fixed schedule as far as the answers allow.
async fn write(shared: &Shared, groups: &[Uuid]) -> Result<(), BenchError> {
    let between = Duration::from_secs_f64(1.0 / shared.options.rate.per_second());
    let mut interval = tokio::time::interval(between);
    interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let writer = shared.run.user(0);
    for (number, group) in (0..shared.options.messages).zip(groups.iter().cycle()) {
        interval.tick().await;
        let text = format!("message {number} to everybody who is away");
        let body = json!({ "client_id": Uuid::now_v7(), "content": { "text": text } });
        let post = |http: &reqwest::Client, url: &str| http.post(url).json(&body);
        let path = format!("/conversations/{group}/messages");
        shared.rest.patient().ask(writer.as_str(), "send", &path, post).await?;
    }
    Ok(())
}

fn figures(shared: &Shared, samples: &Samples, cpu_us: &[(String, f64)]) -> Figures {
    let Shared { options, fake, .. } = shared;
    let mut figures = Figures::of("pushes");
    figures.add("browsers", options.groups * options.members);
    figures.add("messages", options.messages);
    for (name, pieces) in [("pushes", &samples.pushes), ("decisions", &samples.decisions)] {
        figures.add(name, pieces.total());
        figures.add_fraction(&format!("{name}_seconds"), pieces.length().as_secs_f64());
        figures.add(&format!("{name}_per_second"), format!("{:.0}", pieces.per_second()));
        let busiest = pieces.busiest_per_second();
        figures.add(&format!("busiest_{name}_per_second"), format!("{busiest:.0}"));
    }
    figures.add("problems", fake.problems().len());
    let per = match samples.pushes.total() {
        0 => samples.decisions.total(),
        pushes => pushes,
    };
    figures.add_costs("cpu_us", cpu_us, per.max(1) as f64);
    figures
}

/// A question that is refused ends the run.
type Asked<T> = Result<T, RestError>;
