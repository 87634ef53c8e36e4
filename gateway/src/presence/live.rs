//! The connections that presence is to know, and a digest of them that is always up to date: it is told
//! every few seconds, and connections may be many. No I/O.

use std::collections::HashMap;
use std::sync::Arc;

use proto::hash::connection_digest;

use crate::connections::Connection;

/// Connections by number.
#[derive(Debug, Default)]
pub(crate) struct Live {
    connections: HashMap<u64, Arc<Connection>>,
    digest: u64,
}

impl Live {
    /// One more, or the same again.
    pub(super) fn insert(&mut self, connection: Arc<Connection>) {
        self.digest ^= digest_of(&connection);
        if let Some(before) = self.connections.insert(connection.number, connection) {
            self.digest ^= digest_of(&before);
        }
    }

    /// One less, if it was there.
    pub(super) fn remove(&mut self, number: u64) {
        if let Some(gone) = self.connections.remove(&number) {
            self.digest ^= digest_of(&gone);
        }
    }

    /// One of them.
    pub(super) fn get(&self, number: u64) -> Option<&Arc<Connection>> {
        self.connections.get(&number)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// True when there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Everybody.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.connections.values()
    }

    /// The same for the same connections, in whatever order they came and went.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }
}

fn digest_of(connection: &Connection) -> u64 {
    connection_digest(connection.user_id.as_str(), connection.number)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_digest_is_that_of_the_present_connections(
            steps in vec((0..9_u64, any::<bool>()), 0..60),
        ) {
            let mut live = Live::default();
            for (number, comes) in steps {
                if comes {
                    live.insert(Connection::for_test(number, &format!("user-{number}")));
                } else {
                    live.remove(number);
                }
            }
            let anew = live.iter().fold(0, |sum, connection| sum ^ digest_of(connection));
            prop_assert_eq!(live.digest(), anew);
        }
    }
}
