//! The connections of this process, by number. Built by its clients; lost with the process. Must not decide who may
//! connect.

use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use proto::id::{DeviceId, UserId};

use super::connection::Connection;
use crate::identity::Credential;
use crate::identity::revocations::OpenSessions;
use crate::net::close::Close;

/// Locks that share the connections, so that pushes and arrivals do not wait for each other.
const SHARDS: usize = 16;
/// Arrivals that are remembered: a task that asks more rarely has to ask about all connections.
const ARRIVALS: usize = 65_536;

/// All connections: sockets, and what stands for one.
#[derive(Debug)]
pub struct Registry {
    shards: [Mutex<HashMap<u64, Arc<Connection>>>; SHARDS],
    next: AtomicU64,
    arrivals: Mutex<Arrivals>,
}

/// The last that came, in their order.
#[derive(Debug, Default)]
struct Arrivals {
    /// How many came before the first that is remembered.
    forgotten: u64,
    numbers: VecDeque<u64>,
}

impl Default for Registry {
    fn default() -> Self {
        // A random start: a number of an earlier process is not one of this one.
        let start = uuid::Uuid::new_v4().as_u64_pair().0 >> 1;
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            next: AtomicU64::new(start),
            arrivals: Mutex::default(),
        }
    }
}

impl Registry {
    /// A number that no other connection of this process has, and no request that waits.
    pub fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a connection.
    pub fn insert(&self, connection: Arc<Connection>) {
        let number = connection.number;
        self.shard(number).lock().insert(number, connection);
        // After the connection is there: a task that reads the arrival finds it.
        let mut arrivals = self.arrivals.lock();
        arrivals.numbers.push_back(number);
        if arrivals.numbers.len() > ARRIVALS {
            arrivals.numbers.pop_front();
            arrivals.forgotten += 1;
        }
    }

    /// How many have come so far.
    pub fn arrivals(&self) -> u64 {
        let arrivals = self.arrivals.lock();
        arrivals.forgotten + arrivals.numbers.len() as u64
    }

    /// Those that came since so many had come and are still there, and how many have come now.
    /// `None` when that is not remembered any more.
    pub fn arrived_since(&self, seen: u64) -> Option<(Vec<Arc<Connection>>, u64)> {
        let arrivals = self.arrivals.lock();
        let skipped = seen.checked_sub(arrivals.forgotten)?;
        let numbers: Vec<u64> = arrivals.numbers.iter().skip(skipped as usize).copied().collect();
        let now = arrivals.forgotten + arrivals.numbers.len() as u64;
        drop(arrivals);
        Some((numbers.into_iter().filter_map(|number| self.get(number)).collect(), now))
    }

    /// Removes a connection.
    pub fn remove(&self, number: u64) {
        let mut shard = self.shard(number).lock();
        if let Some(connection) = shard.remove(&number) {
            connection.has_left();
        }
        // A storm of connections must not hold its memory for ever.
        if shard.capacity() > 64 && shard.len() < shard.capacity() / 4 {
            shard.shrink_to_fit();
        }
    }

    /// A connection, if it is still there.
    pub fn get(&self, number: u64) -> Option<Arc<Connection>> {
        self.shard(number).lock().get(&number).cloned()
    }

    /// All connections that are there at this moment.
    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.shards
            .iter()
            .flat_map(|shard| shard.lock().values().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// Those of one user.
    pub fn of_user(&self, user_id: &UserId) -> Vec<Arc<Connection>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            found.extend(shard.values().filter(|it| it.user_id == *user_id).cloned());
        }
        found
    }

    /// The numbers of so many that have been here longest, the oldest first.
    pub fn oldest(&self, count: usize) -> Vec<u64> {
        // The youngest of them on top, to be replaced by an older one.
        let mut oldest = BinaryHeap::with_capacity(count.min(ARRIVALS));
        for shard in &self.shards {
            let shard = shard.lock();
            for connection in shard.values() {
                oldest.push((connection.connected_at_ms, connection.number));
                if oldest.len() > count {
                    oldest.pop();
                }
            }
        }
        oldest.into_sorted_vec().into_iter().map(|(_, number)| number).collect()
    }

    /// Wakes all of them: the gateway stops. One that comes later finds that out by itself.
    pub fn nudge(&self) {
        for connection in self.all() {
            connection.outbox.nudge();
        }
    }

    fn shard(&self, number: u64) -> &Mutex<HashMap<u64, Arc<Connection>>> {
        &self.shards[number as usize % SHARDS]
    }
}

impl OpenSessions for Registry {
    fn end(&self, user_id: &UserId, is_meant: &dyn Fn(&Credential, &DeviceId) -> bool) {
        for connection in self.of_user(user_id) {
            if is_meant(&connection.credential.lock(), &connection.device_id) {
                connection.outbox.close(Close::Revoked);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_came_first_are_named_first_and_no_more_than_asked_for() {
        let registry = Registry::default();
        for (number, at) in [(1, 30), (2, 10), (3, 40), (4, 20)] {
            let mut connection = Connection::for_test(number, "ann");
            Arc::get_mut(&mut connection).unwrap().connected_at_ms = at;
            registry.insert(connection);
        }
        assert_eq!(registry.oldest(3), [2, 4, 1]);
        assert_eq!(registry.oldest(9), [2, 4, 1, 3]);
        assert_eq!(registry.oldest(0), Vec::<u64>::new());
    }
}
