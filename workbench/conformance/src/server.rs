//! The rules against a server: each check connects as a user of its own, several at once.

mod events;
mod log;
pub mod options;
mod rules;
mod scope;
mod socket;
mod target;

use std::sync::Arc;
use std::time::Duration;

use crate::ConformanceError;
use crate::report::Report;
use crate::tried::{self, Trying};
pub use options::ServerOptions;
pub use rules::table;
use rules::{RULES, ServerRule};
use scope::Scope;
use target::Target;

/// Tries the rules and blocks meanwhile.
pub fn run(options: &ServerOptions) -> Result<Report, ConformanceError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| ConformanceError::Begin(error.to_string()))?;
    runtime.block_on(try_all(options))
}

async fn try_all(options: &ServerOptions) -> Result<Report, ConformanceError> {
    let (only, parallel) = (options.only.as_slice(), options.parallel);
    let longest = options.patience * 3 + Duration::from_mins(1);
    let trying = Trying { only, parallel, longest };
    let target = Arc::new(Target::new(options)?);
    let check = |number, rule: &'static ServerRule| {
        let scope = Scope::new(Arc::clone(&target), number);
        async move { (rule.check)(&scope).await }
    };
    let rules = tried::all(trying, RULES, check).await?;
    let urls = options.urls.iter().map(ToString::to_string).collect();
    Ok(Report::new(urls, rules))
}
