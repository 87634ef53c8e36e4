//! Who may come in: limits of the gateway, of the process's files, and of each address. Everybody who is
//! let in holds a place and gives it back when the connection is gone, however it ends.
//!
//! Must not know tokens, frames or sessions. The rates of users are counted in `rates`; how many connections a user may have
//! is decided by presence, which knows all gateways.

mod addresses;
pub mod config;
mod direct;
mod forwarded;
pub(crate) mod fullness;
pub mod network;
pub(crate) mod proxy_protocol;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, Version};
use platform::rate_limit::Rate;

pub(crate) use addresses::AddressSeat;
use addresses::{AddressRules, Addresses, Kind, Met};
use config::AdmissionConfig;
use network::plain;

/// What is told where a tenant has as many connections as it may.
pub(crate) const TENANT_IS_FULL: &str = "this application has as many connections here as allowed";

/// When to come again after a limit that others decide.
const LATER: Duration = Duration::from_secs(5);

/// Why a client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The gateway has as many sockets as it may.
    Gateway,
    /// The tenant has as many sockets at this gateway as it may.
    Tenant,
    /// The process has no files left for clients.
    Files,
    /// The address has as many sockets as it may.
    AddressSockets,
    /// The address opened as many sockets lately as it may.
    AddressArrivals(Duration),
    /// The address has as many requests and unfinished handshakes as it may.
    AddressRequests,
}

impl Refusal {
    /// The limit by name, as in reasons and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway_connections",
            Self::Tenant => "tenant_connections",
            Self::Files => "gateway_files",
            Self::AddressSockets => "address_sockets",
            Self::AddressArrivals(_) => "address_arrivals",
            Self::AddressRequests => "address_requests",
        }
    }

    /// For people; begins with the limit's name.
    pub(crate) fn reason(self) -> String {
        let text = match self {
            Self::Gateway | Self::Files => "this gateway has as many connections as it may",
            Self::Tenant => TENANT_IS_FULL,
            Self::AddressSockets => "this address has as many sockets as it may",
            Self::AddressArrivals(_) => "this address opened too many sockets lately",
            Self::AddressRequests => "this address has too many requests under way",
        };
        format!("{}: {text}", self.name())
    }

    /// When to come again.
    pub(crate) fn retry_after(self) -> Duration {
        match self {
            Self::AddressArrivals(wait) => wait,
            _ => LATER,
        }
    }

    /// Whether another gateway may have room: 503, and not 429.
    pub(crate) fn is_of_gateway(self) -> bool {
        matches!(self, Self::Gateway | Self::Files | Self::Tenant)
    }
}

impl From<Met> for Refusal {
    fn from(met: Met) -> Self {
        match met {
            Met::Sockets => Self::AddressSockets,
            Met::Arrivals(wait) => Self::AddressArrivals(wait),
            Met::Requests => Self::AddressRequests,
        }
    }
}

/// A number of places.
#[derive(Debug)]
struct Room {
    taken: AtomicUsize,
    most: usize,
}

/// A place in a room; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Room>);

impl Room {
    fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), most })
    }

    fn enter(self: &Arc<Self>) -> Option<Place> {
        let place = Place(Arc::clone(self));
        // Counted first: beyond the limit, dropping the place takes it off again.
        (self.taken.fetch_add(1, Ordering::AcqRel) < self.most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A client, as limits see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    /// Behind proxies that are believed: the address that they named.
    pub(crate) address: IpAddr,
    /// Limits of addresses and rates do not apply.
    pub(crate) is_exempt: bool,
    /// A program on this machine, without a proxy between.
    pub(crate) is_local: bool,
}

/// A socket's seats.
#[derive(Debug)]
pub(crate) struct SocketSeat {
    _gateway: Place,
    _address: Option<AddressSeat>,
}

/// The gate.
#[derive(Debug)]
pub(crate) struct Admission {
    config: AdmissionConfig,
    files: Arc<Room>,
    sockets: Arc<Room>,
    addresses: Arc<Addresses>,
    /// The log has heard of a proxy that is not listed.
    is_warned: AtomicBool,
}

/// What a request says before its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) version: Version,
    pub(crate) headers: &'a HeaderMap,
}

impl Admission {
    /// A gateway of so many sockets, in a process that may open so many files.
    pub(crate) fn new(config: AdmissionConfig, sockets: usize, files: Option<u64>) -> Self {
        let unless_0 = |count| if count == 0 { u32::MAX } else { count };
        let rules = AddressRules {
            sockets: unless_0(config.address_sockets),
            arrivals: Rate::new(
                config.address_arrivals,
                Duration::from_secs(config.address_window_secs),
            ),
            requests: unless_0(config.address_requests),
            addresses: config.addresses,
        };
        Self {
            files: Room::new(config.connections_by_files(files)),
            sockets: Room::new(sockets),
            addresses: Arc::new(Addresses::new(rules)),
            is_warned: AtomicBool::new(false),
            config,
        }
    }

    pub(crate) fn config(&self) -> &AdmissionConfig {
        &self.config
    }

    /// A place for one more TCP connection. It goes with the connection's file.
    pub(crate) fn file(&self) -> Result<Place, Refusal> {
        self.files.enter().ok_or(Refusal::Files)
    }

    /// A seat for a connection that is no socket yet. Proxies have many, for many.
    pub(crate) fn request(&self, peer: IpAddr) -> Result<Option<AddressSeat>, Refusal> {
        let is_proxy = is_in(&self.config.trusted_proxies, peer);
        if is_proxy || is_in(&self.config.exempt_networks, peer) {
            return Ok(None);
        }
        Ok(Some(self.addresses.sit(peer, Kind::Request)?))
    }

    /// A seat for a socket.
    pub(crate) fn socket(&self, client: Client) -> Result<SocketSeat, Refusal> {
        let gateway = self.sockets.enter().ok_or(Refusal::Gateway)?;
        let address = if client.is_exempt {
            None
        } else {
            Some(self.addresses.sit(client.address, Kind::Socket)?)
        };
        Ok(SocketSeat { _gateway: gateway, _address: address })
    }

    /// Whose request it is. Networks are exempt by addresses that can be trusted alone: a proxy that is not
    /// listed has an address that says nothing about who asks.
    pub(crate) fn client(&self, peer: IpAddr, head: Head<'_>) -> Client {
        let config = &self.config;
        let address = forwarded::client(peer, head.headers, &config.trusted_proxies);
        let is_listed = is_in(&config.exempt_networks, address);
        let Some(sign) = direct::proxy_sign(head.headers, head.version) else {
            // A page that a browser on this machine was led to under another name is not this machine.
            let is_local = plain(address).is_loopback()
                && direct::names_this_machine(head.headers, &config.hosts);
            let is_exempt = is_listed && (is_local || !plain(address).is_loopback());
            return Client { address, is_exempt, is_local };
        };
        let is_told = is_in(&config.trusted_proxies, peer) && forwarded::is_told(head.headers);
        if is_listed && !is_told && !self.is_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                sign,
                "requests come through a proxy that is not listed: limits apply to all of its clients as to \
                 one address, and nobody is given a development token; name its network in \
                 admission.trusted_proxies (docs/behind-a-proxy.md)"
            );
        }
        let is_local = is_told && plain(address).is_loopback();
        Client { address, is_exempt: is_listed && is_told, is_local }
    }

    /// Whether connections of this peer begin with a header of the PROXY protocol.
    pub(crate) fn speaks_proxy_protocol(&self, peer: IpAddr) -> bool {
        is_in(&self.config.proxy_protocol_from, peer)
    }
}

fn is_in(networks: &[network::Network], address: IpAddr) -> bool {
    let address = plain(address);
    networks.iter().any(|network| network.contains(address))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn client(address: &str, is_exempt: bool) -> Client {
        Client { address: address.parse().unwrap(), is_exempt, is_local: false }
    }

    #[test]
    fn sockets_of_all_addresses_fill_the_gateway_and_leave_room_again() {
        let admission = Admission::new(AdmissionConfig::default(), 2, None);
        let one = admission.socket(client("192.0.2.1", false)).unwrap();
        let _two = admission.socket(client("192.0.2.2", true)).unwrap();
        let third = client("192.0.2.3", true);
        assert_eq!(admission.socket(third).unwrap_err(), Refusal::Gateway);
        drop(one);
        assert!(admission.socket(third).is_ok());
    }

    #[test]
    fn who_is_refused_for_the_address_takes_no_place_of_the_gateway() {
        let config = AdmissionConfig { address_sockets: 1, ..AdmissionConfig::default() };
        let admission = Admission::new(config, 2, None);
        let _one = admission.socket(client("192.0.2.1", false)).unwrap();
        for _ in 0..5 {
            let refused = admission.socket(client("192.0.2.1", false)).unwrap_err();
            assert_eq!(refused, Refusal::AddressSockets);
        }
        assert!(admission.socket(client("192.0.2.2", false)).is_ok());
    }

    #[test]
    fn a_proxy_beside_the_server_is_not_this_machine_unless_it_is_listed() {
        let own = |trusted: &[&str]| {
            let networks = |texts: &[&str]| texts.iter().map(|it| it.parse().unwrap()).collect();
            Admission::new(
                AdmissionConfig {
                    exempt_networks: networks(&["127.0.0.0/8"]),
                    trusted_proxies: networks(trusted),
                    ..AdmissionConfig::default()
                },
                1,
                None,
            )
        };
        let seen = |admission: &Admission, headers: &[(&'static str, &str)]| {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            let head = Head { version: Version::HTTP_11, headers: &headers };
            let client = admission.client("127.0.0.1".parse().unwrap(), head);
            (client.is_exempt, client.is_local)
        };
        let here = ("host", "127.0.0.1:8080");
        let alone = own(&[]);
        assert_eq!(seen(&alone, &[here]), (true, true));
        assert_eq!(seen(&alone, &[("host", "evil.example:8080")]), (false, false));
        assert_eq!(seen(&alone, &[here, ("x-forwarded-for", "127.0.0.1")]), (false, false));
        assert_eq!(seen(&alone, &[here, ("via", "1.1 somebody")]), (false, false));
        let behind = own(&["127.0.0.1/32"]);
        let client = |address| [("host", "chat.example"), ("x-forwarded-for", address)];
        assert_eq!(seen(&behind, &client("203.0.113.7")), (false, false));
        assert_eq!(seen(&behind, &client("127.0.0.1")), (true, true), "the proxy says so");
        assert_eq!(seen(&behind, &[here, ("x-real-ip", "203.0.113.7")]), (false, false));
        assert_eq!(seen(&behind, &[here, ("x-forwarded-for", "nonsense")]), (false, false));
    }

    #[test]
    fn files_are_kept_for_other_things() {
        let config = AdmissionConfig::default();
        assert_eq!(config.connections_by_files(None), usize::MAX);
        assert_eq!(config.connections_by_files(Some(20_000)), 20_000 - 256);
        assert_eq!(config.connections_by_files(Some(256)), 192, "a quarter of few");
    }
}
