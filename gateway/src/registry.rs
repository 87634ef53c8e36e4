//! The connections of this process, by number. Built by its clients; lost with the process.

use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use proto::bus::DeviceType;
use proto::id::{DeviceId, UserId};

use crate::credential::Credential;
use crate::events::Inbox;
use crate::heads::HeadsState;
use crate::journal::UserHash;
use crate::outbox::Outbox;
use crate::own_status::OwnStatusCell;

/// Locks that share the connections, so that pushes and arrivals do not wait for each other.
const SHARDS: usize = 16;
/// Arrivals that are remembered: who asks more rarely asks about everybody.
const ARRIVALS: usize = 65_536;

/// What others need of a connection.
#[derive(Debug)]
pub struct Connection {
    /// Unique within this process.
    pub number: u64,
    /// Whose it is.
    pub user_id: UserId,
    /// The same for the journal, which would have to look far for it at each write.
    pub user_hash: UserHash,
    /// Its device.
    pub device_id: DeviceId,
    /// What the device is.
    pub device_type: DeviceType,
    /// When it was made, in Unix milliseconds.
    pub connected_at_ms: u64,
    /// Where its client is; none for a request over REST.
    pub ip: Option<IpAddr>,
    /// What its client calls itself, cut; empty when it says nothing.
    pub user_agent: Box<str>,
    /// False for a request over REST, which only waits for its answer.
    pub is_socket: bool,
    /// What its user chose to be shown as.
    pub own_status: OwnStatusCell,
    /// It has left the registry.
    pub gone: AtomicBool,
    /// Its client is to be asked to connect anew: others have more room.
    pub is_to_move: AtomicBool,
    /// By what its token is known; another when the connection was extended.
    pub credential: Mutex<Credential>,
    /// What waits for it.
    pub outbox: Outbox,
    /// Where its client's posts come in; none where it is a socket.
    pub(crate) inbox: Option<Arc<Inbox>>,
    /// What is known of its user's heads.
    pub(crate) heads: HeadsState,
}

impl Connection {
    /// True when nobody reads its outbox any more.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
impl Connection {
    /// A socket of a user's only device.
    pub(crate) fn for_test(number: u64, user: &str) -> Arc<Self> {
        let credential =
            Credential { token_id: [0; 32], any_issuer_id: [0; 32], issued_secs: 0, until_ms: 0 };
        Arc::new(Self {
            number,
            user_hash: UserHash::of(&UserId::parse_qualified(user).unwrap()),
            user_id: UserId::parse_qualified(user).unwrap(),
            device_id: DeviceId::parse("device").unwrap(),
            device_type: DeviceType::Unspecified,
            connected_at_ms: 0,
            ip: None,
            user_agent: Box::default(),
            is_socket: true,
            own_status: OwnStatusCell::default(),
            gone: AtomicBool::new(false),
            is_to_move: AtomicBool::new(false),
            credential: Mutex::new(credential),
            outbox: Outbox::default(),
            inbox: None,
            heads: HeadsState::default(),
        })
    }
}

/// All connections, sockets and the pseudo connections of REST requests.
#[derive(Debug)]
pub struct Registry {
    shards: [Mutex<HashMap<u64, Arc<Connection>>>; SHARDS],
    next: AtomicU64,
    arrivals: Mutex<Arrivals>,
}

/// The last sockets that came, in their order.
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
    /// A number that no other connection of this process has.
    pub fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a connection.
    pub fn insert(&self, connection: Arc<Connection>) {
        let (number, is_socket) = (connection.number, connection.is_socket);
        self.shard(number).lock().insert(number, connection);
        if is_socket {
            // After it is there: whoever reads the arrival finds the connection.
            let mut arrivals = self.arrivals.lock();
            arrivals.numbers.push_back(number);
            if arrivals.numbers.len() > ARRIVALS {
                arrivals.numbers.pop_front();
                arrivals.forgotten += 1;
            }
        }
    }

    /// How many sockets have come so far.
    pub fn arrivals(&self) -> u64 {
        let arrivals = self.arrivals.lock();
        arrivals.forgotten + arrivals.numbers.len() as u64
    }

    /// The sockets that came since so many had come and are still there, and how many have come now.
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
            connection.gone.store(true, Ordering::Relaxed);
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

    /// Everybody who is there at this moment.
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

    /// The sockets among them.
    pub fn sockets(&self) -> Vec<Arc<Connection>> {
        let mut sockets = self.all();
        sockets.retain(|connection| connection.is_socket);
        sockets
    }

    /// The numbers of so many sockets that have been here longest, the oldest first.
    pub fn oldest_sockets(&self, count: usize) -> Vec<u64> {
        // The youngest of them on top, to be replaced by an older one.
        let mut oldest = BinaryHeap::with_capacity(count.min(ARRIVALS));
        for shard in &self.shards {
            let shard = shard.lock();
            for connection in shard.values().filter(|it| it.is_socket) {
                oldest.push((connection.connected_at_ms, connection.number));
                if oldest.len() > count {
                    oldest.pop();
                }
            }
        }
        oldest.into_sorted_vec().into_iter().map(|(_, number)| number).collect()
    }

    /// Wakes every socket: the gateway stops. One that comes later finds that out by itself.
    pub fn nudge(&self) {
        for connection in self.sockets() {
            connection.outbox.nudge();
        }
    }

    fn shard(&self, number: u64) -> &Mutex<HashMap<u64, Arc<Connection>>> {
        &self.shards[number as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sockets_that_came_first_are_named_first_and_no_more_than_asked_for() {
        let registry = Registry::default();
        for (number, at) in [(1, 30), (2, 10), (3, 40), (4, 20), (5, 5)] {
            let mut connection = Connection::for_test(number, "ann");
            let it = Arc::get_mut(&mut connection).unwrap();
            (it.connected_at_ms, it.is_socket) = (at, number != 5);
            registry.insert(connection);
        }
        assert_eq!(registry.oldest_sockets(3), [2, 4, 1]);
        assert_eq!(registry.oldest_sockets(9), [2, 4, 1, 3]);
        assert_eq!(registry.oldest_sockets(0), Vec::<u64>::new());
    }
}
