//! The same for the all-in-one binary: one process on SQLite, hurt while two fleets talk through it, judged by
//! the same checker. What it says of itself meanwhile is judged, too: it is not ready while it stores nothing.

mod deeds;
mod house;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use self::deeds::Deed;
use self::house::House;
use super::fleets::{self, Finished, Fleets};
use super::journal::Journal;
use super::run::folder;
use super::{Options, verdict, watch};

/// After the last fault: what it left behind must be right again.
const QUIET: Duration = Duration::from_secs(6);
/// Between two faults.
const REST: Duration = Duration::from_millis(1_500);
/// It is ready again within this time after a fault, and so is what was sent before the fault ended answered.
const HEAL: Duration = Duration::from_secs(10);
/// What the process may need in a debug build, in bytes.
const RESIDENT_BYTES: u64 = 400 << 20;
/// Open files.
const OPEN_FILES: u64 = 1_000;
/// Fewer acknowledgements prove nothing.
const RULES: &[&str] = &["--min-acknowledged", "500", "--delivery-window", "15s"];

/// Runs to the end; the exit code.
pub async fn run(options: &Options) -> anyhow::Result<u8> {
    let seed = options.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let (name, begun) = (format!("chaos-all-in-one-{seed}"), Instant::now());
    let out = folder(&name)?;
    eprintln!("{name}: seed {seed}, histories in {}", out.display());
    let mut house = House::start(&name).await?;
    let journal = Journal::create(&out.join("chaos.jsonl"))?;
    journal.bound(house::NAME, "rss", RESIDENT_BYTES)?;
    journal.bound(house::NAME, "files", OPEN_FILES)?;
    let watching = watch::watch(house.pids.clone(), journal.clone());
    let here = house.address.ip();
    let fleets = Fleets::start(fleets::ALL_WORK, &[house.address], seed, &out, here).await?;
    eprintln!("{name}: under load after {:.1} s", begun.elapsed().as_secs_f64());

    let time = (!options.quick).then(|| Duration::from_secs(options.seconds));
    let (mut complaints, left_out) = hurt(&mut house, &fleets, &journal, seed, time).await?;
    tokio::time::sleep(QUIET).await;
    let histories = fleets.histories();
    let finished = fleets.finish().await?;
    let rows = verdict::dump_file(&house.database(), &journal).await?;
    drop(watching);
    let judged = verdict::check(&histories, journal.path(), &out, RULES).await?;
    println!("{}", judged.said);
    complaints.extend(finished.iter().filter_map(|fleet| fleet.complaint(judged.code)));
    for (fleet, said) in finished.iter().filter_map(Finished::told) {
        println!("{fleet}: {said}");
    }
    for fault in judged.data["faults"].as_array().into_iter().flatten() {
        if fault["heal_ms"].as_u64().is_some_and(|ms| ms > HEAL.as_millis() as u64) {
            complaints.push(format!("{} healed after {} ms", fault["fault"], fault["heal_ms"]));
        }
    }
    for complaint in &complaints {
        println!("{name}: {complaint}");
    }
    for what in &left_out {
        println!("{name}: left out: {what}");
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("chaos: all-in-one, seed {seed}, {rows} rows, {seconds:.0} s");
    Ok(if judged.code == 0 && !complaints.is_empty() { 1 } else { judged.code })
}

/// Every deed once, or in rounds for so long. What did not heal, and what cannot be done here.
async fn hurt(
    house: &mut House,
    fleets: &Fleets,
    journal: &Journal,
    seed: u64,
    time: Option<Duration>,
) -> anyhow::Result<(Vec<String>, BTreeSet<String>)> {
    let (mut complaints, mut left_out) = (Vec::new(), BTreeSet::new());
    let (mut random, begun) = (StdRng::seed_from_u64(seed), Instant::now());
    loop {
        let mut deeds = Deed::ALL;
        deeds.shuffle(&mut random);
        for deed in deeds {
            if let Some(why) = house.lacks(deed) {
                left_out.insert(format!("{}: {why}", deed.name()));
                continue;
            }
            eprintln!("{:>6.1}s {}", begun.elapsed().as_secs_f64(), deed.name());
            journal.nemesis(deed.name(), house::NAME, "start", "")?;
            let evidence = deeds::perform(house, fleets, deed).await?;
            journal.nemesis(deed.name(), house::NAME, "stop", &evidence)?;
            if evidence.is_empty() {
                complaints.push(format!("{} left no trace", deed.name()));
            }
            if let Err(late) = house.ready(HEAL).await {
                complaints.push(format!("after {}: {late}", deed.name()));
            }
            tokio::time::sleep(REST).await;
        }
        if time.is_none_or(|time| begun.elapsed() > time) {
            return Ok((complaints, left_out));
        }
    }
}
