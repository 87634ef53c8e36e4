//! What is revoked: kept in the store, then told to every gateway that lives. Whoever is not reached sees
//! another version of the list in the answer to its next heartbeat.

use bus::Bus;
use prost::Message;
use proto::bus::{GatewayRef, Push, PushBatch, PushClass};
use proto::presence::Revocation;

use crate::store::{PresenceStore, Revoked, StoreError};

/// Keeps them.
pub(crate) async fn keep(
    store: &dyn PresenceStore,
    revocations: &[Revocation],
) -> Result<(), StoreError> {
    let revoked: Vec<Revoked> = revocations
        .iter()
        .map(|revocation| Revoked {
            until_ms: revocation.until_ms,
            what: revocation.encode_to_vec(),
        })
        .collect();
    store.revoke(&revoked).await
}

/// Reads the list of the store. What a later version wrote and this one cannot read is left out.
pub(crate) fn read(revoked: &[Revoked]) -> Vec<Revocation> {
    revoked.iter().filter_map(|it| Revocation::decode(it.what.as_slice()).ok()).collect()
}

/// Tells every gateway.
pub(crate) async fn tell(store: &dyn PresenceStore, bus: &dyn Bus, revocations: &[Revocation]) {
    let gateways = match store.gateways().await {
        Ok(gateways) => gateways,
        Err(error) => return tracing::debug!(%error, "gateways learn of it by heartbeat"),
    };
    let pushes: Vec<Push> = revocations
        .iter()
        .map(|revocation| Push {
            frame: revocation.encode_to_vec().into(),
            class: PushClass::Revoked as i32,
            ..Push::default()
        })
        .collect();
    for gateway in gateways {
        let named = GatewayRef { id: gateway.id.to_string(), epoch: gateway.epoch };
        if let Err(error) = bus.publish_pushes(&named, PushBatch { pushes: pushes.clone() }).await {
            tracing::debug!(gateway.id = %gateway.id, %error, "learns of it by heartbeat");
        }
    }
}
