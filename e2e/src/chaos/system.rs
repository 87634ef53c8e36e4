//! The cluster under test: backends of its own, links through the fault proxy, five services.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;

use super::broker::Broker;
use super::daemon::{self, Daemon};
use super::proxy::FaultProxy;
use super::watch::Pids;
use super::{machine, postgres};
use crate::process::Process;
use crate::token::SECRET;

/// Fixed ports on an address of its own, so that what was killed comes back in the same place.
const GATEWAY_PORT: u16 = 8_080;
const CHAT_PORT: u16 = 7_010;
const PRESENCE_PORT: u16 = 7_020;

/// One of the services under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The edge.
    Gateway(u16),
    /// The log.
    Chat(u16),
    /// Who is where.
    Presence,
}

impl Service {
    /// All of them, in the order they are started.
    pub const ALL: [Self; 5] =
        [Self::Presence, Self::Chat(0), Self::Chat(1), Self::Gateway(0), Self::Gateway(1)];

    fn binary(self) -> &'static str {
        match self {
            Self::Gateway(_) => "gateway",
            Self::Chat(_) => "chat-service",
            Self::Presence => "presence-service",
        }
    }

    fn management_port(self) -> u16 {
        match self {
            Self::Gateway(number) => 9_000 + number,
            Self::Chat(number) => 9_010 + number,
            Self::Presence => 9_020,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(number) => write!(f, "gateway-{number}"),
            Self::Chat(number) => write!(f, "chat-{number}"),
            Self::Presence => f.write_str("presence"),
        }
    }
}

/// One of the backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backend {
    /// The store.
    Postgres,
    /// Presence's memory.
    Redis,
    /// The bus.
    Broker,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::Redis, Self::Broker];
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Broker => "broker",
        })
    }
}

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

/// The running cluster. Backends are dropped before their folder.
#[derive(Debug)]
pub struct System {
    /// The services by name, while they run.
    pub services: BTreeMap<Service, Process>,
    /// Between everything.
    pub proxy: FaultProxy,
    /// The store.
    pub postgres: Daemon,
    /// Presence's memory.
    pub redis: Daemon,
    /// The bus.
    pub broker: Broker,
    /// Who is watched.
    pub pids: Pids,
    /// The folder of the run's logs, within that of all.
    label: String,
    host: Ipv4Addr,
    links: BTreeMap<String, SocketAddr>,
    _folder: TempDir,
}

impl System {
    /// Starts everything and waits until it is ready. Logs go to `out`.
    pub async fn start(out: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidings-chaos-").tempdir()?;
        open_to_all(folder.path())?;
        let host = machine::own_host();
        let log = |name: &str| -> PathBuf { out.join(format!("{name}.log")) };
        let (postgres, redis, broker) = tokio::try_join!(
            postgres::start(host, folder.path(), log("postgres")),
            daemon::redis(host, folder.path(), log("redis")),
            Broker::start(host, folder.path(), log("broker")),
        )?;
        let upstream = |link: &str| -> SocketAddr {
            let is_first = |digits: &str| digits.starts_with('0');
            match link.split_once('-') {
                Some(("broker", _)) => broker.daemon.address(),
                Some(("postgres", _)) => postgres.address(),
                Some(("redis", _)) => redis.address(),
                Some(("presence", _)) => (host, PRESENCE_PORT).into(),
                Some(("chat", rest)) => (host, CHAT_PORT + u16::from(!is_first(rest))).into(),
                _ => (host, GATEWAY_PORT + u16::from(link.ends_with('1'))).into(),
            }
        };
        let mut links = BTreeMap::new();
        let mut options = Vec::new();
        for link in LINKS {
            let listen: SocketAddr = (host, machine::free_port(host)?).into();
            links.insert(link.to_owned(), listen);
            options.push((link.to_owned(), listen, upstream(link)));
        }
        let proxy = FaultProxy::start(&options).await?;
        let label = out.file_name().and_then(|name| name.to_str()).context("plain names")?;
        let mut system = Self {
            services: BTreeMap::new(),
            proxy,
            postgres,
            redis,
            broker,
            pids: Pids::default(),
            label: label.to_owned(),
            host,
            links,
            _folder: folder,
        };
        for service in Service::ALL {
            system.start_service(service).await;
        }
        system.ready(Duration::from_mins(1)).await.map_err(anyhow::Error::msg)?;
        Ok(system)
    }

    /// The backend's process.
    pub fn backend(&mut self, backend: Backend) -> &mut Daemon {
        match backend {
            Backend::Postgres => &mut self.postgres,
            Backend::Redis => &mut self.redis,
            Backend::Broker => &mut self.broker.daemon,
        }
    }

    /// A service that runs.
    pub fn service(&mut self, service: Service) -> anyhow::Result<&mut Process> {
        self.services.get_mut(&service).with_context(|| format!("{service} does not run"))
    }

    /// Where clients find a gateway: past its link.
    pub fn gateway_address(&self, number: u16) -> SocketAddr {
        self.links[&format!("client-gateway-{number}")]
    }

    /// Starts a service, also after it was killed.
    pub async fn start_service(&mut self, service: Service) {
        let environment = self.environment(service);
        let name = service.to_string();
        let label = format!("{}/{name}", self.label);
        let process = Process::start(&label, service.binary(), &[], &environment).await;
        self.pids.set(&name, process.pid());
        self.services.insert(service, process);
    }

    fn link(&self, name: &str) -> SocketAddr {
        self.links[name]
    }

    fn environment(&self, service: Service) -> Vec<(String, String)> {
        let host = self.host;
        let amqp = format!("amqp://guest:guest@{}/%2f", self.link(&format!("broker-{service}")));
        let grpc = |addresses: &[SocketAddr]| {
            let urls: Vec<String> =
                addresses.iter().map(|address| format!("\"http://{address}\"")).collect();
            format!("[{}]", urls.join(", "))
        };
        let mut pairs = vec![
            ("MANAGEMENT_LISTEN", format!("{host}:{}", service.management_port())),
            ("AMQP__URL", amqp),
        ];
        let prefix = match service {
            Service::Gateway(number) => {
                pairs.extend([
                    ("GATEWAY_ID", service.to_string()),
                    ("LISTEN", format!("{host}:{}", GATEWAY_PORT + number)),
                    ("AUTH__HS256_SECRET", SECRET.to_owned()),
                    (
                        "CHAT_GRPC__URLS",
                        grpc(&[0, 1].map(|chat| self.link(&format!("chat-{chat}-{service}")))),
                    ),
                    ("PRESENCE_GRPC__URLS", grpc(&[self.link(&format!("presence-{service}"))])),
                    // Small, so that slow readers are given up within a fault's time.
                    ("LIMITS__OUTBOX_BYTES", (256 * 1024).to_string()),
                    // The whole fleet comes from one address.
                    ("ADMISSION__EXEMPT_NETWORKS", "[\"127.0.0.0/8\"]".to_owned()),
                ]);
                "TIDINGS_GATEWAY__"
            }
            Service::Chat(number) => {
                let postgres = self.link(&format!("postgres-{service}"));
                let database = postgres::DATABASE;
                pairs.extend([
                    ("GRPC_LISTEN", format!("{host}:{}", CHAT_PORT + number)),
                    ("DATABASE__URL", format!("postgres://postgres@{postgres}/{database}")),
                    ("PRESENCE_GRPC__URLS", grpc(&[self.link(&format!("presence-{service}"))])),
                ]);
                "TIDINGS_CHAT__"
            }
            Service::Presence => {
                pairs.extend([
                    ("GRPC_LISTEN", format!("{host}:{PRESENCE_PORT}")),
                    ("REDIS__URL", format!("redis://{}", self.link("redis-presence"))),
                    (
                        "CHAT_GRPC__URLS",
                        grpc(&[CHAT_PORT, CHAT_PORT + 1].map(|port| (host, port).into())),
                    ),
                ]);
                "TIDINGS_PRESENCE__"
            }
        };
        pairs.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)).collect()
    }

    /// Waits until every service says that it is ready; who does not.
    pub async fn ready(&self, patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        for service in Service::ALL {
            let url = format!("http://{}:{}/health/ready", self.host, service.management_port());
            loop {
                let said = match reqwest::get(&url).await {
                    Ok(answer) if answer.status().is_success() => break,
                    Ok(answer) => answer.text().await.unwrap_or_default(),
                    Err(error) => error.to_string(),
                };
                if Instant::now() > deadline {
                    return Err(format!("{service} is not ready after {patience:?}: {said}"));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }
}

/// Postgres runs as another user and must reach its folder.
fn open_to_all(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}
