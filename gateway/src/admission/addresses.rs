//! What each address has open and how often it came lately. Bounded: addresses without anything open are
//! forgotten when their time is over, or earlier when there are too many.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use platform::rate_limit::Rate;

use super::network::plain;

/// Locks that share the addresses.
const SHARDS: usize = 16;

/// What one address may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AddressRules {
    /// Sockets at once.
    pub(crate) sockets: u32,
    /// Arriving sockets.
    pub(crate) arrivals: Option<Rate>,
    /// Connections at once that are no sockets.
    pub(crate) requests: u32,
    /// Addresses that are remembered.
    pub(crate) addresses: usize,
}

/// Which of its limits an address has met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    Sockets,
    /// The next may come after so long.
    Arrivals(Duration),
    Requests,
}

/// All addresses.
#[derive(Debug)]
pub(crate) struct Addresses {
    rules: AddressRules,
    began: Instant,
    shards: [Mutex<HashMap<IpAddr, Visits>>; SHARDS],
}

#[derive(Debug, Default)]
struct Visits {
    sockets: u32,
    requests: u32,
    booked_us: u64,
}

impl Visits {
    fn open(&mut self, kind: Kind) -> &mut u32 {
        match kind {
            Kind::Socket => &mut self.sockets,
            Kind::Request => &mut self.requests,
        }
    }

    fn is_open(&self) -> bool {
        self.sockets > 0 || self.requests > 0
    }
}

/// What a seat is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Socket,
    Request,
}

/// One of an address's connections; given back when dropped.
#[derive(Debug)]
pub(crate) struct AddressSeat {
    addresses: Arc<Addresses>,
    address: IpAddr,
    kind: Kind,
}

impl Addresses {
    pub(crate) fn new(rules: AddressRules) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { rules, began: Instant::now(), shards }
    }

    /// Takes a seat of an address, or says which limit it has met.
    pub(crate) fn sit(self: &Arc<Self>, address: IpAddr, kind: Kind) -> Result<AddressSeat, Met> {
        let now_us = self.began.elapsed().as_micros() as u64;
        let address = block(address);
        let mut shard = self.shard(address).lock();
        if shard.len() >= (self.rules.addresses / SHARDS).max(1) && !shard.contains_key(&address) {
            forget(&mut shard, now_us, self.rules.addresses / SHARDS);
        }
        let visits = shard.entry(address).or_default();
        match kind {
            Kind::Socket => {
                if visits.sockets >= self.rules.sockets {
                    return Err(Met::Sockets);
                }
                if let Some(rate) = self.rules.arrivals {
                    rate.pass(&mut visits.booked_us, now_us).map_err(Met::Arrivals)?;
                }
            }
            Kind::Request if visits.requests >= self.rules.requests => return Err(Met::Requests),
            Kind::Request => {}
        }
        *visits.open(kind) += 1;
        drop(shard);
        Ok(AddressSeat { addresses: Arc::clone(self), address, kind })
    }

    fn shard(&self, address: IpAddr) -> &Mutex<HashMap<IpAddr, Visits>> {
        let bytes = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits() >> 64,
        };
        // The low bits differ most between neighbours; the others keep a chosen prefix from one shard.
        &self.shards[(bytes ^ (bytes >> 16) ^ (bytes >> 40)) as usize % SHARDS]
    }
}

/// Makes room: first of those whose time is over, then of all who have nothing open.
fn forget(shard: &mut HashMap<IpAddr, Visits>, now_us: u64, most: usize) {
    shard.retain(|_, visits| visits.is_open() || visits.booked_us > now_us);
    if shard.len() >= most {
        shard.retain(|_, visits| visits.is_open());
    }
}

/// One customer has a whole IPv6 network of 64 bits: it counts as one address.
fn block(address: IpAddr) -> IpAddr {
    match plain(address) {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Drop for AddressSeat {
    fn drop(&mut self) {
        let now_us = self.addresses.began.elapsed().as_micros() as u64;
        let mut shard = self.addresses.shard(self.address).lock();
        let Some(visits) = shard.get_mut(&self.address) else { return };
        let open = visits.open(self.kind);
        *open = open.saturating_sub(1);
        if !visits.is_open() && visits.booked_us <= now_us {
            shard.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(sockets: u32, arrivals: u32, most: usize) -> Arc<Addresses> {
        Arc::new(Addresses::new(AddressRules {
            sockets,
            arrivals: Rate::new(arrivals, Duration::from_hours(1)),
            requests: 2,
            addresses: most,
        }))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn len(addresses: &Addresses) -> usize {
        addresses.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    #[test]
    fn a_seat_that_is_given_back_is_free_again_and_other_addresses_have_their_own() {
        let addresses = addresses(2, 0, 100);
        let sit = |text| addresses.sit(ip(text), Kind::Socket);
        let first = sit("192.0.2.1").unwrap();
        let _second = sit("::ffff:192.0.2.1").unwrap();
        assert_eq!(sit("192.0.2.1").unwrap_err(), Met::Sockets);
        let _other = sit("192.0.2.2").unwrap();
        drop(first);
        assert!(sit("192.0.2.1").is_ok());
    }

    #[test]
    fn who_comes_too_often_is_told_when_to_come_again() {
        let addresses = addresses(10, 3, 100);
        for _ in 0..3 {
            drop(addresses.sit(ip("192.0.2.1"), Kind::Socket).unwrap());
        }
        let refused = addresses.sit(ip("192.0.2.1"), Kind::Socket).unwrap_err();
        let Met::Arrivals(wait) = refused else { panic!("{refused:?}") };
        assert!(wait > Duration::from_mins(19) && wait <= Duration::from_mins(20), "{wait:?}");
    }

    #[test]
    fn requests_are_counted_apart_from_sockets() {
        let addresses = addresses(1, 0, 100);
        let _socket = addresses.sit(ip("192.0.2.1"), Kind::Socket).unwrap();
        let _requests = [(); 2].map(|()| addresses.sit(ip("192.0.2.1"), Kind::Request).unwrap());
        let third = addresses.sit(ip("192.0.2.1"), Kind::Request);
        assert_eq!(third.unwrap_err(), Met::Requests);
    }

    #[test]
    fn a_network_of_64_bits_is_one_address() {
        let addresses = addresses(1, 0, 100);
        let _one = addresses.sit(ip("2001:db8:1:2::1"), Kind::Socket).unwrap();
        let next_door = addresses.sit(ip("2001:db8:1:2:ffff::9"), Kind::Socket);
        assert_eq!(next_door.unwrap_err(), Met::Sockets);
        assert!(addresses.sit(ip("2001:db8:1:3::1"), Kind::Socket).is_ok());
    }

    #[test]
    fn addresses_without_anything_open_are_forgotten_beyond_the_bound() {
        let addresses = addresses(1, 1, 160);
        let stays = addresses.sit(ip("192.0.2.1"), Kind::Socket).unwrap();
        for number in 0..10_000_u32 {
            let address = IpAddr::V4((0x0a00_0000 + number).into());
            drop(addresses.sit(address, Kind::Socket));
        }
        assert!(len(&addresses) <= 161, "{}", len(&addresses));
        assert!(addresses.sit(ip("192.0.2.1"), Kind::Socket).is_err(), "its socket is still open");
        drop(stays);
    }
}
