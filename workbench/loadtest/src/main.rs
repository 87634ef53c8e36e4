//! The fleet as a program: reads the command line, does it, prints the report, exits with the verdict.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use bench::crowd::costs::Figures;
use bench::crowd::error::BenchError;
use clap::Parser;
use conformance::client::ClientOptions;
use conformance::server::ServerOptions;
use conformance::{ConformanceError, Report};
use loadtest::Options;
use loadtest::options::{Command, CommandLine};
use serde::Serialize;
use verdict::check_command::CheckOptions;
use verdict::scenario::Judgement;

/// Wrong arguments, or a run that could not be done.
const NO_RUN: u8 = 2;

fn main() -> ExitCode {
    let tell = |phase: &str| eprintln!("{phase}");
    match CommandLine::parse().command {
        Command::Fanout(options) => figures(bench::fanout::run(&options, tell)),
        Command::Arrivals(options) => figures(bench::arrivals::run(&options)),
        Command::Idle(options) => figures(bench::idle::run(&options, tell)),
        Command::Waiting(options) => figures(bench::waiting::run(&options, tell)),
        Command::Storm(options) => figures(bench::storm::run(&options, tell)),
        Command::Pages(options) => figures(bench::pages::run(&options)),
        Command::Floor(options) => {
            let tell = |address| drop(writeln!(std::io::stdout(), "listening {address}"));
            match bench::floor::run(&options, tell) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => no_run(&error),
            }
        }
        Command::Attack(options) => match loadtest::attack::run(&options) {
            Ok(outcome) => {
                let _ = writeln!(std::io::stdout(), "{outcome}");
                ExitCode::from(u8::from(!outcome.is_withstood()))
            }
            Err(error) => no_run(&error),
        },
        Command::Changes(options) => {
            let json = options.json.clone();
            told(loadtest::changes::run(options), json.as_deref())
        }
        Command::Hooks(options) => {
            let json = options.json.clone();
            told(loadtest::hooks::run(options), json.as_deref())
        }
        Command::Events(options) => figures(loadtest::events::run(options, tell)),
        Command::Pushes(options) => figures(loadtest::pushes::run(options, tell)),
        Command::Conformance(options) => conformance(&options),
        Command::ConformanceClient(options) => conformance_client(&options),
        Command::Run(options) => run(*options),
        Command::Check(options) => check(&options),
        Command::Proxy(options) => match fault_proxy::command::run(&options) {
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
    let judgement = match verdict::check_command::run(options) {
        Ok(judgement) => judgement,
        Err(error) => return no_run(&error),
    };
    let _ = writeln!(std::io::stdout(), "{judgement}");
    exit(options.json.as_deref(), &judgement, judgement.exit_code())
}

/// Prints the verdict of a scenario.
fn told(judged: Result<Judgement, BenchError>, json: Option<&Path>) -> ExitCode {
    match judged {
        Ok(judgement) => {
            let _ = writeln!(std::io::stdout(), "{judgement}");
            exit(json, &judgement, judgement.exit_code())
        }
        Err(error) => no_run(&error),
    }
}

fn conformance(options: &ServerOptions) -> ExitCode {
    if options.list {
        return listed(&conformance::server::table());
    }
    judged(conformance::server::run(options), options.json.as_deref())
}

fn conformance_client(options: &ClientOptions) -> ExitCode {
    if options.list {
        return listed(&conformance::client::table());
    }
    judged(conformance::client::run(options), options.json.as_deref())
}

fn listed(table: &str) -> ExitCode {
    let _ = write!(std::io::stdout(), "{table}");
    ExitCode::SUCCESS
}

fn judged(report: Result<Report, ConformanceError>, json: Option<&Path>) -> ExitCode {
    match report {
        Ok(report) => {
            let _ = writeln!(std::io::stdout(), "{report}");
            exit(json, &report, report.exit_code())
        }
        Err(error) => no_run(&error),
    }
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
    let report = match loadtest::run(options) {
        Ok(report) => report,
        Err(error) => return no_run(&error),
    };
    // A closed pipe is no reason to fail: the exit code still says it.
    let _ = writeln!(std::io::stdout(), "{report}");
    exit(json.as_deref(), &report, report.exit_code())
}
