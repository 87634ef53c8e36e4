//! Who listens where, who reaches whom through which link, and what services are told of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use e2e::tenants;
use e2e::token::SECRET;

use super::system::Service;
use super::{machine, postgres};

/// Fixed ports on an address of its own, so that what was killed comes back in the same place.
const GATEWAY_PORT: u16 = 8_080;
const CHAT_PORT: u16 = 7_010;
const PRESENCE_PORT: u16 = 7_020;

/// Attempts at an event, one a second: no fault lasts so long.
const HOOK_ATTEMPTS: usize = 120;

/// The links that every message goes through.
pub const BUSY_LINKS: [&str; 8] = [
    "broker-gateway-0",
    "broker-gateway-1",
    "broker-chat-0",
    "broker-chat-1",
    "postgres-chat-0",
    "postgres-chat-1",
    "client-gateway-0",
    "client-gateway-1",
];

/// All links, each with a proxy: who is listened to, and by whom (clients listen to gateways).
pub const LINKS: [&str; 18] = [
    "broker-gateway-0",
    "broker-gateway-1",
    "broker-chat-0",
    "broker-chat-1",
    "broker-presence",
    "postgres-chat-0",
    "postgres-chat-1",
    "redis-presence",
    "presence-chat-0",
    "presence-chat-1",
    "presence-gateway-0",
    "presence-gateway-1",
    "chat-0-gateway-0",
    "chat-1-gateway-0",
    "chat-0-gateway-1",
    "chat-1-gateway-1",
    "client-gateway-0",
    "client-gateway-1",
];

/// The addresses of the backends.
#[derive(Debug, Clone, Copy)]
pub struct Backends {
    /// The store.
    pub postgres: SocketAddr,
    /// Presence's memory.
    pub redis: SocketAddr,
    /// The bus.
    pub broker: SocketAddr,
}

/// The addresses of a service that lives in a network namespace.
#[derive(Debug, Clone, Copy)]
pub struct Apart {
    /// Its own.
    pub inside: Ipv4Addr,
    /// Where it finds the others.
    pub outside: Ipv4Addr,
}

/// A link: its name, where it listens, where it leads to.
pub type Line = (String, SocketAddr, SocketAddr);

/// The addresses of a run.
#[derive(Debug)]
pub struct Wiring {
    host: Ipv4Addr,
    apart: BTreeMap<Service, Apart>,
    links: BTreeMap<String, SocketAddr>,
}

impl Wiring {
    /// Lays the links; they are to be listened on by a proxy.
    pub fn lay(
        host: Ipv4Addr,
        apart: BTreeMap<Service, Apart>,
        backends: Backends,
    ) -> anyhow::Result<(Self, Vec<Line>)> {
        let mut wiring = Self { host, apart, links: BTreeMap::new() };
        let mut lines = Vec::new();
        for link in LINKS {
            let near = wiring.near(link);
            let listen: SocketAddr = (near, machine::free_port(near)?).into();
            wiring.links.insert(link.to_owned(), listen);
            lines.push((link.to_owned(), listen, wiring.far(link, backends)));
        }
        Ok((wiring, lines))
    }

    /// Where the user of the link finds it.
    fn near(&self, link: &str) -> Ipv4Addr {
        let mut apart = self.apart.iter();
        let user = apart.find(|(service, _)| link.ends_with(&service.to_string()));
        let user = user.filter(|_| !link.starts_with("client"));
        user.map_or(self.host, |(_, apart)| apart.outside)
    }

    fn far(&self, link: &str, backends: Backends) -> SocketAddr {
        let number = |digits: &str| u16::from(!digits.starts_with('0'));
        match link.split_once('-') {
            Some(("broker", _)) => backends.broker,
            Some(("postgres", _)) => backends.postgres,
            Some(("redis", _)) => backends.redis,
            Some(("presence", _)) => self.address(Service::Presence),
            Some(("chat", rest)) => self.address(Service::Chat(number(rest))),
            _ => self.address(Service::Gateway(u16::from(link.ends_with('1')))),
        }
    }

    fn home(&self, service: Service) -> Ipv4Addr {
        self.apart.get(&service).map_or(self.host, |apart| apart.inside)
    }

    /// Where a service listens.
    fn address(&self, service: Service) -> SocketAddr {
        let port = match service {
            Service::Gateway(number) => GATEWAY_PORT + number,
            Service::Chat(number) => CHAT_PORT + number,
            Service::Presence => PRESENCE_PORT,
        };
        (self.home(service), port).into()
    }

    /// Where a service tells how it is.
    pub fn management(&self, service: Service) -> SocketAddr {
        let port = match service {
            Service::Gateway(number) => 9_000 + number,
            Service::Chat(number) => 9_010 + number,
            Service::Presence => 9_020,
        };
        (self.home(service), port).into()
    }

    /// Where a link is entered.
    pub fn link(&self, name: &str) -> SocketAddr {
        self.links[name]
    }

    /// Where chat services reach a receiver of webhooks: past the wall of the one that lives apart.
    pub fn hook_host(&self) -> Ipv4Addr {
        self.apart.get(&Service::Chat(1)).map_or(self.host, |apart| apart.outside)
    }

    /// What a service is started with.
    pub fn environment(&self, service: Service) -> Vec<(String, String)> {
        let amqp = format!("amqp://guest:guest@{}/%2f", self.link(&format!("broker-{service}")));
        let listen = self.address(service).to_string();
        let presence = || grpc(&[self.link(&format!("presence-{service}"))]);
        let mut pairs =
            vec![("MANAGEMENT_LISTEN", self.management(service).to_string()), ("AMQP__URL", amqp)];
        let prefix = match service {
            Service::Gateway(_) => {
                let chats = [0, 1].map(|chat| self.link(&format!("chat-{chat}-{service}")));
                pairs.extend([
                    ("GATEWAY_ID", service.to_string()),
                    ("LISTEN", listen),
                    ("AUTH__HS256_SECRET", SECRET.to_owned()),
                    ("TENANTS", tenants::list(&[])),
                    ("CHAT_GRPC__URLS", grpc(&chats)),
                    ("PRESENCE_GRPC__URLS", presence()),
                    // Small, so that slow readers are given up within a fault's time.
                    ("LIMITS__OUTBOX_BYTES", (256 * 1024).to_string()),
                    // The whole fleet comes from one address, here or in a namespace.
                    (
                        "ADMISSION__EXEMPT_NETWORKS",
                        "[\"127.0.0.0/8\", \"198.18.0.0/15\"]".to_owned(),
                    ),
                ]);
                "TIDINGS_GATEWAY__"
            }
            Service::Chat(_) => {
                let postgres = self.link(&format!("postgres-{service}"));
                let database = postgres::DATABASE;
                pairs.extend([
                    ("GRPC_LISTEN", listen),
                    ("DATABASE__URL", format!("postgres://postgres@{postgres}/{database}")),
                    ("PRESENCE_GRPC__URLS", presence()),
                ]);
                pairs.extend(hooks(&[self.hook_host().into()]));
                "TIDINGS_CHAT__"
            }
            Service::Presence => {
                let chats = [0, 1].map(|chat| self.address(Service::Chat(chat)));
                pairs.extend([
                    ("GRPC_LISTEN", listen),
                    ("REDIS__URL", format!("redis://{}", self.link("redis-presence"))),
                    ("CHAT_GRPC__URLS", grpc(&chats)),
                ]);
                "TIDINGS_PRESENCE__"
            }
        };
        pairs.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)).collect()
    }
}

/// Webhooks to these addresses, tried again soon and given up by nobody.
pub fn hooks(hosts: &[IpAddr]) -> [(&'static str, String); 2] {
    let hosts: Vec<String> = hosts.iter().map(|host| format!("\"{host}\"")).collect();
    let again = vec!["1"; HOOK_ATTEMPTS].join(", ");
    [
        ("WEBHOOKS__INSECURE_HOSTS", format!("[{}]", hosts.join(", "))),
        ("WEBHOOKS__RETRY_SECS", format!("[{again}]")),
    ]
}

fn grpc(addresses: &[SocketAddr]) -> String {
    let urls: Vec<String> =
        addresses.iter().map(|address| format!("\"http://{address}\"")).collect();
    format!("[{}]", urls.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_apart_enters_its_links_from_outside_and_is_reached_inside() {
        let host = Ipv4Addr::LOCALHOST;
        let inside = Ipv4Addr::new(127, 7, 7, 2);
        let outside = Ipv4Addr::new(127, 7, 7, 1);
        let apart = BTreeMap::from([(Service::Gateway(1), Apart { inside, outside })]);
        let backend = |port| (host, port).into();
        let backends = Backends { postgres: backend(1), redis: backend(2), broker: backend(3) };
        let (wiring, lines) = Wiring::lay(host, apart, backends).unwrap();
        let of = |name: &str| lines.iter().find(|(link, ..)| link == name).unwrap();
        assert_eq!(of("broker-gateway-1").1.ip(), outside);
        assert_eq!(of("chat-0-gateway-1").1.ip(), outside);
        assert_eq!(of("chat-0-gateway-1").2, wiring.address(Service::Chat(0)));
        assert_eq!(of("chat-1-gateway-0").2, wiring.address(Service::Chat(1)));
        // Its clients stay where they are.
        assert_eq!(of("client-gateway-1").1.ip(), host);
        assert_eq!(of("client-gateway-1").2.ip(), inside);
        assert_eq!(of("broker-gateway-0").1.ip(), host);
        assert_eq!(wiring.management(Service::Gateway(1)).ip(), inside);
    }
}
