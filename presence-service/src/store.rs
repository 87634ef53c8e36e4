//! Where registrations, choices and leases are kept: a port with two adapters, Redis for the cluster
//! and memory for one process. Must not decide who is told of a change.
//!
//! # Guarantees (held by the contract suite against both adapters)
//! 1. When `report` has returned, a `locate` that starts later sees what it reported, in every replica.
//! 2. The newest connection of a (user, device) replaces the older one's registration; a later
//!    disconnect of the replaced one changes nothing.
//! 3. A report or heartbeat of a gateway epoch that another has followed is refused (`StaleEpoch`).
//! 4. A new epoch, or a snapshot, begins a new account. What the earlier account named and the new one
//!    does not ends within the gateway's lease or account time; what both name is never absent.
//! 5. A heartbeat that counts otherwise than the store is answered with `Resync`, as is one of an
//!    unknown gateway; it never changes a registration.
//! 6. When a gateway has given no sign for its lease, `sweep` ends its registrations. Of several
//!    replicas exactly one is told of each gateway and of each user's change.
//! 7. What a caller is told of a user's change is what the store did: of concurrent callers, one sees
//!    the first device come and one sees the last go.
//! 8. Choices last over reconnects, and what is filled in never takes the place of one that is known; a user's
//!    last-seen time does not move while they are invisible.
//! 9. Every operation can be repeated after an error: what was done already is not done twice.
//! 10. Users without any record are answered like users who never came.
//! 11. A user with as many registrations as allowed gets no further one, whichever gateways ask and at the
//!     same time; the refused connection is named and is in no account. A connection that takes the place
//!     of another, or is part of a full account, is no further one.
//! 12. When `report` has returned, `gateways` names that gateway in that epoch, until `sweep` ends it.
//! 13. `sessions` names what `locate` does, with what each connection came from, for people to read.
//! 14. A walk over `connections`, whatever its limits, gives each connection that is registered all the while
//!     once, and ends.
//! 15. `spend` books what was granted wherever it was granted: what one caller is told includes what every earlier
//!     one said. It is no repeatable operation: a caller without an answer leaves it.
//! 16. When `sign_off` of a gateway's present epoch has returned, `gateways` does not name it, `sweep` ends what it
//!     still named and tells of no ended lease, and the epoch counts as followed. One caller is told that it has
//!     left; repeated, or for any other epoch, nothing happens.
//! 17. `hear` tells both of two living processes with one gateway id that they are rivals, until one of them has been
//!     silent for a lease. A process that starts under the id of one that has ended is never told so.
//! 18. When `note_load` has returned, what it said of that gateway is in every later answer, whichever replica gives it,
//!     until the gateway says something else, signs off or is silent for a lease.

mod leases;
mod listing;
pub mod memory;
#[cfg(feature = "cluster")]
pub mod redis;

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use platform::number::fitted;
use proto::id::{GatewayId, TenantId, UserId};

use crate::domain::account::{HeartbeatOutcome, Tally};
use crate::domain::client::Client;
use crate::domain::load::Load;
use crate::domain::registration::{Change, Connected, Disconnected, GatewayEpoch, Place};
use crate::domain::rivals::Heard;
use crate::domain::spending::Spent;
use crate::domain::status::{Chosen, Standing};
pub use leases::LeaseConfig;
pub use listing::{ListPage, ListPlace, Listed};

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another incarnation of the gateway has taken over: this one is to begin a new epoch.
    #[error("another epoch of this gateway has taken over")]
    StaleEpoch,
    /// It cannot be reached or did not answer in time; it may have done it. Ask again.
    #[error("{0}")]
    Unavailable(String),
}

/// What one gateway opened and closed since its last report.
#[derive(Debug, Clone)]
pub struct Report {
    pub gateway: GatewayEpoch,
    /// Begins a new account.
    pub is_snapshot: bool,
    pub connected: Vec<Connected>,
    /// Closed: before the opened ones, to which they leave room, unless it was opened in this report.
    pub disconnected: Vec<Disconnected>,
}

impl Report {
    /// What was closed before and what after the opened connections came.
    pub fn closed_before_and_after(&self) -> (Vec<&Disconnected>, Vec<&Disconnected>) {
        let opened: HashSet<u64> = self.connected.iter().map(|it| it.connection).collect();
        self.disconnected.iter().partition(|it| !opened.contains(&it.connection))
    }
}

/// What a report did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reported {
    /// What is to be told.
    pub changes: Vec<Change>,
    /// The connections that were not taken, because their users have as many as allowed.
    pub refused: Vec<u64>,
    /// Of each connection that was taken, what its user chose.
    pub chosen: Vec<OwnChoice>,
}

/// What the user of a connection chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnChoice {
    pub connection: u64,
    pub user_id: UserId,
    /// The choice; [`Chosen::Unread`] when the store does not know it.
    pub chosen: Chosen,
}

/// Connections of a list of users, in columns: a batch asks for hundreds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Located {
    /// The gateways that are named, each once.
    pub gateways: Vec<(String, u64)>,
    /// For each user, how many connections follow.
    pub device_counts: Vec<u32>,
    /// For each connection, its gateway.
    pub gateway_indexes: Vec<u32>,
    /// For each connection, its number there.
    pub connections: Vec<u64>,
    /// For each connection, the number of its device type.
    pub device_types: Vec<i32>,
    /// Connections of the users whose turn has ended.
    counted: usize,
}

impl Located {
    /// Columns for about so many connections.
    pub fn with_capacity(users: usize) -> Self {
        Self {
            gateways: Vec::new(),
            device_counts: Vec::with_capacity(users),
            gateway_indexes: Vec::with_capacity(users),
            connections: Vec::with_capacity(users),
            device_types: Vec::with_capacity(users),
            counted: 0,
        }
    }

    /// Adds a connection of the user whose turn it is.
    pub fn push(&mut self, gateway_id: &str, epoch: u64, connection: u64, device_type: u8) {
        // A handful of gateways: looking through them is cheaper than hashing.
        let known = self.gateways.iter().position(|(id, at)| *at == epoch && id == gateway_id);
        let index = known.unwrap_or_else(|| {
            self.gateways.push((gateway_id.to_owned(), epoch));
            self.gateways.len() - 1
        });
        self.gateway_indexes.push(fitted(index));
        self.connections.push(connection);
        self.device_types.push(i32::from(device_type));
    }

    /// Ends the turn of a user.
    pub fn end_user(&mut self) {
        self.device_counts.push(fitted(self.connections.len() - self.counted));
        self.counted = self.connections.len();
    }
}

/// What is known of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserState {
    /// Where they stand.
    pub standing: Standing,
    /// When others last saw them, in Unix milliseconds; 0 when never.
    pub last_seen_ms: u64,
}

/// A choice of a user.
#[derive(Debug, Clone)]
pub struct Choice {
    pub user_id: UserId,
    pub chosen: Chosen,
    /// The connection that said it.
    pub by: Option<Place>,
}

/// A connection, as its user is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub gateway_id: String,
    /// Its number there.
    pub connection: u64,
    pub device_id: String,
    /// The number of its device type.
    pub device_type: u8,
    /// Since when, by the gateway's clock, in Unix milliseconds.
    pub connected_at_ms: u64,
    /// What it came from.
    pub client: Client,
}

/// What one step of [`PresenceStore::sweep`] ended.
#[derive(Debug, Default)]
pub struct Swept {
    /// Gateways whose lease was found to have ended, by this replica.
    pub ended: Vec<GatewayId>,
    /// What that did to users.
    pub changes: Vec<Change>,
    /// There is more to do at once.
    pub has_more: bool,
}

/// The port. See the module's numbered guarantees.
#[async_trait]
pub trait PresenceStore: Send + Sync + 'static {
    /// Takes over what a gateway reports, renews its lease and tells what changed.
    async fn report(&self, report: &Report) -> Result<Reported, StoreError>;

    /// Renews a gateway's lease and compares what it counts.
    async fn heartbeat(
        &self,
        gateway: &GatewayEpoch,
        tally: Tally,
    ) -> Result<HeartbeatOutcome, StoreError>;

    /// A process speaks under the id of a gateway: whether another living one does. Changes no lease.
    async fn hear(&self, gateway_id: &GatewayId, process: u64) -> Result<Heard, StoreError>;

    /// Notes what a gateway says of its load, and answers what all living ones said last, by id. Changes no lease.
    async fn note_load(
        &self,
        gateway_id: &GatewayId,
        load: Load,
    ) -> Result<Vec<(GatewayId, Load)>, StoreError>;

    /// Ends a gateway's lease because it leaves; whether this call did.
    async fn sign_off(&self, gateway: &GatewayEpoch) -> Result<bool, StoreError>;

    /// Where users are connected, in the order of the request.
    async fn locate(&self, users: &[UserId]) -> Result<Located, StoreError>;

    /// Every gateway with an account that has not been ended, in its present epoch.
    async fn gateways(&self) -> Result<Vec<GatewayEpoch>, StoreError>;

    /// How users stand, in the order of the request.
    async fn states(&self, users: &[UserId]) -> Result<Vec<UserState>, StoreError>;

    /// Takes over choices and tells what changed.
    async fn choose(&self, choices: &[Choice]) -> Result<Vec<Change>, StoreError>;

    /// Takes over choices that were read elsewhere, of users of whom none is known. In their order:
    /// whether none was, and how the user stands now.
    async fn fill_in(
        &self,
        choices: &[(UserId, Chosen)],
    ) -> Result<Vec<(bool, UserState)>, StoreError>;

    /// Ends at most about `most` registrations that are due to end.
    async fn sweep(&self, most: usize) -> Result<Swept, StoreError>;

    async fn sessions(&self, user_id: &UserId) -> Result<Vec<Session>, StoreError>;

    /// All connections of a tenant's users behind a place, at most so many.
    async fn connections(
        &self,
        tenant: TenantId,
        after: Option<&ListPlace>,
        limit: usize,
    ) -> Result<ListPage, StoreError>;

    /// Books what users were granted of their rates, each of which is for this time. In their order, what
    /// each has used up of each rate, in microseconds.
    async fn spend(&self, spent: &[Spent], time: Duration) -> Result<Vec<Vec<u64>>, StoreError>;
}
