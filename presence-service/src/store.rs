//! The presence store: who is connected where.
//!
//! # Guarantees (held by the contract suite against Redis and memory)
//! 1. When `register` has returned, a `locate` that starts later finds the connections.
//! 2. The newest connection of a (user, device) replaces the older one, wherever that was.
//! 3. `unregister` removes exactly the named connection; a newer one of the device stays.
//! 4. `locate` is one round trip, whatever the number of users.
//! 5. An expired gateway is handed to exactly one caller of `take_expired`.
//! 6. `connections_of` tells what is registered for one incarnation, for the comparison with its own
//!    account.

pub mod memory;
pub mod redis;

use async_trait::async_trait;
use proto::id::UserId;

use crate::domain::device::{Change, Device, Gateway, Registration};
use crate::domain::status::{Chosen, Known};

/// The store did not answer. Ask again later; everything here can be repeated.
#[derive(Debug, thiserror::Error)]
#[error("the presence store does not answer: {0}")]
pub struct StoreError(pub String);

/// The port. See the module's numbered guarantees.
#[async_trait]
pub trait PresenceStore: Send + Sync + 'static {
    /// Registers connections of one incarnation; one change for each.
    async fn register(&self, connections: &[Registration]) -> Result<Vec<Change>, StoreError>;

    /// Removes connections of one incarnation; one change for each that was there.
    async fn unregister(
        &self,
        gateway: &Gateway,
        connections: &[(UserId, u64)],
        now_ms: u64,
    ) -> Result<Vec<Change>, StoreError>;

    /// The devices of each user.
    async fn locate(&self, users: &[UserId]) -> Result<Vec<Vec<Device>>, StoreError>;

    /// Keeps a state set by hand.
    async fn choose(&self, user_id: &UserId, chosen: Chosen) -> Result<(), StoreError>;

    /// What is known of each user.
    async fn known(&self, users: &[UserId]) -> Result<Vec<Known>, StoreError>;

    /// Renews a gateway's lease until `expires_at_ms`; the incarnation that held it before, if another.
    async fn renew(
        &self,
        gateway: &Gateway,
        expires_at_ms: u64,
    ) -> Result<Option<Gateway>, StoreError>;

    /// Gateways whose lease has ended, each to one caller only.
    async fn take_expired(&self, now_ms: u64) -> Result<Vec<Gateway>, StoreError>;

    /// The registered connections of an incarnation.
    async fn connections_of(&self, gateway: &Gateway) -> Result<Vec<(UserId, u64)>, StoreError>;
}
