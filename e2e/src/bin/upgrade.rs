//! `upgrade`: the binaries of the version before beside the present ones, on one cluster and its database, under load.
//!
//!     upgrade --previous target/against/COMMIT
//!
//! Everything begins with the version before. Then one process after the other is replaced by a present one, and all of
//! them back again: so each version's chat services meet the other's gateways and tables, as in an update that rolls and
//! in one that is taken back. While each is replaced, clients of both versions send, and the checkers of their fleets
//! demand that nothing is lost, doubled or out of order, and that no outcome stays unknown.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use clap::Parser;
use e2e::cluster::{self, Cluster};
use e2e::load::Load;
use e2e::process::{Process, binary};

/// Longer than a gateway's window, linger and last answers.
const STOP: Duration = Duration::from_secs(40);
/// What a load may take beyond its time, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);
/// Between the beginning of a load and what happens under it.
const BEFORE: Duration = Duration::from_secs(3);

#[derive(Parser)]
#[command(about = "The binaries of the version before beside the present ones, under load")]
struct Options {
    /// The folder of the binaries of the version before.
    #[arg(long)]
    previous: PathBuf,
    /// How long the load of each step is, in seconds.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Messages a second of the clients of each version.
    #[arg(long, default_value_t = 60)]
    rate: u32,
}

/// One process of the cluster.
#[derive(Debug, Clone, Copy)]
enum Part {
    Chat(usize),
    Presence,
    Gateway(usize),
}

/// In the order of an update: what a gateway asks is there before it.
const PARTS: [Part; 5] =
    [Part::Chat(0), Part::Chat(1), Part::Presence, Part::Gateway(0), Part::Gateway(1)];

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let settings = [
        ("TIDINGS_GATEWAY__LIMITS__DRAIN_WINDOW_MS", "2000"),
        ("TIDINGS_GATEWAY__LIMITS__DRAIN_LINGER_MS", "10000"),
    ];
    let mut cluster = Cluster::start_from(&options.previous, "upgrade", &settings).await;
    for (age, binaries) in [("present", None), ("previous", Some(options.previous.clone()))] {
        cluster.binaries = binaries;
        for part in PARTS {
            let sent = step(&mut cluster, part, &options).await?;
            println!("{part:?} is the {age} one: valid, {sent} messages");
        }
    }
    cluster.stop().await;
    Ok(())
}

/// Replaces a process under the load of clients of both versions; how many messages they sent.
async fn step(cluster: &mut Cluster, part: Part, options: &Options) -> anyhow::Result<u64> {
    let loads = [("present", binary("fleet")), ("previous", options.previous.join("fleet"))]
        .map(|(age, fleet)| load(cluster, &fleet, age, options));
    tokio::time::sleep(BEFORE).await;
    replace(cluster, part).await?;
    let mut sent = 0;
    for load in loads {
        let report = load.valid(Duration::from_secs(options.seconds) + PATIENCE).await;
        let acknowledged = report["acknowledged"].as_u64().unwrap_or_default();
        ensure!(acknowledged > 0, "nothing was sent: {report:#}");
        sent += acknowledged;
    }
    Ok(sent)
}

fn load(cluster: &Cluster, fleet: &Path, age: &str, options: &Options) -> Load {
    let gateways = [0, 1].map(|index| cluster.gateway_address(index));
    let (rate, seconds) = (options.rate.to_string(), format!("{}s", options.seconds));
    let arguments = [
        "--scenario",
        "pairs",
        "--pairs",
        "20",
        "--rate",
        &rate,
        "--warmup",
        "0s",
        "--duration",
        &seconds,
        "--drain",
        "60s",
        "--verify-history",
    ];
    Load::start_by(fleet, &format!("upgrade-fleet-{age}"), &gateways, &arguments)
}

async fn replace(cluster: &mut Cluster, part: Part) -> anyhow::Result<()> {
    let process = match part {
        Part::Chat(index) => &mut cluster.chats[index],
        Part::Presence => &mut cluster.presence,
        Part::Gateway(index) => &mut cluster.gateways[index],
    };
    let status = process.terminate(STOP).await;
    ensure!(status.success(), "{part:?}: a clean stop, not {status}:\n{}", process.log_tail());
    let started: Process = match part {
        Part::Chat(index) => cluster.start_chat(index).await,
        Part::Presence => cluster.start_presence().await,
        Part::Gateway(index) => cluster.start_gateway(index).await,
    };
    cluster::ready(started.address("management")).await;
    match part {
        Part::Chat(index) => cluster.chats[index] = started,
        Part::Presence => cluster.presence = started,
        Part::Gateway(index) => cluster.gateways[index] = started,
    }
    Ok(())
}
