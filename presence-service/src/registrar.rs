//! What happens when gateways report: registrations, leases, and the end of gateways.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use platform::shutdown::Shutdown;
use proto::hash::connection_digest;
use proto::id::UserId;

use crate::announce::{Announcement, Announcements};
use crate::config::PresenceSettings;
use crate::domain::device::{Change, Gateway, Registration};
use crate::metrics::PresenceMetrics;
use crate::store::{PresenceStore, StoreError};

/// The rules of reporting over a store.
#[derive(Clone)]
pub struct Registrar {
    pub(crate) store: Arc<dyn PresenceStore>,
    pub(crate) announcements: Announcements,
    pub(crate) settings: PresenceSettings,
    pub(crate) metrics: PresenceMetrics,
}

/// Connections removed in one round trip when a gateway is gone.
const REMOVE_CHUNK: usize = 500;

impl Registrar {
    /// Takes a report over. When it returns, whoever locates later sees it.
    pub async fn report(
        &self,
        gateway: &Gateway,
        connected: &[Registration],
        disconnected: &[(UserId, u64)],
        is_snapshot: bool,
    ) -> Result<(), StoreError> {
        let earlier = self.store.renew(gateway, unix_ms() + self.settings.lease_ms).await?;
        let stale = if is_snapshot { self.stale(gateway, connected).await? } else { Vec::new() };
        if !connected.is_empty() {
            let changes = self.store.register(connected).await?;
            self.metrics.registered.inc_by(connected.len() as u64);
            self.announce(changes);
        }
        self.remove(gateway, disconnected).await?;
        self.remove(gateway, &stale).await?;
        if let Some(earlier) = earlier {
            // After the new registrations, so that nobody who is still there looks gone in between.
            self.remove_gateway(&earlier).await?;
        }
        Ok(())
    }

    /// What is registered for this incarnation and not in its full account.
    async fn stale(
        &self,
        gateway: &Gateway,
        connected: &[Registration],
    ) -> Result<Vec<(UserId, u64)>, StoreError> {
        let live: std::collections::HashSet<u64> =
            connected.iter().map(|registration| registration.device.connection).collect();
        let mut registered = self.store.connections_of(gateway).await?;
        registered.retain(|(_, connection)| !live.contains(connection));
        Ok(registered)
    }

    /// Renews the lease. True when the gateway must report everything anew.
    pub async fn heartbeat(
        &self,
        gateway: &Gateway,
        count: u32,
        digest: u64,
    ) -> Result<bool, StoreError> {
        let earlier = self.store.renew(gateway, unix_ms() + self.settings.lease_ms).await?;
        if let Some(earlier) = earlier {
            self.remove_gateway(&earlier).await?;
        }
        let registered = self.store.connections_of(gateway).await?;
        let ours = registered
            .iter()
            .fold(0, |sum, (user, connection)| sum ^ connection_digest(user.as_str(), *connection));
        let is_mismatch = registered.len() != count as usize || ours != digest;
        if is_mismatch {
            self.metrics.mismatches.inc();
        }
        Ok(is_mismatch)
    }

    async fn remove(
        &self,
        gateway: &Gateway,
        connections: &[(UserId, u64)],
    ) -> Result<(), StoreError> {
        for chunk in connections.chunks(REMOVE_CHUNK) {
            let changes = self.store.unregister(gateway, chunk, unix_ms()).await?;
            self.metrics.unregistered.inc_by(changes.len() as u64);
            self.announce(changes);
        }
        Ok(())
    }

    async fn remove_gateway(&self, gateway: &Gateway) -> Result<(), StoreError> {
        let connections = self.store.connections_of(gateway).await?;
        self.remove(gateway, &connections).await
    }

    fn announce(&self, changes: Vec<Change>) {
        for mut change in changes {
            if let Some(older) = change.replaced.take() {
                self.announcements.announce(Announcement::Replaced(older));
            }
            self.announcements.announce(Announcement::Change(change));
        }
    }

    /// One sweep: gateways whose lease has ended are gone, and their users with them.
    pub async fn sweep(&self, now_ms: u64) -> Result<usize, StoreError> {
        let expired = self.store.take_expired(now_ms).await?;
        for gateway in &expired {
            self.metrics.expired_gateways.inc();
            tracing::warn!(gateway.id, "a gateway's lease ended; its users are offline");
            self.remove_gateway(gateway).await?;
        }
        Ok(expired.len())
    }

    /// Sweeps until stopping begins.
    pub async fn sweep_all(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(self.settings.sweep_ms)) => {}
                () = shutdown.begun() => return,
            }
            if let Err(error) = self.sweep(unix_ms()).await {
                tracing::debug!(%error, "no sweep");
            }
        }
    }
}

/// Now, in Unix milliseconds.
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
