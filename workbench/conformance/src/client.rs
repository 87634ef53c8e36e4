//! The rules against a client: a server that plays a script for each, and judges what the client does by its frames.
//!
//! A small program of the client's author, the *driver*, does what it is told by lines on its standard input and says by
//! lines on its standard output which entries the client gives to its app. docs/conformance.md describes both.

mod driver;
pub mod options;
mod peer;
mod rules;
mod stage;

use std::sync::Arc;

use crate::ConformanceError;
use crate::checked::Checked;
use crate::report::Report;
use crate::tried::{self, Trying};
pub use options::ClientOptions;
pub use rules::table;
use rules::{ClientRule, RULES};
use stage::Stage;

/// Plays the scripts and blocks meanwhile.
pub fn run(options: &ClientOptions) -> Result<Report, ConformanceError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| ConformanceError::Begin(error.to_string()))?;
    runtime.block_on(play_all(options))
}

async fn play_all(options: &ClientOptions) -> Result<Report, ConformanceError> {
    let (only, parallel) = (options.only.as_slice(), options.parallel);
    let trying = Trying { only, parallel, longest: options.patience * 8 };
    let shared = Arc::new(options.clone());
    let rules = tried::all(trying, RULES, |_, rule| play(rule, Arc::clone(&shared))).await?;
    Ok(Report::new(vec![options.command.join(" ")], rules))
}

async fn play(rule: &'static ClientRule, options: Arc<ClientOptions>) -> Checked {
    let mut stage = Stage::open(&options).await?;
    let outcome = (rule.check)(&mut stage).await;
    stage.close().await;
    outcome
}
