//! A user's registrations: which connection at which gateway is which device.
//!
//! The newest connection of a device replaces the older ones. Clocks of gateways may disagree, so a
//! connection that claims to be newer than the arriving one is not replaced but stays beside it until
//! its gateway takes it back: a connected device never loses its last registration to a wrong clock.

use std::collections::HashSet;
use std::time::Duration;

use platform::number::{fitted, whole_ms};
use proto::id::{DeviceId, GatewayId, UserId};

use super::account::AccountStamp;
use super::client::Client;
use super::status::{Chosen, Standing};

/// One incarnation of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GatewayEpoch {
    pub id: GatewayId,
    /// Its incarnation. Epochs have no order: a new one is one that was never seen before.
    pub epoch: u64,
}

/// One connection, named for the whole install.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub gateway: GatewayEpoch,
    /// Unique within the gateway epoch.
    pub connection: u64,
}

/// The number of a device type in the contract, passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DeviceType(pub u8);

/// A connection that a gateway opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    pub user_id: UserId,
    pub device_id: DeviceId,
    /// Of which type.
    pub device_type: DeviceType,
    /// Unique within the gateway epoch.
    pub connection: u64,
    /// By the gateway's clock, in Unix milliseconds.
    pub connected_at_ms: u64,
    /// What it came from.
    pub client: Client,
}

/// A connection that a gateway closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnected {
    pub user_id: UserId,
    /// Unique within the gateway epoch.
    pub connection: u64,
}

/// A connection as presence keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub gateway: GatewayEpoch,
    /// The account of the gateway that named it last.
    pub stamp: AccountStamp,
    /// The connection there.
    pub connection: u64,
    pub device_id: DeviceId,
    /// Of which type.
    pub device_type: DeviceType,
    /// By the gateway's clock, in Unix milliseconds.
    pub connected_at_ms: u64,
    /// What it came from.
    pub client: Client,
}

impl Registration {
    fn is_of(&self, gateway: &GatewayEpoch, connection: u64) -> bool {
        self.connection == connection && self.gateway == *gateway
    }

    fn place(&self) -> Place {
        Place { gateway: self.gateway.clone(), connection: self.connection }
    }

    /// Whether the socket of this one can be open when another takes its place: not when it is the same
    /// connection, nor when its gateway has begun another epoch.
    fn may_be_open_beside(&self, new: &Self) -> bool {
        let is_earlier_epoch =
            self.gateway.id == new.gateway.id && self.gateway.epoch != new.gateway.epoch;
        !self.is_of(&new.gateway, new.connection) && !is_earlier_epoch
    }

    /// Whether an arriving registration takes the place of this one.
    fn gives_way_to(&self, new: &Self, is_anew: bool) -> bool {
        if self.is_of(&new.gateway, new.connection) {
            return true;
        }
        if self.device_id != new.device_id {
            return false;
        }
        // One gateway knows the order of its own connections.
        self.gateway.id == new.gateway.id
            || (!is_anew && self.connected_at_ms <= new.connected_at_ms)
    }
}

/// Whether a connection is so old when it is reported that this is part of a full account, after
/// presence lost it, and no new arrival.
pub fn is_reported_anew(connected_at_ms: u64, now_ms: u64, lease: Duration) -> bool {
    now_ms.saturating_sub(connected_at_ms) > whole_ms(lease)
}

/// How many registrations a user may have.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// A further one beyond it is refused.
    pub connections: usize,
    /// However they came; beyond it the oldest goes.
    pub registrations: usize,
}

/// Everything that is kept of a user.
#[derive(Debug, Clone, Default)]
pub struct UserRecord {
    /// What the user chose.
    pub chosen: Chosen,
    /// When others last saw the user, in Unix milliseconds; 0 when never.
    pub last_seen_ms: u64,
    /// By arrival.
    pub registrations: Vec<Registration>,
}

/// Which registrations are meant.
#[derive(Debug, Clone, Copy)]
pub enum Named<'a> {
    /// A connection of a gateway, whichever epoch reported it: a socket can close under a later epoch
    /// than it opened, and what an earlier epoch left behind is about to end anyway.
    Connection(&'a GatewayId, u64),
    /// The same, but only as a certain account named it.
    InAccount(&'a GatewayId, u64, AccountStamp),
}

impl UserRecord {
    /// Where the user stands.
    pub fn standing(&self) -> Standing {
        let devices: HashSet<&DeviceId> =
            self.registrations.iter().map(|registration| &registration.device_id).collect();
        Standing { devices: fitted(devices.len()), chosen: self.chosen }
    }

    /// Adds a registration in place of those it replaces, and names those whose sockets are to be closed.
    /// `None` when it is a further one beyond what is allowed: then nothing changes.
    pub fn connect(
        &mut self,
        new: Registration,
        is_anew: bool,
        allowed: Allowed,
    ) -> Option<Vec<Place>> {
        let stay = self.registrations.iter().filter(|old| !old.gives_way_to(&new, is_anew)).count();
        if stay >= allowed.connections.max(1) {
            return None;
        }
        let mut replaced = Vec::new();
        self.registrations.retain(|old| {
            let gives_way = old.gives_way_to(&new, is_anew);
            if gives_way && old.may_be_open_beside(&new) {
                replaced.push(old.place());
            }
            !gives_way
        });
        self.registrations.push(new);
        let excess = self.registrations.len().saturating_sub(allowed.registrations.max(1));
        replaced.extend(self.registrations.drain(..excess).map(|old| old.place()));
        Some(replaced)
    }

    /// Removes a registration; does nothing when it is not there.
    pub fn disconnect(&mut self, named: Named<'_>, now_ms: u64) {
        let before = self.registrations.len();
        self.registrations.retain(|registration| match named {
            Named::Connection(gateway_id, connection) => {
                registration.gateway.id != *gateway_id || registration.connection != connection
            }
            Named::InAccount(gateway_id, connection, stamp) => {
                registration.gateway.id != *gateway_id
                    || registration.connection != connection
                    || registration.stamp != stamp
            }
        });
        let left = before > 0 && self.registrations.is_empty();
        // An invisible user was last seen when they became invisible, and this one may be one.
        if left && !matches!(self.chosen, Chosen::Invisible | Chosen::Unread) {
            self.last_seen_ms = now_ms;
        }
    }

    /// Takes over what was read of the user's choice; false when it was known.
    pub fn fill_in(&mut self, chosen: Chosen) -> bool {
        let is_unread = self.chosen == Chosen::Unread;
        if is_unread {
            self.chosen = chosen;
        }
        is_unread
    }

    /// Takes over what the user chose.
    pub fn choose(&mut self, chosen: Chosen, now_ms: u64) {
        if self.standing().is_visible() && chosen == Chosen::Invisible {
            self.last_seen_ms = now_ms;
        }
        self.chosen = chosen;
    }
}

/// What something did to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub user_id: UserId,
    pub before: Standing,
    pub after: Standing,
    /// After, in Unix milliseconds; 0 when never seen.
    pub last_seen_ms: u64,
    /// What it was.
    pub cause: Cause,
    /// The connection that did it: not one of the user's *other* devices.
    pub by: Option<Place>,
    /// Connections that were replaced: their gateways are to close them.
    pub replaced: Vec<Place>,
}

impl Change {
    /// Whether there is anything to tell anybody.
    pub fn is_something(&self) -> bool {
        self.before != self.after || !self.replaced.is_empty()
    }
}

/// Why a user's standing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    Connected {
        /// How long the user had been offline; `None` when never seen, or when they were there.
        offline_ms: Option<u64>,
        /// See [`is_reported_anew`].
        is_anew: bool,
    },
    Disconnected,
    /// A gateway's lease ended, or its next account did not name the connection again.
    TakenOver,
    Chose,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Allowed = Allowed { connections: 8, registrations: 16 };

    fn registration(gateway: &str, connection: u64, device: &str, at: u64) -> Registration {
        Registration {
            gateway: GatewayEpoch { id: GatewayId::parse(gateway).unwrap(), epoch: 1 },
            stamp: AccountStamp(1),
            connection,
            device_id: DeviceId::parse(device).unwrap(),
            device_type: DeviceType::default(),
            connected_at_ms: at,
            client: Client::default(),
        }
    }

    fn connections(record: &UserRecord) -> Vec<u64> {
        record.registrations.iter().map(|registration| registration.connection).collect()
    }

    #[test]
    fn the_newest_connection_of_a_device_replaces_the_older_one_which_is_to_be_closed() {
        let mut record = UserRecord::default();
        let old = registration("a", 1, "phone", 100);
        assert_eq!(record.connect(old.clone(), false, ALLOWED), Some(vec![]));
        let replaced = record.connect(registration("b", 2, "phone", 200), false, ALLOWED);
        assert_eq!(replaced, Some(vec![old.place()]));
        record.connect(registration("b", 3, "laptop", 200), false, ALLOWED);
        assert_eq!(connections(&record), [2, 3]);
        assert_eq!(record.standing().devices, 2);
    }

    #[test]
    fn one_that_claims_to_be_newer_stays_beside_and_counts_as_one_device() {
        let mut record = UserRecord::default();
        record.connect(registration("a", 1, "phone", 5_000), false, ALLOWED);
        record.connect(registration("b", 2, "phone", 200), false, ALLOWED);
        assert_eq!(connections(&record), [1, 2]);
        assert_eq!(record.standing().devices, 1);
    }

    #[test]
    fn an_account_does_not_displace_what_another_gateway_reported() {
        let mut record = UserRecord::default();
        record.connect(registration("b", 2, "phone", 200), false, ALLOWED);
        record.connect(registration("a", 1, "phone", 300), true, ALLOWED);
        assert_eq!(connections(&record), [2, 1], "the older socket may be half open");
    }

    #[test]
    fn the_same_connection_reported_twice_is_there_once() {
        let mut record = UserRecord::default();
        record.connect(registration("a", 1, "phone", 100), false, ALLOWED);
        let replaced = record.connect(registration("a", 1, "phone", 100), true, ALLOWED);
        assert_eq!((connections(&record), replaced), (vec![1], Some(vec![])));
    }

    #[test]
    fn a_socket_that_lives_on_under_a_new_epoch_of_its_gateway_is_not_closed() {
        let mut record = UserRecord::default();
        let old = registration("a", 1, "phone", 100);
        record.connect(old.clone(), false, ALLOWED);
        let mut same_socket = old;
        same_socket.gateway.epoch = 2;
        assert_eq!(record.connect(same_socket, true, ALLOWED), Some(vec![]));
        assert_eq!(connections(&record), [1]);
    }

    #[test]
    fn of_those_reported_anew_the_oldest_goes_beyond_the_bound() {
        let mut record = UserRecord::default();
        let allowed = Allowed { connections: usize::MAX, registrations: 3 };
        for number in 0..5 {
            record.connect(registration("a", number, &format!("d{number}"), 100), true, allowed);
        }
        assert_eq!(connections(&record), [2, 3, 4]);
    }

    #[test]
    fn a_further_connection_is_refused_and_one_that_takes_another_s_place_is_not() {
        let mut record = UserRecord::default();
        let allowed = Allowed { connections: 2, registrations: 8 };
        for number in 1..=2 {
            let new = registration("a", number, &format!("d{number}"), 100);
            assert!(record.connect(new, false, allowed).is_some());
        }
        assert_eq!(record.connect(registration("b", 3, "d3", 100), false, allowed), None);
        assert_eq!(connections(&record), [1, 2], "nothing has changed");
        assert!(record.connect(registration("b", 4, "d1", 200), false, allowed).is_some());
        assert_eq!(connections(&record), [2, 4]);
        assert!(record.connect(registration("b", 4, "d1", 200), false, allowed).is_some());
    }

    #[test]
    fn a_user_is_last_seen_when_the_last_device_leaves() {
        let mut record = UserRecord { chosen: Chosen::Online, ..UserRecord::default() };
        let one = registration("a", 1, "phone", 100);
        record.connect(one.clone(), false, ALLOWED);
        record.connect(registration("a", 2, "laptop", 100), false, ALLOWED);
        record.disconnect(Named::Connection(&one.gateway.id, 1), 500);
        assert_eq!(record.last_seen_ms, 0);
        record.disconnect(Named::Connection(&one.gateway.id, 2), 600);
        assert_eq!(record.last_seen_ms, 600);
        record.disconnect(Named::Connection(&one.gateway.id, 2), 700);
        assert_eq!(record.last_seen_ms, 600, "nothing left, nothing changed");
    }

    #[test]
    fn an_invisible_user_was_last_seen_when_they_became_invisible() {
        let mut record = UserRecord { chosen: Chosen::Online, ..UserRecord::default() };
        let one = registration("a", 1, "phone", 100);
        record.connect(one.clone(), false, ALLOWED);
        record.choose(Chosen::Invisible, 300);
        record.disconnect(Named::Connection(&one.gateway.id, 1), 900);
        assert_eq!(record.last_seen_ms, 300);
    }

    #[test]
    fn an_account_takes_back_only_what_it_named() {
        let mut record = UserRecord::default();
        let one = registration("a", 1, "phone", 100);
        record.connect(one.clone(), false, ALLOWED);
        record.disconnect(Named::InAccount(&one.gateway.id, 1, AccountStamp(9)), 500);
        assert_eq!(connections(&record), [1]);
        record.disconnect(Named::InAccount(&one.gateway.id, 1, AccountStamp(1)), 500);
        assert!(connections(&record).is_empty());
    }
}
