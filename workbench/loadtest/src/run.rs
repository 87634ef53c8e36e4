//! One run from its options to its report.

mod broadcasting;
mod conductor;
mod ending;
mod enough;
mod judge;
mod pinning;
mod setup;

use std::io;
use std::path::PathBuf;

use wire_client::prepare::PrepareError;

use crate::options::{Options, OptionsError};
use crate::report::Report;
use crate::rest::RestError;

/// The run could not be done; nothing is known about the server's promises.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The options contradict each other.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// An address, the secret, files or processes.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The history cannot be written.
    #[error("--history {}: {source}", path.display())]
    History {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The groups could not be made.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// The clients did not become ready in time.
    #[error("{ready} of {clients} clients were ready after {seconds} s; what happened: {happened}")]
    NotReady {
        /// Clients that were ready.
        ready: u64,
        /// Clients of the run.
        clients: u64,
        /// How long it was tried.
        seconds: u64,
        /// Errors by kind.
        happened: String,
    },
    /// Stopped by a signal where there is no verdict yet: while connecting, or in the drain.
    #[error("interrupted before there was a verdict")]
    Interrupted,
    /// A thread failed.
    #[error("a thread of the fleet failed: {0}")]
    Thread(String),
    /// The runtime or the REST client cannot be built.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs to the end and blocks meanwhile: from asynchronous code call it on a thread of its own.
pub fn run(options: Options) -> Result<Report, RunError> {
    options.validate()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let conducted = runtime.block_on(async {
        let setup = setup::set_up(options).await?;
        conductor::conduct(setup).await
    })?;
    Ok(judge::report(conducted))
}
