//! One run: start, hurt by the schedule, heal, drain, judge, report.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::fleets::Fleets;
use super::journal::Journal;
use super::report::{self, Run};
use super::schedule::{self, Length, Step};
use super::system::{Service, System};
use super::{Options, deeds, postgres, verdict, watch};
use crate::process::log_folder;

/// Recovery needs nobody and takes no longer.
const HEAL: Duration = Duration::from_mins(1);
/// After the last fault: what it left behind, presence above all, must be right again.
const QUIET: Duration = Duration::from_secs(18);
/// What a service of this size may need in a debug build, in bytes.
const RESIDENT_BYTES: u64 = 400 << 20;
/// Open files of a service.
const OPEN_FILES: u64 = 1_000;

/// Runs to the end; the exit code.
pub async fn run(options: &Options) -> anyhow::Result<u8> {
    let seed = options.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let out = folder(options, seed)?;
    let length = if options.quick { Length::Quick } else { Length::Seconds(options.seconds) };
    let mut steps = schedule::plan(seed, length);
    if let Some(only) = &options.only {
        steps.retain(|step| {
            let what = format!("{} of {}", step.deed.name(), step.deed.target());
            what.starts_with(only.as_str())
        });
    }
    eprintln!("chaos: seed {seed}, {} faults, histories in {}", steps.len(), out.display());
    let begun = Instant::now();
    let mut system = System::start(&out).await?;
    let journal = Journal::create(&out.join("chaos.jsonl"))?;
    for service in Service::ALL {
        journal.bound(&service.to_string(), "rss", RESIDENT_BYTES)?;
        journal.bound(&service.to_string(), "files", OPEN_FILES)?;
    }
    let watching = watch::watch(system.pids.clone(), journal.clone());
    let gateways = [system.gateway_address(0), system.gateway_address(1)];
    let fleets = Fleets::start(&gateways, seed, &out).await?;
    eprintln!("chaos: under load after {:.1} s", begun.elapsed().as_secs_f64());

    let time = (!options.quick).then(|| Duration::from_secs(options.seconds));
    let (done, mut complaints) = hurt(&mut system, &fleets, &journal, &steps, time).await?;
    steps.truncate(done);
    tokio::time::sleep(QUIET).await;
    let histories = fleets.histories();
    let codes = fleets.finish().await?;
    let rows = verdict::dump(&system, &journal).await?;
    drop(watching);
    let judged = verdict::check(&histories, journal.path(), &out).await?;
    println!("{}", judged.said);
    // The fleets judge for themselves what they saw; the checker knows more, and never less.
    for (name, code) in codes.into_iter().filter(|(_, code)| *code != 0 && judged.code == 0) {
        complaints.push(format!("the fleet {name} ended with {code}, the checker finds nothing"));
    }
    for complaint in &complaints {
        println!("chaos: {complaint}");
    }
    let versions = [
        ("RabbitMQ", system.broker.version().await),
        ("PostgreSQL", postgres::version(&system.postgres).await),
        ("Redis", redis_version(&system).await),
    ];
    let seconds = begun.elapsed().as_secs_f64();
    let run = Run { seed, options, steps: &steps, judged: &judged, complaints: &complaints };
    if let Some(path) = &options.report {
        let text = report::markdown(&run, &versions, rows, seconds).await;
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    println!("chaos: seed {seed}, {seconds:.0} s; replay with {}", report::replay(&run));
    Ok(if judged.code == 0 && !complaints.is_empty() { 1 } else { judged.code })
}

/// Where histories and logs go: a folder of this run.
fn folder(options: &Options, seed: u64) -> anyhow::Result<PathBuf> {
    let kind = if options.quick { "quick" } else { "long" };
    let out = log_folder().join(format!("chaos-{kind}-{seed}"));
    remove_old(&out)?;
    std::fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    Ok(std::path::absolute(out)?)
}

fn remove_old(out: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(out).into_iter().flatten() {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|ending| ["jsonl", "json", "log"].iter().any(|e| ending == *e))
        {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Does the steps that fit into the time and lets the system heal after each; how many, and what
/// did not heal.
async fn hurt(
    system: &mut System,
    fleets: &Fleets,
    journal: &Journal,
    steps: &[Step],
    time: Option<Duration>,
) -> anyhow::Result<(usize, Vec<String>)> {
    let (begun, mut complaints) = (Instant::now(), Vec::new());
    for (done, step) in steps.iter().enumerate() {
        if time.is_some_and(|time| begun.elapsed() > time) {
            return Ok((done, complaints));
        }
        let (name, target) = (step.deed.name(), step.deed.target());
        eprintln!(
            "{:>6.1}s {name} of {target} for {} ms",
            begun.elapsed().as_secs_f64(),
            step.hold_ms
        );
        deeds::perform(system, fleets, journal, step)
            .await
            .with_context(|| format!("{name} of {target}"))?;
        if let Err(late) = system.ready(HEAL).await {
            complaints.push(format!("after {name} of {target}: {late}"));
        }
        tokio::time::sleep(Duration::from_millis(step.rest_ms)).await;
    }
    Ok((steps.len(), complaints))
}

async fn redis_version(system: &System) -> String {
    let version = async {
        let client = redis::Client::open(format!("redis://{}", system.redis.address()))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("INFO").arg("server").query_async::<String>(&mut connection).await
    };
    let info = version.await.unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    line.unwrap_or("unknown").trim().to_owned()
}
