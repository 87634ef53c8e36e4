//! How far followers are behind, and what keeps the tail from being read, as metrics. Each process that may own followers
//! says it of all of them, so that one that nobody owns shows, too.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use platform::metrics::Metrics;
use platform::shutdown::Shutdown;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::metrics::FollowerLabel;
use super::{FollowerParts, KINDS};
use crate::store::tail::FollowerView;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(5);

/// The metric, by kind. Its name has no prefix: it says the same in each process.
pub(super) fn registered(metrics: &Metrics) -> Family<FollowerLabel, Gauge<f64, AtomicU64>> {
    let lag_seconds: Family<FollowerLabel, Gauge<f64, AtomicU64>> = Family::default();
    metrics.register(|registry| {
        registry.register(
            "tidings_follower_lag_seconds",
            "Age of the oldest entry that a follower has not passed, whichever process has it; of several that of the last",
            lag_seconds.clone(),
        );
    });
    lag_seconds
}

/// Keeps the metrics until stopping has begun.
pub(super) async fn watch(parts: FollowerParts, shutdown: Shutdown) {
    loop {
        match parts.store.horizon().await {
            Ok(horizon) => parts.metrics.horizon(horizon),
            Err(error) => tracing::debug!(%error, "the horizon of the tail is not known"),
        }
        // Without its index the question would read the whole log.
        let is_ready = matches!(parts.store.is_ready().await, Ok(true));
        if is_ready {
            match parts.store.followers().await {
                Ok(followers) => {
                    for kind in KINDS {
                        parts.metrics.lag(kind, most(&followers, kind));
                    }
                }
                Err(error) => tracing::debug!(%error, "it is not known how far followers are"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.begun() => return,
        }
    }
}

/// The lag of the last of a kind. Names begin with their kind; a slash parts it from what tells several apart.
fn most(followers: &[FollowerView], kind: &str) -> Duration {
    let of_kind = |it: &&FollowerView| it.name.split('/').next() == Some(kind);
    followers.iter().filter(of_kind).map(|it| it.lag).max().unwrap_or_default()
}
