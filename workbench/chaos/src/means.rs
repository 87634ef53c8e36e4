//! What this machine lets the suite do beside signals and sockets: lose packets, move clocks, fill
//! disks. What it does not is left out, and the report says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::clock::Clocks;
use super::namespace::Namespace;
use super::schedule::Deed;
use super::small_disk::SmallDisk;
use super::system::{Backend, Service};
use super::wiring::Apart;

/// The services that live in namespaces.
pub const APART: [Service; 2] = [Service::Chat(1), Service::Gateway(1)];

/// What there is, or why it is not.
#[derive(Debug)]
pub struct Means {
    namespaces: Result<BTreeMap<Service, Namespace>, String>,
    clocks: Result<Clocks, String>,
    postgres: Result<SmallDisk, String>,
    broker: Result<SmallDisk, String>,
}

fn why(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

impl Means {
    /// Finds out. Disks are mounted under `folder`, for backends that have not started yet.
    pub async fn find(folder: &Path) -> Self {
        let disk = |backend: Backend| SmallDisk::mount(&folder.join(backend.to_string()));
        Self {
            namespaces: namespaces().await.map_err(|error| why(&error)),
            clocks: Clocks::find(folder).map_err(|error| why(&error)),
            postgres: disk(Backend::Postgres).map_err(|error| why(&error)),
            broker: disk(Backend::Broker).map_err(|error| why(&error)),
        }
    }

    /// Why a deed cannot be done here.
    pub fn lacks(&self, deed: &Deed) -> Option<&str> {
        match deed {
            Deed::LosePackets(..) => self.namespaces.as_ref().err(),
            Deed::Clock(..) => self.clocks.as_ref().err(),
            Deed::FullDisk(Backend::Broker) => self.broker.as_ref().err(),
            Deed::FullDisk(_) => self.postgres.as_ref().err(),
            _ => None,
        }
        .map(String::as_str)
    }

    /// The services that live apart.
    pub fn apart(&self) -> BTreeMap<Service, Apart> {
        let all = self.namespaces.iter().flatten();
        all.map(|(service, namespace)| (*service, namespace.apart())).collect()
    }

    /// A service's namespace.
    pub fn namespace(&self, service: Service) -> anyhow::Result<&Namespace> {
        let namespace = self.namespaces.as_ref().ok().and_then(|all| all.get(&service));
        namespace.with_context(|| format!("{service} has no namespace"))
    }

    /// The clocks that can jump.
    pub fn clocks(&self) -> anyhow::Result<&Clocks> {
        self.clocks.as_ref().map_err(|why| anyhow::anyhow!("no clock can jump: {why}"))
    }

    /// A backend's own disk.
    pub fn disk(&self, backend: Backend) -> anyhow::Result<&SmallDisk> {
        let disk = if backend == Backend::Broker { &self.broker } else { &self.postgres };
        disk.as_ref().map_err(|why| anyhow::anyhow!("{backend} has no disk of its own: {why}"))
    }

    /// What a service is started with besides.
    pub fn environment(&self, service: Service) -> Vec<(String, String)> {
        self.clocks.as_ref().map_or_else(|_| Vec::new(), |clocks| clocks.environment(service))
    }

    /// What to start so that a program runs where its service lives.
    pub fn entrance(
        &self,
        service: Service,
        path: PathBuf,
    ) -> anyhow::Result<(PathBuf, Vec<String>)> {
        match self.namespaces.as_ref().ok().and_then(|all| all.get(&service)) {
            Some(namespace) => namespace.enter(&path),
            None => Ok((path, Vec::new())),
        }
    }
}

async fn namespaces() -> anyhow::Result<BTreeMap<Service, Namespace>> {
    let mut all = BTreeMap::new();
    for service in APART {
        all.insert(service, Namespace::create().await?);
    }
    Ok(all)
}
