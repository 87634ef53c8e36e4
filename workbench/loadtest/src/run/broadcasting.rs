//! Says something to everybody on a schedule, as an operator would.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::phase::Phase;
use crate::rest::Rest;
use crate::shared::Common;

/// What fails for now is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Broadcasts while the phase says so; how many failed.
pub(super) async fn run(common: Common, mut phases: watch::Receiver<Phase>) -> io::Result<u64> {
    let Some(rate) = common.options.beside.broadcasts else { return Ok(0) };
    let authority = &common.options.urls[0].authority;
    let rest =
        Rest::new(authority, Arc::clone(&common.signer), PATIENCE).map_err(io::Error::other)?;
    let mut interval = tokio::time::interval(Duration::from_secs_f64(1.0 / rate.per_second()));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failures = 0;
    loop {
        let is_begun = |phase: &Phase| !matches!(phase, Phase::Connect);
        // The coordinator holds the sender until the end.
        let phase = phases.wait_for(is_begun).await.map(|phase| *phase);
        if !matches!(phase, Ok(Phase::Send { .. })) {
            return Ok(failures);
        }
        interval.tick().await;
        let due_us = common.plan.run.micros(Instant::now());
        failures += u64::from(rest.broadcast(due_us).await.is_err());
    }
}
