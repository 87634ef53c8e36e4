//! The fleet as a program: reads the command line, runs, prints the report, exits with the verdict.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use fleet::options::{Command, CommandLine};

/// Wrong arguments, or a run that could not be done.
const NO_RUN: u8 = 2;

fn main() -> ExitCode {
    let Command::Run(options) = CommandLine::parse().command;
    let json = options.json.clone();
    let report = match fleet::run(*options) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("fleet: {error}");
            return ExitCode::from(NO_RUN);
        }
    };
    // A closed pipe is no reason to fail: the exit code still says it.
    let _ = writeln!(std::io::stdout(), "{report}");
    if let Some(path) = json {
        let written = serde_json::to_vec_pretty(&report)
            .map_err(std::io::Error::other)
            .and_then(|json| std::fs::write(&path, json));
        if let Err(error) = written {
            eprintln!("fleet: {}: {error}", path.display());
            return ExitCode::from(NO_RUN);
        }
    }
    ExitCode::from(report.exit_code())
}
