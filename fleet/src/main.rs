//! The fleet as a program: reads the command line, does it, prints the report, exits with the verdict.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use fleet::Options;
use fleet::check_command::CheckOptions;
use fleet::crowd::costs::Figures;
use fleet::crowd::error::BenchError;
use fleet::options::{Command, CommandLine};
use serde::Serialize;

/// Wrong arguments, or a run that could not be done.
const NO_RUN: u8 = 2;

fn main() -> ExitCode {
    let tell = |phase: &str| eprintln!("{phase}");
    match CommandLine::parse().command {
        Command::Fanout(options) => figures(fleet::fanout::run(&options, tell)),
        Command::Arrivals(options) => figures(fleet::arrivals::run(&options)),
        Command::Idle(options) => figures(fleet::idle::run(&options, tell)),
        Command::Floor(options) => {
            let tell = |address| drop(writeln!(std::io::stdout(), "listening {address}"));
            match fleet::floor::run(&options, tell) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => no_run(&error),
            }
        }
        Command::Attack(options) => match fleet::attack::run(&options) {
            Ok(outcome) => {
                let _ = writeln!(std::io::stdout(), "{outcome}");
                ExitCode::from(u8::from(!outcome.is_withstood()))
            }
            Err(error) => no_run(&error),
        },
        Command::Run(options) => run(*options),
        Command::Check(options) => check(&options),
        Command::Proxy(options) => match fleet::fault_proxy::command::run(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => no_run(&error),
        },
    }
}

/// Prints what a benchmark measured.
fn figures(measured: Result<Figures, BenchError>) -> ExitCode {
    match measured {
        Ok(figures) => {
            let _ = writeln!(std::io::stdout(), "{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => no_run(&error),
    }
}

fn no_run(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("fleet: {error}");
    ExitCode::from(NO_RUN)
}

fn check(options: &CheckOptions) -> ExitCode {
    let judgement = match fleet::check_command::run(options) {
        Ok(judgement) => judgement,
        Err(error) => return no_run(&error),
    };
    let _ = writeln!(std::io::stdout(), "{judgement}");
    exit(options.json.as_deref(), &judgement, judgement.exit_code())
}

/// Writes what is known as JSON where it is asked for, and exits.
fn exit(json: Option<&Path>, known: &impl Serialize, code: u8) -> ExitCode {
    if let Some(path) = json {
        let written = serde_json::to_vec_pretty(known)
            .map_err(std::io::Error::other)
            .and_then(|json| std::fs::write(path, json));
        if let Err(error) = written {
            eprintln!("fleet: {}: {error}", path.display());
            return ExitCode::from(NO_RUN);
        }
    }
    ExitCode::from(code)
}

fn run(options: Options) -> ExitCode {
    let json = options.json.clone();
    let report = match fleet::run(options) {
        Ok(report) => report,
        Err(error) => return no_run(&error),
    };
    // A closed pipe is no reason to fail: the exit code still says it.
    let _ = writeln!(std::io::stdout(), "{report}");
    exit(json.as_deref(), &report, report.exit_code())
}
