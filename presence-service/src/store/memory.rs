//! Presence in memory, for one process.

use std::collections::HashMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use proto::id::UserId;

use super::{PresenceStore, StoreError};
use crate::domain::device::{Change, Device, Gateway, Registration};
use crate::domain::status::{Chosen, Known};

/// Presence in memory. It holds what is connected, and the last state of who was: as bounded as the
/// number of users of one process.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    users: HashMap<UserId, User>,
    /// Incarnation and end of its lease, by gateway id.
    leases: HashMap<String, (u64, u64)>,
}

#[derive(Debug, Default)]
struct User {
    devices: Vec<Device>,
    chosen: Chosen,
    last_seen_ms: u64,
}

impl MemoryStore {
    /// Nobody is there.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl PresenceStore for MemoryStore {
    async fn register(&self, connections: &[Registration]) -> Result<Vec<Change>, StoreError> {
        let mut state = self.0.lock();
        let register = |registration: &Registration| {
            let user = state.users.entry(registration.user_id.clone()).or_default();
            let before = user.devices.len() as u32;
            let is_same = |device: &Device| device.device_id == registration.device.device_id;
            let older =
                user.devices.iter().position(is_same).map(|place| user.devices.remove(place));
            user.devices.push(registration.device.clone());
            Change {
                user_id: registration.user_id.clone(),
                before,
                after: user.devices.len() as u32,
                replaced: older.filter(|older| *older != registration.device),
            }
        };
        Ok(connections.iter().map(register).collect())
    }

    async fn unregister(
        &self,
        gateway: &Gateway,
        connections: &[(UserId, u64)],
        now_ms: u64,
    ) -> Result<Vec<Change>, StoreError> {
        let mut state = self.0.lock();
        let mut changes = Vec::new();
        for (user_id, connection) in connections {
            let Some(user) = state.users.get_mut(user_id) else { continue };
            let before = user.devices.len() as u32;
            user.devices
                .retain(|device| device.gateway != *gateway || device.connection != *connection);
            let after = user.devices.len() as u32;
            if after < before {
                if after == 0 {
                    user.last_seen_ms = now_ms;
                }
                changes.push(Change { user_id: user_id.clone(), before, after, replaced: None });
            }
        }
        Ok(changes)
    }

    async fn locate(&self, users: &[UserId]) -> Result<Vec<Vec<Device>>, StoreError> {
        let state = self.0.lock();
        Ok(users
            .iter()
            .map(|id| state.users.get(id).map(|user| user.devices.clone()).unwrap_or_default())
            .collect())
    }

    async fn choose(&self, user_id: &UserId, chosen: Chosen) -> Result<(), StoreError> {
        self.0.lock().users.entry(user_id.clone()).or_default().chosen = chosen;
        Ok(())
    }

    async fn known(&self, users: &[UserId]) -> Result<Vec<Known>, StoreError> {
        let state = self.0.lock();
        let known = |id: &UserId| match state.users.get(id) {
            Some(user) => Known {
                devices: user.devices.len() as u32,
                chosen: user.chosen,
                last_seen_ms: user.last_seen_ms,
            },
            None => Known::default(),
        };
        Ok(users.iter().map(known).collect())
    }

    async fn renew(
        &self,
        gateway: &Gateway,
        expires_at_ms: u64,
    ) -> Result<Option<Gateway>, StoreError> {
        let held = self.0.lock().leases.insert(gateway.id.clone(), (gateway.epoch, expires_at_ms));
        Ok(held
            .filter(|(epoch, _)| *epoch != gateway.epoch)
            .map(|(epoch, _)| Gateway { id: gateway.id.clone(), epoch }))
    }

    async fn take_expired(&self, now_ms: u64) -> Result<Vec<Gateway>, StoreError> {
        let mut state = self.0.lock();
        let ended = state.leases.extract_if(|_, (_, expires_at_ms)| *expires_at_ms <= now_ms);
        Ok(ended.map(|(id, (epoch, _))| Gateway { id, epoch }).collect())
    }

    async fn connections_of(&self, gateway: &Gateway) -> Result<Vec<(UserId, u64)>, StoreError> {
        let state = self.0.lock();
        let connections = state.users.iter().flat_map(|(id, user)| {
            let here = user.devices.iter().filter(|device| device.gateway == *gateway);
            here.map(|device| (id.clone(), device.connection))
        });
        Ok(connections.collect())
    }
}
