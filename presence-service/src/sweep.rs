//! Ends the registrations of gateways that gave no sign for their lease.
//!
//! Silence counts against a gateway only while presence could hear it: after presence or its store was
//! away, or this process stood still, every lease looks ended, and ending them would announce every user
//! as offline.

use std::sync::Arc;
use std::time::Duration;

use platform::shutdown::Shutdown;
use tokio::time::Instant;

use crate::announce::Announcements;
use crate::config::PresenceSettings;
use crate::metrics::PresenceMetrics;
use crate::store::{PresenceStore, StoreError};

/// Looks for ended leases. Every replica does; the store gives each gateway to one of them.
pub(crate) struct Sweeper {
    pub(crate) store: Arc<dyn PresenceStore>,
    pub(crate) announcements: Announcements,
    pub(crate) metrics: PresenceMetrics,
    pub(crate) settings: PresenceSettings,
}

impl Sweeper {
    /// Sweeps until stopping begins.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let period = Duration::from_millis(self.settings.sweep_ms.max(10));
        let patience = Duration::from_millis(self.settings.sweep_after_ms);
        let mut heard_since: Option<Instant> = None;
        let mut turned = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(period) => {}
                () = shutdown.begun() => return,
            }
            if turned.elapsed() > period + patience / 4 {
                tracing::warn!("this process stood still; gateways get a lease's time again");
                heard_since = None;
            }
            turned = Instant::now();
            let swept = match heard_since {
                Some(since) if since.elapsed() >= patience => self.sweep(&shutdown).await,
                // Only asks whether the store answers.
                _ => self.store.states(&[]).await.map(|_| ()),
            };
            match swept {
                Ok(()) => {
                    heard_since.get_or_insert_with(Instant::now);
                }
                Err(error) => {
                    tracing::debug!(%error, "no sweep; gateways get a lease's time again");
                    heard_since = None;
                }
            }
        }
    }

    /// One sweep, step by step until nothing is due.
    async fn sweep(&self, shutdown: &Shutdown) -> Result<(), StoreError> {
        while !shutdown.is_begun() {
            let swept = self.store.sweep(self.settings.sweep_registrations.max(1)).await?;
            for gateway_id in &swept.ended {
                self.metrics.expired_gateways.inc();
                tracing::warn!(gateway.id = %gateway_id, "a gateway's lease ended; its users go offline");
            }
            self.announcements.note(swept.changes);
            if !swept.has_more {
                break;
            }
        }
        Ok(())
    }
}
