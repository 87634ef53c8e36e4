//! The cluster under test: backends of its own, links through the fault proxy, five services.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use e2e::process::{Process, binary};
use tempfile::TempDir;

use super::broker::Broker;
use super::daemon::{self, Daemon};
use super::means::Means;
use super::proxy::FaultProxy;
use super::watch::Pids;
use super::wiring::{Backends, Wiring};
use super::{machine, postgres};

/// A health check is asked again when it is not answered in this time.
const ANSWER: Duration = Duration::from_secs(5);

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

/// The running cluster. Backends are dropped before their disks, and these before their folder.
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
    /// What this machine lets us do.
    pub means: Means,
    /// The folder of the run's logs, within that of all.
    label: String,
    wiring: Wiring,
    /// Where services are taken from first.
    binaries: Option<PathBuf>,
    _folder: TempDir,
}

impl System {
    /// Starts everything and waits until it is ready. Logs go to `out`; services are those in
    /// `binaries` where it has them.
    pub async fn start(out: &Path, binaries: Option<&Path>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidings-chaos-").tempdir()?;
        open_to_all(folder.path())?;
        let means = Means::find(folder.path()).await;
        let host = machine::own_host();
        let log = |name: &str| -> PathBuf { out.join(format!("{name}.log")) };
        let (postgres, redis, broker) = tokio::try_join!(
            postgres::start(host, folder.path(), log("postgres")),
            daemon::redis(host, folder.path(), log("redis")),
            Broker::start(host, folder.path(), log("broker")),
        )?;
        let backends = Backends {
            postgres: postgres.address(),
            redis: redis.address(),
            broker: broker.daemon.address(),
        };
        let (wiring, lines) = Wiring::lay(host, means.apart(), backends)?;
        let proxy = FaultProxy::start(&lines).await?;
        let label = out.file_name().and_then(|name| name.to_str()).context("plain names")?;
        let mut system = Self {
            services: BTreeMap::new(),
            proxy,
            postgres,
            redis,
            broker,
            pids: Pids::default(),
            means,
            label: label.to_owned(),
            wiring,
            binaries: binaries.map(Path::to_path_buf),
            _folder: folder,
        };
        for service in Service::ALL {
            system.start_service(service).await?;
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
        self.wiring.link(&format!("client-gateway-{number}"))
    }

    /// Where chat services reach a receiver of webhooks.
    pub fn hook_host(&self) -> std::net::Ipv4Addr {
        self.wiring.hook_host()
    }

    /// What a service is started with.
    pub fn environment(&self, service: Service) -> Vec<(String, String)> {
        self.wiring.environment(service)
    }

    /// Starts a service, also after it was killed.
    pub async fn start_service(&mut self, service: Service) -> anyhow::Result<()> {
        let mut environment = self.wiring.environment(service);
        environment.extend(self.means.environment(service));
        let name = service.to_string();
        let label = format!("{}/{name}", self.label);
        let special = self.binaries.as_ref().map(|folder| folder.join(service.binary()));
        let path = special.filter(|path| path.exists()).unwrap_or_else(|| binary(service.binary()));
        let (path, arguments) = self.means.entrance(service, path)?;
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let process = Process::start_at(&label, &path, &arguments, &environment).await;
        self.pids.set(&name, process.pid());
        self.services.insert(service, process);
        Ok(())
    }

    /// Waits until every service says that it is ready; who does not.
    pub async fn ready(&self, patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        let client = reqwest::Client::builder().timeout(ANSWER).build();
        let client = client.map_err(|error| error.to_string())?;
        for service in Service::ALL {
            let url = format!("http://{}/health/ready", self.wiring.management(service));
            loop {
                let said = match client.get(&url).send().await {
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
