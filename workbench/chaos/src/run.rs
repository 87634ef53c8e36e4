//! One run: start, hurt by the schedule, heal, drain, judge, report.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use e2e::process::log_folder;

use super::fleets::{self, Finished, Fleets, Work};
use super::journal::Journal;
use super::schedule::{self, Length, Step};
use super::system::{Service, System};
use super::verdict::Judged;
use super::{Options, all_in_one, deeds, planted, postgres, report, verdict, watch};

/// Recovery needs nobody and takes no longer.
const HEAL: Duration = Duration::from_mins(1);
/// After the last fault: what it left behind, presence above all, must be right again.
const QUIET: Duration = Duration::from_secs(18);
/// What a service of this size may need in a debug build, in bytes.
const RESIDENT_BYTES: u64 = 400 << 20;
/// Open files of a service.
const OPEN_FILES: u64 = 1_000;
/// Fewer acknowledgements prove nothing. What the last fault left behind is found in time.
const RULES: &[&str] = &["--min-acknowledged", "1000", "--delivery-window", "15s"];

/// What one run does and how it is judged.
#[derive(Debug)]
pub struct Course {
    /// Names the folder of its histories and logs.
    pub name: String,
    /// Of the fleets.
    pub seed: u64,
    /// What is done to the system.
    pub steps: Vec<Step>,
    /// Steps that would begin later are left out.
    pub time: Option<Duration>,
    /// What the fleets do.
    pub work: &'static [Work],
    /// Services are those of this folder, where it has them.
    pub binaries: Option<PathBuf>,
    /// Further arguments of `fleet check`.
    pub rules: &'static [&'static str],
}

/// What came of it.
#[derive(Debug)]
pub struct Ended {
    /// The checker's word.
    pub judged: Judged,
    /// What fleets say that judge themselves.
    pub told: Vec<(&'static str, String)>,
    /// What the suite itself found wrong.
    pub complaints: Vec<String>,
    /// What was done.
    pub steps: Vec<Step>,
    /// What could not be done here, and why.
    pub left_out: BTreeSet<String>,
    /// Names and versions of the backends.
    pub versions: Vec<(&'static str, String)>,
    /// Rows of the database.
    pub rows: u64,
    /// How long it took.
    pub seconds: f64,
}

impl Ended {
    /// 0 every promise was kept, 1 one was broken, 2 unknown.
    pub fn code(&self) -> u8 {
        if self.judged.code == 0 && !self.complaints.is_empty() { 1 } else { self.judged.code }
    }
}

/// Runs to the end; the exit code.
pub async fn run(options: &Options) -> anyhow::Result<u8> {
    if let Some(bug) = &options.planted {
        return planted::run(options, bug).await;
    }
    if options.all_in_one {
        return all_in_one::run(options).await;
    }
    let seed = options.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let length = if options.quick { Length::Quick } else { Length::Seconds(options.seconds) };
    let mut steps = schedule::plan(seed, length);
    if let Some(only) = &options.only {
        steps.retain(|step| {
            let what = format!("{} of {}", step.deed.name(), step.deed.target());
            what.starts_with(only.as_str())
        });
    }
    let kind = if options.quick { "quick" } else { "long" };
    let ended = go(Course {
        name: format!("chaos-{kind}-{seed}"),
        seed,
        steps,
        time: (!options.quick).then(|| Duration::from_secs(options.seconds)),
        work: fleets::ALL_WORK,
        binaries: options.binaries.clone(),
        rules: RULES,
    })
    .await?;
    if let Some(path) = &options.report {
        let text = report::markdown(options, seed, &ended).await;
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    let replay = report::replay(options, seed);
    println!("chaos: seed {seed}, {:.0} s; replay with {replay}", ended.seconds);
    Ok(ended.code())
}

/// One run from the start of the cluster to its end.
pub async fn go(course: Course) -> anyhow::Result<Ended> {
    let Course { name, seed, steps, time, work, binaries, rules } = course;
    let out = folder(&name)?;
    eprintln!("{name}: seed {seed}, {} faults, histories in {}", steps.len(), out.display());
    let begun = Instant::now();
    let mut system = System::start(&out, binaries.as_deref()).await?;
    let journal = Journal::create(&out.join("chaos.jsonl"))?;
    for service in Service::ALL {
        journal.bound(&service.to_string(), "rss", RESIDENT_BYTES)?;
        journal.bound(&service.to_string(), "files", OPEN_FILES)?;
    }
    let watching = watch::watch(system.pids.clone(), journal.clone());
    let gateways = [system.gateway_address(0), system.gateway_address(1)];
    let fleets = Fleets::start(work, &gateways, seed, &out, system.hook_host().into()).await?;
    eprintln!("{name}: under load after {:.1} s", begun.elapsed().as_secs_f64());

    let Hurt { steps, left_out, mut complaints } =
        hurt(&mut system, &fleets, &journal, &steps, time).await?;
    tokio::time::sleep(QUIET).await;
    let histories = fleets.histories();
    let finished = fleets.finish().await?;
    let rows = verdict::dump(&system, &journal).await?;
    drop(watching);
    let judged = verdict::check(&histories, journal.path(), &out, rules).await?;
    println!("{}", judged.said);
    complaints.extend(finished.iter().filter_map(|fleet| fleet.complaint(judged.code)));
    complaints.extend(verdict::folded(&system).await?);
    let told: Vec<_> = finished.iter().filter_map(Finished::told).collect();
    for (fleet, said) in &told {
        println!("{fleet}: {said}");
    }
    for complaint in &complaints {
        println!("{name}: {complaint}");
    }
    for what in &left_out {
        println!("{name}: left out: {what}");
    }
    let versions = vec![
        ("RabbitMQ", system.broker.version().await),
        ("PostgreSQL", postgres::version(&system.postgres).await),
        ("Redis", redis_version(&system).await),
    ];
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Ended { judged, told, complaints, steps, left_out, versions, rows, seconds })
}

/// Where histories and logs go: a folder of this run.
pub(super) fn folder(name: &str) -> anyhow::Result<PathBuf> {
    let out = log_folder().join(name);
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

/// What became of the steps.
#[derive(Debug, Default)]
struct Hurt {
    /// Those that were done.
    steps: Vec<Step>,
    left_out: BTreeSet<String>,
    /// What did not heal.
    complaints: Vec<String>,
}

/// Does the steps that fit into the time and lets the system heal after each.
async fn hurt(
    system: &mut System,
    fleets: &Fleets,
    journal: &Journal,
    steps: &[Step],
    time: Option<Duration>,
) -> anyhow::Result<Hurt> {
    let (begun, mut hurt) = (Instant::now(), Hurt::default());
    for step in steps {
        if time.is_some_and(|time| begun.elapsed() > time) {
            break;
        }
        let (name, target) = (step.deed.name(), step.deed.target());
        if let Some(why) = system.means.lacks(&step.deed) {
            hurt.left_out.insert(format!("{name} of {target}: {why}"));
            continue;
        }
        eprintln!(
            "{:>6.1}s {name} of {target} for {} ms",
            begun.elapsed().as_secs_f64(),
            step.hold_ms
        );
        deeds::perform(system, fleets, journal, step)
            .await
            .with_context(|| format!("{name} of {target}"))?;
        if let Err(late) = system.ready(HEAL).await {
            hurt.complaints.push(format!("after {name} of {target}: {late}"));
        }
        tokio::time::sleep(Duration::from_millis(step.rest_ms)).await;
        hurt.steps.push(step.clone());
    }
    Ok(hurt)
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
