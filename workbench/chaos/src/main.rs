//! `chaos`: hurts a cluster of its own for some minutes and says whether it kept its promises.
//!
//! The cluster, its backends included, is hurt on purpose while a fleet talks through it, by a schedule that a seed
//! replays. `fleet check` judges what was recorded.
//!
//! Nothing here may touch what others run: every process is its own child, every port and folder its own, and all of it
//! ends with the run.

mod all_in_one;
mod broker;
mod clock;
mod daemon;
mod deeds;
mod fleets;
mod journal;
mod machine;
mod means;
mod namespace;
mod options;
mod planted;
mod postgres;
mod proxy;
mod report;
mod run;
mod schedule;
mod slow_readers;
mod small_disk;
mod system;
mod verdict;
mod watch;
mod wiring;

use std::process::ExitCode;

use clap::Parser;
use options::Options;
use tokio::signal::unix::{SignalKind, signal};

/// The run could not be done; nothing is known.
const NO_RUN: u8 = 2;

// One thread: children ask the kernel to end them with the thread that started them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let said = tokio::select! {
        said = tokio::time::timeout(options.limit(), run::run(&options)) => said,
        // The run is dropped: its processes end, and its folder goes.
        signal = interrupted() => {
            eprintln!("chaos: {signal}");
            return ExitCode::from(NO_RUN);
        }
    };
    match said {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(error)) => {
            eprintln!("chaos: {error:#}");
            ExitCode::from(NO_RUN)
        }
        Err(_) => {
            eprintln!("chaos: not done within {:?}", options.limit());
            ExitCode::from(NO_RUN)
        }
    }
}

/// Resolves when somebody wants it to end.
async fn interrupted() -> &'static str {
    let (Ok(mut terminate), Ok(mut hang_up)) =
        (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return "signals cannot be heard";
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => "interrupted",
        _ = terminate.recv() => "told to end",
        _ = hang_up.recv() => "its terminal is gone",
    }
}
