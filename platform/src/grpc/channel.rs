//! The client side: every address of every named host, found anew at intervals, calls spread over
//! them. One HTTP/2 connection to a service name would send everything to one replica.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;
use tonic::transport::channel::Change;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::shutdown::{Shutdown, Tasks};

/// Changes of addresses waiting to be taken over.
const CHANGES: usize = 64;

/// Where a service is called.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcClientConfig {
    /// Such as `http://chat-service:7001`; each address that a host name has is used.
    pub urls: Vec<String>,
    /// How long a connection may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long any call may take, in milliseconds; methods have their own, shorter deadlines.
    pub timeout_ms: u64,
    /// How often host names are looked up again, in seconds.
    pub resolve_secs: u64,
}

impl Default for GrpcClientConfig {
    fn default() -> Self {
        Self { urls: Vec::new(), connect_timeout_ms: 2_000, timeout_ms: 10_000, resolve_secs: 5 }
    }
}

/// Why a channel cannot be made: a mistake in the configuration.
#[derive(Debug, thiserror::Error)]
pub enum GrpcSetupError {
    /// No address at all.
    #[error("{0}.urls: name at least one, such as http://127.0.0.1:7001")]
    NoUrl(&'static str),
    /// Not an address.
    #[error("{section}.urls: `{url}` is not like http://host:port")]
    BadUrl {
        /// The configuration section.
        section: &'static str,
        /// What stands there.
        url: String,
    },
}

/// A channel that connects when first used and again when lost. Without any address that answers, calls
/// fail with UNAVAILABLE or at their deadline.
pub fn channel(
    section: &'static str,
    config: &GrpcClientConfig,
    tasks: &Tasks,
    shutdown: &Shutdown,
) -> Result<Channel, GrpcSetupError> {
    if config.urls.is_empty() {
        return Err(GrpcSetupError::NoUrl(section));
    }
    let targets =
        config.urls.iter().map(|url| target(section, url)).collect::<Result<Vec<_>, _>>()?;
    let (channel, changes) = Channel::balance_channel::<SocketAddr>(CHANGES);
    let resolver =
        Resolver { section, config: config.clone(), targets, changes, known: BTreeSet::new() };
    let stop = shutdown.clone();
    tasks.spawn("grpc resolver", async move {
        tokio::select! {
            () = resolver.run() => {}
            // Until the end: calls are still made while draining.
            () = stop.forced() => {}
        }
    });
    Ok(channel)
}

fn target(section: &'static str, url: &str) -> Result<(String, u16), GrpcSetupError> {
    let bad = || GrpcSetupError::BadUrl { section, url: url.to_owned() };
    let uri: Uri = url.parse().map_err(|_| bad())?;
    match (uri.scheme_str(), uri.host(), uri.port_u16()) {
        (Some("http"), Some(host), Some(port)) => {
            Ok((host.trim_matches(['[', ']']).to_owned(), port))
        }
        _ => Err(bad()),
    }
}

struct Resolver {
    section: &'static str,
    config: GrpcClientConfig,
    targets: Vec<(String, u16)>,
    changes: Sender<Change<SocketAddr, Endpoint>>,
    known: BTreeSet<SocketAddr>,
}

impl Resolver {
    async fn run(mut self) {
        loop {
            if !self.resolve().await {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(self.config.resolve_secs.max(1))) => {}
                // The channel is gone, and with it the need.
                () = self.changes.closed() => return,
            }
        }
    }

    /// Looks every host up and hands on what changed. A failed lookup keeps the addresses it had.
    async fn resolve(&mut self) -> bool {
        let mut found = BTreeSet::new();
        for (host, port) in &self.targets {
            match tokio::net::lookup_host((host.as_str(), *port)).await {
                Ok(addresses) => found.extend(addresses),
                Err(error) => {
                    tracing::debug!(service = self.section, host, %error, "name not found");
                    return true;
                }
            }
        }
        let gone: Vec<_> = self.known.difference(&found).copied().collect();
        let new: Vec<_> = found.difference(&self.known).copied().collect();
        for address in new {
            let Some(endpoint) = self.endpoint(address) else { continue };
            if self.changes.send(Change::Insert(address, endpoint)).await.is_err() {
                return false;
            }
        }
        for address in gone {
            if self.changes.send(Change::Remove(address)).await.is_err() {
                return false;
            }
        }
        self.known = found;
        true
    }

    fn endpoint(&self, address: SocketAddr) -> Option<Endpoint> {
        Some(
            Endpoint::from_shared(format!("http://{address}"))
                .ok()?
                .connect_timeout(Duration::from_millis(self.config.connect_timeout_ms))
                .timeout(Duration::from_millis(self.config.timeout_ms))
                .tcp_nodelay(true)
                .http2_keep_alive_interval(Duration::from_secs(10))
                .keep_alive_timeout(Duration::from_secs(5))
                .keep_alive_while_idle(true),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_address_is_named() {
        for url in ["chat:7001", "https://chat:7001", "http://chat"] {
            assert!(
                matches!(target("chat_grpc", url), Err(GrpcSetupError::BadUrl { .. })),
                "{url}"
            );
        }
        assert_eq!(target("chat_grpc", "http://[::1]:7").unwrap(), ("::1".to_owned(), 7));
    }

    #[tokio::test]
    async fn calls_reach_a_server_that_starts_later() {
        use tonic_health::pb::HealthCheckRequest;
        use tonic_health::pb::health_client::HealthClient;

        let reserved = tokio::net::TcpSocket::new_v4().unwrap();
        reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = reserved.local_addr().unwrap();
        let (tasks, shutdown) = (Tasks::new(), Shutdown::new());
        let config =
            GrpcClientConfig { urls: vec![format!("http://{address}")], ..Default::default() };
        let channel = channel("chat_grpc", &config, &tasks, &shutdown).unwrap();
        let mut client = HealthClient::new(channel);
        let mut absent = tonic::Request::new(HealthCheckRequest::default());
        absent.set_timeout(Duration::from_secs(1));
        assert!(client.check(absent).await.is_err(), "nobody listens yet");

        let listener = reserved.listen(16).unwrap();
        let stop = shutdown.clone();
        tasks.spawn("server", async move {
            let incoming = super::super::Incoming::Tcp(listener);
            super::super::serve(tonic::service::Routes::default(), incoming, stop).await.unwrap();
        });
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while let Err(status) = client.check(HealthCheckRequest::default()).await {
            assert!(std::time::Instant::now() < deadline, "{status}");
        }
        drop(client);
        shutdown.force();
        assert_eq!(tasks.join(Duration::from_secs(5)).await, Ok(()));
    }
}
