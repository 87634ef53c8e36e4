//! The connections of this process, by number. Built by its clients; lost with the process.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use proto::bus::DeviceType;
use proto::id::{DeviceId, UserId};

use crate::outbox::Outbox;
use crate::revocations::Credential;

/// Locks that share the connections, so that pushes and arrivals do not wait for each other.
const SHARDS: usize = 16;

/// What others need of a connection.
#[derive(Debug)]
pub struct Connection {
    /// Unique within this process.
    pub number: u64,
    /// Whose it is.
    pub user_id: UserId,
    /// Its device.
    pub device_id: DeviceId,
    /// What the device is.
    pub device_type: DeviceType,
    /// When it was made, in Unix milliseconds.
    pub connected_at_ms: u64,
    /// By what its token is known; another when the connection was extended.
    pub credential: Mutex<Credential>,
    /// What waits for it.
    pub outbox: Outbox,
}

/// All connections, sockets and the pseudo connections of REST requests.
#[derive(Debug)]
pub struct Registry {
    shards: [Mutex<HashMap<u64, Arc<Connection>>>; SHARDS],
    next: AtomicU64,
}

impl Default for Registry {
    fn default() -> Self {
        // A random start: a number of an earlier process is not one of this one.
        let start = uuid::Uuid::new_v4().as_u64_pair().0 >> 1;
        Self { shards: std::array::from_fn(|_| Mutex::default()), next: AtomicU64::new(start) }
    }
}

impl Registry {
    /// A number that no other connection of this process has.
    pub fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a connection.
    pub fn insert(&self, connection: Arc<Connection>) {
        self.shard(connection.number).lock().insert(connection.number, connection);
    }

    /// Removes a connection.
    pub fn remove(&self, number: u64) {
        let mut shard = self.shard(number).lock();
        shard.remove(&number);
        // A storm of connections must not hold its memory for ever.
        if shard.capacity() > 64 && shard.len() < shard.capacity() / 4 {
            shard.shrink_to_fit();
        }
    }

    /// A connection, if it is still there.
    pub fn get(&self, number: u64) -> Option<Arc<Connection>> {
        self.shard(number).lock().get(&number).cloned()
    }

    /// Everybody who is there at this moment.
    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.shards
            .iter()
            .flat_map(|shard| shard.lock().values().cloned().collect::<Vec<_>>())
            .collect()
    }

    fn shard(&self, number: u64) -> &Mutex<HashMap<u64, Arc<Connection>>> {
        &self.shards[number as usize % SHARDS]
    }
}
