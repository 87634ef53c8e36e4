//! What a run is asked to do.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// How long starting, healing, draining and judging may take beside the faults.
const BESIDE: Duration = Duration::from_mins(4);
/// All planted bugs, each with its control.
const PLANTED: Duration = Duration::from_mins(40);

/// Hurts a cluster of its own, backends included, while a fleet talks through it, and judges.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "chaos",
    after_help = "\
Exit code: 0 every promise was kept, 1 one was broken, 2 unknown.
Needs the binaries of this workspace beside it, and RabbitMQ, Postgres and Redis installed (as
Debian packages them); those that run on the machine are not touched."
)]
pub struct Options {
    /// Replays a schedule; a new one otherwise.
    #[arg(long)]
    pub seed: Option<u64>,
    /// How long faults are injected, in seconds.
    #[arg(long, default_value_t = 600)]
    pub seconds: u64,
    /// One fault of each kind instead, in some two minutes.
    #[arg(long)]
    pub quick: bool,
    /// The all-in-one binary on SQLite instead: one process, five faults, less than a minute with --quick.
    #[arg(long, conflicts_with_all = ["only", "planted", "report"])]
    pub all_in_one: bool,
    /// Only faults that begin so, for looking into one: "pause of gateway".
    #[arg(long)]
    pub only: Option<String>,
    /// Runs the schedule that finds this planted bug, or each of them (`all`).
    #[arg(long, value_name = "BUG", conflicts_with_all = ["quick", "only"])]
    pub planted: Option<String>,
    /// Takes services from there first; with --planted from the folder BUG in it, and the bug must be
    /// found. Without it the schedule must find nothing.
    #[arg(long, value_name = "FOLDER")]
    pub binaries: Option<PathBuf>,
    /// Writes the report there, as Markdown.
    #[arg(long)]
    pub report: Option<PathBuf>,
}

/// One process, each fault once, on a machine that is busy with other things.
const QUICK_ALL_IN_ONE: Duration = Duration::from_mins(2);

impl Options {
    /// The whole run takes no longer.
    pub fn limit(&self) -> Duration {
        if self.planted.is_some() {
            return PLANTED;
        }
        if self.all_in_one && self.quick {
            return QUICK_ALL_IN_ONE;
        }
        let faults = if self.quick { 180 } else { self.seconds };
        Duration::from_secs(faults) + BESIDE
    }
}
