//! Bugs that are built in on purpose (features `planted-…` of the services), each with the schedule
//! that shows it. The suite must find every one, and nothing in the same schedule without it: that is
//! what makes its other verdicts believable.

mod bugs;
mod table;

use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use super::Options;
use super::run::{Course, Ended, go};
use bugs::{BUGS, Bug};
use table::Row;

/// Looks for one planted bug, or for each; the exit code.
pub async fn run(options: &Options, name: &str) -> anyhow::Result<u8> {
    let meant: Vec<&Bug> = BUGS.iter().filter(|bug| name == "all" || name == bug.name).collect();
    if meant.is_empty() {
        let names: Vec<&str> = BUGS.iter().map(|bug| bug.name).collect();
        bail!("no such bug; there are all, {}", names.join(", "));
    }
    let mut rows = Vec::new();
    for bug in meant {
        let planted = match &options.binaries {
            Some(folder) => Some(with_bug(options, bug, folder).await?),
            None => None,
        };
        let control = go(course(options, bug, "control", None)).await?;
        let row = Row { bug, planted, control };
        println!("chaos: {}", row.said());
        rows.push(row);
    }
    let text = table::markdown(&rows).await;
    println!("{text}");
    if let Some(path) = &options.report {
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    Ok(u8::from(!rows.iter().all(Row::is_right)))
}

async fn with_bug(options: &Options, bug: &Bug, folder: &Path) -> anyhow::Result<Ended> {
    let folder = std::path::absolute(folder.join(bug.name))?;
    ensure!(folder.is_dir(), "{} is missing: run `make chaos-planted`", folder.display());
    go(course(options, bug, "planted", Some(&folder))).await
}

fn course(options: &Options, bug: &Bug, kind: &str, binaries: Option<&Path>) -> Course {
    Course {
        name: format!("chaos-{kind}-{}", bug.name),
        seed: options.seed.unwrap_or(1),
        steps: (bug.steps)(),
        time: None,
        work: bug.work,
        binaries: binaries.map(Path::to_path_buf),
        rules: bug.rules,
    }
}
