//! Keys that are replaced while the process runs: their files are read again at intervals and at SIGHUP.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::{Signer, Verifier};
use crate::metrics::Metrics;
use crate::reload::Reload;
use crate::shutdown::{Shutdown, Tasks};

/// Keeps the keys of a verifier and of signers the same as in their files.
pub fn rotate(
    verifier: Arc<Verifier>,
    signers: Vec<Arc<Signer>>,
    metrics: &Metrics,
    reload: &Reload,
    tasks: &Tasks,
    shutdown: &Shutdown,
) {
    let (changed, unusable): (Counter, Gauge) = (Counter::default(), Gauge::default());
    metrics.register(|registry| {
        registry.register(
            "tidings_auth_key_changes",
            "Key files that were found changed and taken over",
            changed.clone(),
        );
        registry.register(
            "tidings_auth_unusable_key_files",
            "Key files that cannot be used now, so that their last good keys stay",
            unusable.clone(),
        );
    });
    let mut moments = reload.moments();
    let stop = shutdown.clone();
    tasks.spawn("key files", async move {
        let mut said = Vec::new();
        loop {
            tokio::select! {
                () = moments.next() => {}
                () = stop.begun() => return,
            }
            let (verifier, signers) = (Arc::clone(&verifier), signers.clone());
            let read = tokio::task::spawn_blocking(move || {
                let reread = verifier.reread();
                // The verifier names what is wrong with the file of both.
                for signer in &signers {
                    let _ = signer.reread();
                }
                reread
            });
            let Ok(reread) = read.await else { continue };
            for key in &reread.changed {
                tracing::info!(key, "the keys of this file have changed and are used now");
            }
            changed.inc_by(reread.changed.len() as u64);
            unusable.set(crate::number::fitted(reread.failed.len()));
            let failed: Vec<String> = reread.failed.iter().map(ToString::to_string).collect();
            // Once, and not at each interval.
            for error in failed.iter().filter(|error| !said.contains(*error)) {
                tracing::error!(%error, "a key file cannot be used; its last good keys stay");
            }
            said = failed;
        }
    });
}
