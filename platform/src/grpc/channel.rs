//! The client side: every address of every named host, found anew at intervals, calls spread over
//! those that serve. One HTTP/2 connection to a service name would send everything to one replica.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tonic::transport::{Channel, Uri};

use super::guarded::GrpcChannel;
use super::resolver::{Peer, Resolver};
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
    /// Calls in a row that find nobody or get no answer in time, after which calls are refused at once; 0
    /// never refuses any.
    pub breaker_failures: u32,
    /// How long, in milliseconds; then one call at a time tries again.
    pub breaker_open_ms: u64,
}

impl Default for GrpcClientConfig {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            connect_timeout_ms: 2_000,
            timeout_ms: 10_000,
            resolve_secs: 5,
            breaker_failures: 10,
            breaker_open_ms: 500,
        }
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

impl GrpcClientConfig {
    /// Whether there are addresses, and all are some. Connects to nobody.
    pub fn check(&self, section: &'static str) -> Result<(), GrpcSetupError> {
        self.targets(section).map(|_| ())
    }

    fn targets(&self, section: &'static str) -> Result<Vec<(String, u16)>, GrpcSetupError> {
        if self.urls.is_empty() {
            return Err(GrpcSetupError::NoUrl(section));
        }
        self.urls.iter().map(|url| target(section, url)).collect()
    }
}

/// A channel over everything that serves at the configured addresses. Where nobody does, calls fail
/// with UNAVAILABLE; it is found when it comes. Call it inside the runtime.
pub fn channel(
    section: &'static str,
    config: &GrpcClientConfig,
    tasks: &Tasks,
    shutdown: &Shutdown,
) -> Result<GrpcChannel, GrpcSetupError> {
    let names = config.targets(section)?;
    let (channel, changes) = Channel::balance_channel::<Peer>(CHANGES);
    let (telling, serving) = watch::channel(None);
    let resolver = Resolver::new(section, config.clone(), names, changes, telling);
    let stop = shutdown.clone();
    tasks.spawn("grpc resolver", async move {
        tokio::select! {
            () = resolver.run() => {}
            // Until the end: calls are still made while draining.
            () = stop.forced() => {}
        }
    });
    let deadline = Duration::from_millis(config.timeout_ms);
    let open_for = Duration::from_millis(config.breaker_open_ms);
    Ok(GrpcChannel::guarded(channel, section, deadline, config.breaker_failures, open_for, serving))
}

fn target(section: &'static str, url: &str) -> Result<(String, u16), GrpcSetupError> {
    let bad = || GrpcSetupError::BadUrl { section, url: url.to_owned() };
    let uri: Uri = url.parse().map_err(|_| bad())?;
    match (uri.scheme_str(), uri.host(), uri.port_u16()) {
        (Some("http"), Some(host), Some(port)) if !host.is_empty() => {
            Ok((host.trim_matches(['[', ']']).to_owned(), port))
        }
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_address_is_named() {
        for url in ["chat:7001", "https://chat:7001", "http://chat", "http://:1", ""] {
            assert!(
                matches!(target("chat_grpc", url), Err(GrpcSetupError::BadUrl { .. })),
                "{url}"
            );
        }
        assert_eq!(target("chat_grpc", "http://[::1]:7").unwrap(), ("::1".to_owned(), 7));
    }
}
