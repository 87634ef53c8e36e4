//! `fleet check`: judges recorded histories, says what it judged and what not, and keeps the
//! counter-examples.

mod counter_example;
mod fault_table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use wire_client::values::duration as parse_duration;

use crate::check::{self, Findings, Policy, Verdict};
use crate::facts::Windows;
use crate::replay::{self, CommonLines, Judged, RunLines};
pub use fault_table::FaultLine;

/// What the help says beyond the options.
pub const HELP: &str = "\
Files are those of `fleet run --history`, and files of faults, bounds and database rows beside them.
Verdict: valid, invalid (the broken rules are named, and their events are kept beside the history as
FILE.counter-example.jsonl) or unknown: too few acknowledgements, a fault without evidence, no drain
in time, a history that is cut off. Exit code 0, 1, 2.

Rules beyond those of `fleet run --help`:
  duplicate-delivery     an entry was shown twice on one device
  late-delivery          with --delivery-window: a connected device waited longer for what was
                         acknowledged, and no fault was under way
  cursor-regress         a receipt passed the log's end or what the device confirmed, or the
                         database has another; with --strict-live also one that went back
  stale-read             a sync did not reach what was acknowledged before it began
  wrong-resume           a sync went on from another entry than the log has, or forgot what it has
  false-offline          a user was called offline who was connected for --presence-window
  ghost-online           a user counts as online who is gone for --presence-window
  stale-presence         an observer was left with `offline` about a user who is back
  unbounded              a process used more than its bound
  dirty-drain            a graceful stop broke connections or left outcomes unknown";

/// The options of `fleet check`.
#[derive(Debug, Clone, Args)]
pub struct CheckOptions {
    /// Recorded histories.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The verdict is unknown with fewer acknowledgements.
    #[arg(long, default_value_t = 1)]
    pub min_acknowledged: u64,
    /// A live entry that skips others, or a receipt that goes back, breaks a rule.
    #[arg(long)]
    pub strict_live: bool,
    /// How long presence may lag behind the truth.
    #[arg(long, default_value = "15s", value_parser = parse_duration)]
    pub presence_window: Duration,
    /// How long a connected device may wait for what was acknowledged; not judged without.
    #[arg(long, value_parser = parse_duration)]
    pub delivery_window: Option<Duration>,
    /// Writes the judgement there as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// What `fleet check` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judgement {
    /// What the histories show.
    pub verdict: Verdict,
    /// Why it is not valid.
    pub reasons: Vec<String>,
    /// What the histories say nothing about.
    pub not_judged: Vec<String>,
    /// Sends acknowledged.
    pub acknowledged: u64,
    /// Refusals, each of which said that nothing was stored.
    pub refused: u64,
    /// Times that an outcome became unknown; nearly all are answered when sent again.
    pub unknown: u64,
    /// What the checker found.
    pub findings: Findings,
    /// What each fault did.
    pub faults: Vec<FaultLine>,
    /// The most seen of each resource: process, resource, value.
    pub peaks: Vec<(String, String, u64)>,
    /// Where the events of broken rules are kept.
    pub counter_examples: Vec<PathBuf>,
}

impl Judgement {
    /// What the program exits with.
    pub fn exit_code(&self) -> u8 {
        self.verdict.exit_code()
    }
}

/// Reads and judges.
pub fn run(options: &CheckOptions) -> io::Result<Judgement> {
    let mut common = CommonLines::default();
    let mut runs = Vec::new();
    for path in &options.files {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let mut run = RunLines::default();
        replay::feed(BufReader::new(File::open(path).map_err(named)?), &mut run, &mut common)
            .map_err(named)?;
        if run.is_run() {
            runs.push((path, run));
        }
    }
    let runs = runs.into_iter().map(|(path, run)| (path.clone(), run.judged(&common))).collect();
    let mut judgement = judge(&common, &runs, options);
    for (path, findings) in std::mem::take(&mut judgement.1) {
        if let Some(kept) = counter_example::keep(&path, &findings)? {
            judgement.0.counter_examples.push(kept);
        }
    }
    Ok(judgement.0)
}

type Runs = Vec<(PathBuf, Judged)>;

/// Judges each run, and all together.
fn judge(
    common: &CommonLines,
    runs: &Runs,
    options: &CheckOptions,
) -> (Judgement, Vec<(PathBuf, Findings)>) {
    let windows = Windows {
        presence_us: options.presence_window.as_micros() as u64,
        delivery_us: options.delivery_window.map(|window| window.as_micros() as u64),
    };
    let policy = Policy { is_strict_live: options.strict_live };
    let (mut all, mut by_file) = (Findings::default(), Vec::new());
    let mut doubts: Vec<String> = common.doubts.clone();
    doubts.extend(common.doubtful_faults());
    if runs.is_empty() {
        doubts.push("no file is a fleet's history".to_owned());
    }
    for (path, judged) in runs {
        let mut findings = check::check(&judged.history, policy);
        check::check_facts(&judged.history, &judged.facts, policy, windows, &mut findings);
        doubts.extend(judged.doubts.iter().map(|doubt| format!("{}: {doubt}", path.display())));
        all.merge(&findings);
        by_file.push((path.clone(), findings));
    }
    let sum = |of: fn(&Judged) -> usize| runs.iter().map(|(_, run)| of(run) as u64).sum::<u64>();
    let acknowledged = sum(|run| run.answered.len());
    let (verdict, reasons) = check::verdict(&all, acknowledged, options.min_acknowledged, doubts);
    let judgement = Judgement {
        verdict,
        reasons,
        not_judged: not_judged(common, runs, options),
        acknowledged,
        refused: sum(|run| run.refused.len()),
        unknown: sum(|run| run.facts.unanswered.len()),
        faults: fault_table::lines(common, runs, &by_file),
        peaks: common.peaks().iter().map(|((p, w), v)| (p.clone(), w.clone(), *v)).collect(),
        findings: all,
        counter_examples: Vec::new(),
    };
    (judgement, by_file)
}

/// The rules that had nothing to judge.
fn not_judged(common: &CommonLines, runs: &Runs, options: &CheckOptions) -> Vec<String> {
    let all = |is_empty: fn(&Judged) -> bool| runs.iter().all(|(_, run)| is_empty(run));
    let has_drain = common.faults().iter().any(|fault| fault.fault == check::DRAIN);
    let missing = [
        (
            all(|run| run.history.stored.is_empty()),
            "lost-write against REST history: none was read",
        ),
        (!common.has_rows(), "lost-write and cursors against the database: no rows were given"),
        (all(|run| run.facts.receipts.is_empty()), "cursor-regress of receipts: none came"),
        (all(|run| run.facts.syncs.is_empty()), "stale-read: no sync was recorded"),
        (
            all(|run| run.facts.syncs.iter().all(|sync| sync.held.is_empty())),
            "wrong-resume: no sync said which entries it went on from",
        ),
        (all(|run| run.facts.notices.is_empty()), "false-offline, stale-presence: no notice came"),
        (all(|run| run.facts.statuses.is_empty()), "ghost-online: nobody asked for statuses"),
        (options.delivery_window.is_none(), "late-delivery: no --delivery-window was given"),
        (!common.has_bounds(), "unbounded: no bounds were given"),
        (!has_drain, "dirty-drain: nothing was stopped gracefully"),
        (
            !options.strict_live,
            "poll-skip, receipts that come late: counted only, since faults do that",
        ),
    ];
    missing
        .into_iter()
        .filter(|(is_missing, _)| *is_missing)
        .map(|(_, what)| what.to_owned())
        .collect()
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, refused, unknown, findings, .. } = self;
        writeln!(
            f,
            "{acknowledged} acknowledged, {refused} times refused, {unknown} times unknown; {} \
             entries, {} logs compared with the store, {} repeats on the wire, {} live skips, {} \
             late receipts",
            findings.entries,
            findings.verified_logs,
            findings.wire_repeats,
            findings.live_skips,
            findings.late_receipts
        )?;
        for line in &self.faults {
            writeln!(f, "{line}")?;
        }
        for what in &self.not_judged {
            writeln!(f, "not judged: {what}")?;
        }
        for violation in &findings.examples {
            writeln!(f, "{}: {}", violation.rule.name(), violation.detail)?;
        }
        for path in &self.counter_examples {
            writeln!(f, "counter-examples: {}", path.display())?;
        }
        write!(f, "{}", self.verdict.name())?;
        for reason in &self.reasons {
            write!(f, "\n  {reason}")?;
        }
        Ok(())
    }
}
