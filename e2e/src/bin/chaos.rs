//! `chaos`: hurts a cluster of its own for some minutes and says whether it kept its promises.

use std::process::ExitCode;

use clap::Parser;
use e2e::chaos::{Options, run};

/// The run could not be done; nothing is known.
const NO_RUN: u8 = 2;

// One thread: children ask the kernel to end them with the thread that started them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let work = run::run(&options);
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(options.limit(), work) => outcome,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("chaos: interrupted");
            return ExitCode::from(NO_RUN);
        }
    };
    match outcome {
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
