//! What is seen of pushes from outside: requests at the fake, and decisions by the metrics of the chat service.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use bench::crowd::error::BenchError;
use tokio::time::{Instant, MissedTickBehavior};

use super::Shared;
use crate::pieces::Pieces;

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(100);
/// One question takes no longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The metric.
const DECISIONS: &str = "tidings_push_decisions_total ";

/// The account of a run.
#[derive(Debug)]
pub(super) struct Samples {
    http: reqwest::Client,
    pub(super) pushes: Pieces,
    pub(super) decisions: Pieces,
    /// As they were when it was looked last.
    seen: (u64, u64),
}

impl Samples {
    /// From now on.
    pub(super) async fn begin(shared: &Shared) -> Result<Self, BenchError> {
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build();
        let http = http.map_err(io::Error::other)?;
        let seen = look(&http, shared).await?;
        Ok(Self { http, pushes: Pieces::default(), decisions: Pieces::default(), seen })
    }

    /// Looks until all is written and nothing has changed for a while, at most for `--longest`.
    pub(super) async fn watch(
        &mut self,
        shared: &Shared,
        is_written: &Cell<bool>,
    ) -> Result<(), BenchError> {
        let deadline = Instant::now() + shared.options.longest;
        let mut interval = tokio::time::interval(EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let now = std::time::Instant::now();
            let (pushes, decisions) = look(&self.http, shared).await?;
            if pushes > self.seen.0 {
                self.pushes.add(now, pushes - self.seen.0);
            }
            if decisions > self.seen.1 {
                self.decisions.add(now, decisions - self.seen.1);
            }
            self.seen = (pushes, decisions);
            let last = self.pushes.last().max(self.decisions.last());
            let is_quiet = last.is_some_and(|last| last.elapsed() > shared.options.quiet);
            if (is_written.get() && is_quiet) || Instant::now() > deadline {
                return Ok(());
            }
        }
    }
}

/// Pushes that the fake was asked for, and decisions of the chat service, since they began.
async fn look(http: &reqwest::Client, shared: &Shared) -> Result<(u64, u64), BenchError> {
    let url = format!("http://{}/metrics", shared.options.metrics);
    let failed = |error: reqwest::Error| BenchError::Failed(format!("--metrics: {error}"));
    let answer = http.get(&url).send().await.map_err(failed)?;
    let text = answer.text().await.map_err(failed)?;
    let line = text.lines().find_map(|line| line.strip_prefix(DECISIONS));
    let decisions = line.and_then(|value| value.trim().parse().ok());
    let none = || BenchError::Failed(format!("--metrics: there is no {DECISIONS}"));
    Ok((shared.fake.asked(), decisions.ok_or_else(none)?))
}
