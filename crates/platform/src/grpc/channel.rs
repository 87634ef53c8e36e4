//! The client side: every address of every named host, found anew at intervals, calls spread over
//! those that serve. One HTTP/2 connection to a service name would send everything to one replica.

use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tonic::transport::{Channel, Uri};

use super::guarded::GrpcChannel;
use super::resolver::{Peer, Resolver};
use super::tls::{self, Certificates, ClientTls, FileError, OpenedClient};
use crate::shutdown::{Shutdown, Tasks};

/// Changes of addresses waiting to be taken over.
const CHANGES: usize = 64;

/// Where a service is called.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcClientConfig {
    /// Addresses of the service, such as `http://chat-service:7001`, or `https://` for TLS with the three files; every
    /// address that a host name resolves to is used.
    pub urls: Vec<String>,
    /// Certificate authorities for the certificate of the service, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Client certificate with its intermediate certificates, as PEM.
    pub cert_file: Option<PathBuf>,
    /// The private key of `cert_file`, as PEM without a password.
    pub key_file: Option<PathBuf>,
    /// The name that the certificate of the service must have; by default the host of the URL.
    pub server_name: Option<String>,
    /// Maximum time for opening a connection, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Maximum time of any call, in milliseconds; single methods have shorter deadlines.
    pub timeout_ms: u64,
    /// How often host names are resolved again, in seconds.
    pub resolve_secs: u64,
    /// Consecutive failed calls (no address, or no answer in time) after which further calls are refused at once; 0
    /// never refuses.
    pub breaker_failures: u32,
    /// How long calls are refused after `breaker_failures`, in milliseconds; after that one call at a time is tried.
    pub breaker_open_ms: u64,
}

impl Default for GrpcClientConfig {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            ca_file: None,
            cert_file: None,
            key_file: None,
            server_name: None,
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
    #[error("{section}.urls: `{url}` is not like http://host:port or https://host:port")]
    BadUrl {
        /// The configuration section.
        section: &'static str,
        /// What stands there.
        url: String,
    },
    /// Some have TLS and others have none.
    #[error("{0}.urls: let all begin with http://, or all with https://")]
    Mixed(&'static str),
    /// No name that a certificate can have.
    #[error("{section}.server_name: `{name}` is not the name of a host")]
    BadName {
        /// The configuration section.
        section: &'static str,
        /// What stands there.
        name: String,
    },
    /// Certificates that cannot be used.
    #[error(transparent)]
    Files(#[from] FileError),
}

/// A section whose addresses and certificates were good at the start.
#[derive(Debug)]
pub struct PreparedClient {
    section: &'static str,
    config: GrpcClientConfig,
    names: Vec<(String, u16)>,
    tls: Option<OpenedClient>,
}

impl GrpcClientConfig {
    /// Whether there are addresses, all are some, and the certificates can be used with them. Connects to nobody.
    pub fn prepare(&self, section: &'static str) -> Result<PreparedClient, Vec<GrpcSetupError>> {
        let mut wrong = Vec::new();
        let mut targets = Vec::new();
        for url in &self.urls {
            match target(section, url) {
                Ok(target) => targets.push(target),
                Err(error) => wrong.push(error),
            }
        }
        let is_tls = targets.first().is_some_and(|(_, is_tls)| *is_tls);
        if self.urls.is_empty() {
            wrong.push(GrpcSetupError::NoUrl(section));
        } else if targets.iter().any(|(_, other)| *other != is_tls) {
            wrong.push(GrpcSetupError::Mixed(section));
        }
        let files = tls::client_files(section, self);
        let opened = files.and_then(|files| files.map(OpenedClient::open).transpose());
        let tls = opened.unwrap_or_else(|errors| {
            wrong.extend(errors.into_iter().map(GrpcSetupError::from));
            None
        });
        // What is wrong already may be the reason.
        if wrong.is_empty() && tls.is_some() != is_tls {
            let wants = if is_tls { FileError::NoFiles } else { FileError::NoTls };
            wrong.push(wants(section).into());
        }
        if let Some(name) = &self.server_name
            && ServerName::try_from(name.as_str()).is_err()
        {
            wrong.push(GrpcSetupError::BadName { section, name: name.clone() });
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let names = targets.into_iter().map(|(name, _)| name).collect();
        Ok(PreparedClient { section, config: self.clone(), names, tls })
    }
}

impl PreparedClient {
    /// A channel over everything that serves at the configured addresses. Where nobody does, calls fail
    /// with UNAVAILABLE; it is found when it comes. Call it inside the runtime.
    pub fn channel(
        self,
        certificates: &Certificates,
        tasks: &Tasks,
        shutdown: &Shutdown,
    ) -> GrpcChannel {
        let Self { section, config, names, tls } = self;
        let tls = tls.map(|opened| ClientTls::keep(section, &config, opened, certificates));
        let (channel, changes) = Channel::balance_channel::<Peer>(CHANGES);
        let (telling, serving) = watch::channel(None);
        let deadline = Duration::from_millis(config.timeout_ms);
        let open_for = Duration::from_millis(config.breaker_open_ms);
        let failures = config.breaker_failures;
        let resolver = Resolver::new(section, config, tls, names, changes, telling);
        let stop = shutdown.clone();
        tasks.spawn("grpc resolver", async move {
            tokio::select! {
                () = resolver.run() => {}
                // Until the end: calls are still made while draining.
                () = stop.forced() => {}
            }
        });
        GrpcChannel::guarded(channel, section, deadline, failures, open_for, serving)
    }
}

/// Host and port, and whether with TLS.
fn target(section: &'static str, url: &str) -> Result<((String, u16), bool), GrpcSetupError> {
    let bad = || GrpcSetupError::BadUrl { section, url: url.to_owned() };
    let uri: Uri = url.parse().map_err(|_| bad())?;
    match (uri.scheme_str(), uri.host(), uri.port_u16()) {
        (Some(scheme @ ("http" | "https")), Some(host), Some(port)) if !host.is_empty() => {
            Ok(((host.trim_matches(['[', ']']).to_owned(), port), scheme == "https"))
        }
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_address_is_named() {
        for url in ["chat:7001", "ftp://chat:7001", "http://chat", "https://:1", ""] {
            assert!(
                matches!(target("chat_grpc", url), Err(GrpcSetupError::BadUrl { .. })),
                "{url}"
            );
        }
        let host = ("::1".to_owned(), 7);
        assert_eq!(target("chat_grpc", "http://[::1]:7").unwrap(), (host.clone(), false));
        assert_eq!(target("chat_grpc", "https://[::1]:7").unwrap(), (host, true));
    }

    fn mistakes(config: &GrpcClientConfig) -> Vec<String> {
        let wrong = config.prepare("chat_grpc").unwrap_err();
        wrong.iter().map(ToString::to_string).collect()
    }

    fn mistake(config: &GrpcClientConfig) -> String {
        let [only] = mistakes(config).try_into().unwrap();
        only
    }

    /// A certificate that is its own authority, and its key.
    fn own_files(folder: &std::path::Path) -> [Option<PathBuf>; 3] {
        let made = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        let write = |name: &str, text: String| {
            std::fs::write(folder.join(name), text).unwrap();
            Some(folder.join(name))
        };
        let certificate = made.cert.pem();
        [
            write("ca.pem", certificate.clone()),
            write("cert.pem", certificate),
            write("key.pem", made.signing_key.serialize_pem()),
        ]
    }

    fn own_key() -> String {
        rcgen::KeyPair::generate().unwrap().serialize_pem()
    }

    #[test]
    fn urls_and_certificates_must_fit_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let urls = |all: &[&str]| all.iter().map(|url| (*url).to_owned()).collect();
        let none = GrpcClientConfig { urls: urls(&["https://a:1"]), ..Default::default() };
        let [ca_file, cert_file, key_file] = own_files(folder.path());
        let all = GrpcClientConfig { ca_file, cert_file, key_file, ..none.clone() };
        all.prepare("chat_grpc").unwrap();
        assert!(mistake(&none).contains("chat_grpc.ca_file"));
        let some = GrpcClientConfig { ca_file: all.ca_file.clone(), ..none };
        assert!(mistakes(&some)[0].starts_with("chat_grpc.cert_file: not set"));
        assert!(mistakes(&some)[1].starts_with("chat_grpc.key_file: not set"));
        let plain = GrpcClientConfig { urls: urls(&["http://a:1"]), ..all.clone() };
        assert!(mistake(&plain).contains("must begin with https://"));
        let mixed = GrpcClientConfig { urls: urls(&["http://a:1", "https://b:1"]), ..all.clone() };
        assert!(mistake(&mixed).contains("let all begin"));
        let named = GrpcClientConfig { server_name: Some("a b".to_owned()), ..all.clone() };
        assert!(mistake(&named).starts_with("chat_grpc.server_name"));
        std::fs::write(folder.path().join("other.pem"), own_key()).unwrap();
        let other = GrpcClientConfig { key_file: Some(folder.path().join("other.pem")), ..all };
        assert!(mistake(&other).starts_with("chat_grpc.key_file"), "{}", mistake(&other));
    }

    #[test]
    fn everything_that_is_wrong_with_a_section_is_said_at_once() {
        let missing = || Some(PathBuf::from("/nowhere.pem"));
        let config = GrpcClientConfig {
            urls: vec!["chat:7001".to_owned(), "https://chat".to_owned()],
            ca_file: missing(),
            cert_file: missing(),
            key_file: missing(),
            server_name: Some("a b".to_owned()),
            ..Default::default()
        };
        let said = mistakes(&config).join("\n");
        for part in ["`chat:7001`", "`https://chat`", "ca_file", "cert_file", "key_file", "`a b`"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
