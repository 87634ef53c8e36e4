//! Keeps a balanced channel supplied: looks host names up again and again, watches every address, and
//! leaves out those that do not serve while another one does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use futures_util::future::join_all;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_stream::{StreamExt, StreamMap};
use tonic::transport::Endpoint;
use tonic::transport::channel::Change;

use super::channel::GrpcClientConfig;
use super::flow;
use super::health::{self, Health};
use super::tls::{ClientTls, advice};

/// Where a call may go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Peer {
    /// An address that a name has.
    At(SocketAddr),
    /// A name that has no address yet. A call to it fails at once and says so; without any peer it
    /// would wait, and no deadline of the transport would end the waiting.
    Named(String, u16),
}

impl Peer {
    fn url(&self, scheme: &str) -> String {
        match self {
            Self::At(address) => format!("{scheme}://{address}"),
            Self::Named(host, port) => format!("{scheme}://{host}:{port}"),
        }
    }
}

/// How long the look-up of a name may take: changes of health wait behind it.
const LOOKUP: Duration = Duration::from_secs(2);

/// A configured name.
#[derive(Debug, Default)]
struct Name {
    /// What it meant when it was found last.
    addresses: BTreeSet<SocketAddr>,
    /// The last look-up failed.
    is_missing: bool,
}

/// The task behind a channel.
pub(super) struct Resolver {
    section: &'static str,
    config: GrpcClientConfig,
    tls: Option<ClientTls>,
    names: BTreeMap<(String, u16), Name>,
    /// What each address says; absent until it has said something.
    serving: BTreeMap<SocketAddr, bool>,
    watches: StreamMap<SocketAddr, Pin<Box<dyn Stream<Item = Health> + Send>>>,
    /// What the channel has.
    offered: BTreeSet<Peer>,
    changes: Sender<Change<Peer, Endpoint>>,
    /// Whether anybody serves.
    telling: watch::Sender<Option<bool>>,
}

impl Resolver {
    pub(super) fn new(
        section: &'static str,
        config: GrpcClientConfig,
        tls: Option<ClientTls>,
        names: impl IntoIterator<Item = (String, u16)>,
        changes: Sender<Change<Peer, Endpoint>>,
        telling: watch::Sender<Option<bool>>,
    ) -> Self {
        Self {
            section,
            config,
            tls,
            names: names.into_iter().map(|name| (name, Name::default())).collect(),
            serving: BTreeMap::new(),
            watches: StreamMap::new(),
            offered: BTreeSet::new(),
            changes,
            telling,
        }
    }

    /// Runs until the channel is gone.
    pub(super) async fn run(mut self) {
        let every = Duration::from_secs(self.config.resolve_secs.max(1));
        let mut lookups = tokio::time::interval(every);
        lookups.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = lookups.tick() => self.look_up().await,
                Some((address, health)) = self.watches.next(), if !self.watches.is_empty() => {
                    self.heard(address, &health);
                }
                () = renewed(&mut self.tls) => {
                    // All connections are made anew; calls under way end on the old ones.
                    self.watches = StreamMap::new();
                    self.offered.clear();
                    self.watch();
                }
                () = self.changes.closed() => return,
            }
            let serving = self.any_serving();
            self.telling.send_if_modified(|told| std::mem::replace(told, serving) != serving);
            if !self.offer().await {
                return;
            }
        }
    }

    /// Looks every name up. One that cannot be found keeps the addresses it had.
    async fn look_up(&mut self) {
        let service = self.section;
        join_all(self.names.iter_mut().map(async |((host, port), name)| {
            let found = timeout(LOOKUP, tokio::net::lookup_host((host.as_str(), *port))).await;
            match found.map_err(std::io::Error::from).flatten() {
                Ok(addresses) => *name = Name { addresses: addresses.collect(), is_missing: false },
                Err(error) => {
                    if !std::mem::replace(&mut name.is_missing, true) {
                        tracing::warn!(service, host, %error, "name not found; trying again");
                    }
                }
            }
        }))
        .await;
        let known: BTreeSet<SocketAddr> = self.known().collect();
        self.serving.retain(|address, _| known.contains(address));
        let gone: Vec<_> =
            self.watches.keys().filter(|address| !known.contains(address)).copied().collect();
        for address in gone {
            self.watches.remove(&address);
        }
        self.watch();
    }

    /// Watches every known address.
    fn watch(&mut self) {
        let known: Vec<SocketAddr> = self.known().collect();
        for address in known {
            if !self.watches.contains_key(&address)
                && let Some(endpoint) = self.endpoint(&Peer::At(address))
            {
                self.watches.insert(address, Box::pin(health::watch(&endpoint)));
            }
        }
    }

    fn heard(&mut self, address: SocketAddr, health: &Health) {
        let before = self.any_serving();
        self.serving.insert(address, *health == Health::Serving);
        let error = match health {
            Health::Serving => "",
            Health::Away(error) => error,
        };
        if let Some(advice) = advice(error) {
            tracing::error!(
                service = self.section,
                %address,
                error,
                advice,
                "no secure connection to a server"
            );
        }
        match (before, self.any_serving()) {
            (Some(true) | None, Some(false)) => {
                let urls = self.config.urls.join(" ");
                tracing::warn!(service = self.section, urls, error, "nobody serves; trying again");
            }
            (Some(false), Some(true)) => tracing::info!(service = self.section, "serves again"),
            _ => {}
        }
    }

    fn known(&self) -> impl Iterator<Item = SocketAddr> {
        self.names.values().flat_map(|name| name.addresses.iter().copied())
    }

    /// Nothing while an address has not answered and no other one serves.
    fn any_serving(&self) -> Option<bool> {
        if self.serving.values().any(|serving| *serving) {
            return Some(true);
        }
        let known: BTreeSet<_> = self.known().collect();
        (self.serving.len() == known.len()).then_some(false)
    }

    /// What the channel should have: every address that is not known to be away; all of them when
    /// each one is, so that calls fail at once; the names while they have no address.
    fn wanted(&self) -> BTreeSet<Peer> {
        let is_away = |address: &SocketAddr| self.serving.get(address) == Some(&false);
        let mut wanted: BTreeSet<Peer> =
            self.known().filter(|address| !is_away(address)).map(Peer::At).collect();
        if wanted.is_empty() {
            wanted = self.known().map(Peer::At).collect();
        }
        if wanted.is_empty() {
            wanted =
                self.names.keys().map(|(host, port)| Peer::Named(host.clone(), *port)).collect();
        }
        wanted
    }

    /// Tells the channel what changed. False when it is gone.
    async fn offer(&mut self) -> bool {
        let wanted = self.wanted();
        // New ones first: at no moment has the channel nothing.
        for peer in wanted.difference(&self.offered) {
            let Some(endpoint) = self.endpoint(peer) else { continue };
            if self.changes.send(Change::Insert(peer.clone(), endpoint)).await.is_err() {
                return false;
            }
        }
        for peer in self.offered.difference(&wanted) {
            if self.changes.send(Change::Remove(peer.clone())).await.is_err() {
                return false;
            }
        }
        self.offered = wanted;
        true
    }

    fn endpoint(&self, peer: &Peer) -> Option<Endpoint> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(peer.url(scheme)).ok()?;
        let endpoint = match &self.tls {
            Some(tls) => match endpoint.tls_config(tls.for_host(self.host(peer))) {
                Ok(endpoint) => endpoint,
                Err(error) => {
                    tracing::error!(service = self.section, ?peer, ?error, "no TLS with this name");
                    return None;
                }
            },
            None => endpoint,
        };
        Some(
            flow::bounded(endpoint)
                .connect_timeout(Duration::from_millis(self.config.connect_timeout_ms))
                .timeout(Duration::from_millis(self.config.timeout_ms))
                .tcp_nodelay(true)
                .http2_keep_alive_interval(Duration::from_secs(10))
                .keep_alive_timeout(Duration::from_secs(5))
                .keep_alive_while_idle(true),
        )
    }

    /// What the peer is called in the configuration, which its certificate must say, too.
    fn host<'a>(&'a self, peer: &'a Peer) -> &'a str {
        match peer {
            Peer::Named(host, _) => host,
            Peer::At(address) => {
                let mut names = self.names.iter();
                names
                    .find(|(_, name)| name.addresses.contains(address))
                    .map_or("", |((host, _), _)| host)
            }
        }
    }
}

/// Resolves when connections have to be made with other certificates.
async fn renewed(tls: &mut Option<ClientTls>) {
    match tls {
        Some(tls) => tls.changed().await,
        None => std::future::pending().await,
    }
}
