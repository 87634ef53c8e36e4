//! TLS with certificates on both sides of gRPC, from files that may be replaced while the process runs.
//!
//! A server asks every caller for a certificate of its own authority, and a caller checks the name of the
//! server. New files reach new connections; what is open stays open.

mod advice;
mod files;
mod goaway;
mod incoming;
mod reading;
mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

pub(super) use advice::advice;
pub use files::FileError;
use files::{Files, Material};
pub use incoming::TlsIncoming;
pub use reading::Certificates;
use reading::Opened;

use super::Incoming;

/// Certificates of a gRPC server. All three files or none: without them it speaks plain HTTP/2.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcServerTlsConfig {
    /// Certificate of this server with its intermediate certificates, as PEM.
    pub cert_file: Option<PathBuf>,
    /// The private key of `cert_file`, as PEM without a password.
    pub key_file: Option<PathBuf>,
    /// Certificate authorities for the certificates of callers, as PEM.
    pub client_ca_file: Option<PathBuf>,
}

impl GrpcServerTlsConfig {
    /// Reads and checks the files.
    pub fn prepare(&self) -> Result<PreparedServerTls, Vec<FileError>> {
        let files = Files::of(
            ("grpc_tls.cert_file", self.cert_file.as_deref()),
            ("grpc_tls.key_file", self.key_file.as_deref()),
            ("grpc_tls.client_ca_file", self.client_ca_file.as_deref()),
        )?;
        let opened = files.map(|files| Opened::open(files, server::config)).transpose()?;
        Ok(PreparedServerTls(opened))
    }
}

/// The section `grpc_tls`, checked.
#[derive(Debug)]
pub struct PreparedServerTls(Option<Opened<rustls::ServerConfig>>);

impl Incoming {
    /// Calls to a bound port: over TLS when it is configured. Call it inside the runtime.
    pub fn listen(
        listener: tokio::net::TcpListener,
        tls: PreparedServerTls,
        certificates: &Certificates,
    ) -> Self {
        let Some(opened) = tls.0 else { return Self::Tcp(listener) };
        let config = certificates.keep("grpc_tls", opened);
        Self::Tls(TlsIncoming::new(listener, config, certificates.refused()))
    }
}

/// What the connections of a channel are secured with.
#[derive(Debug)]
pub(super) struct ClientTls {
    server_name: Option<String>,
    timeout: Duration,
    current: watch::Receiver<Arc<Material>>,
}

impl ClientTls {
    /// Keeps what was opened as its files are.
    pub(super) fn keep(
        section: &'static str,
        config: &super::GrpcClientConfig,
        opened: OpenedClient,
        certificates: &Certificates,
    ) -> Self {
        Self {
            server_name: config.server_name.clone(),
            timeout: Duration::from_millis(config.connect_timeout_ms),
            current: certificates.keep(section, opened.0),
        }
    }

    /// Resolves when other files are used from now on. Cancel safe.
    pub(super) async fn changed(&mut self) {
        if self.current.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// For connections that are made from now on to a server that is called by this name.
    pub(super) fn for_host(&self, host: &str) -> ClientTlsConfig {
        let material = self.current.borrow().clone();
        ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&material.pems.ca))
            .identity(Identity::from_pem(&material.pems.cert, &material.pems.key))
            .domain_name(self.server_name.as_deref().unwrap_or(host))
            .timeout(self.timeout)
    }
}

/// The files of a caller, read and checked.
#[derive(Debug)]
pub(super) struct OpenedClient(Opened<Material>);

impl OpenedClient {
    /// Reads the files.
    pub(super) fn open(files: Files) -> Result<Self, Vec<FileError>> {
        Opened::open(files, |material| Ok(material.clone())).map(Self)
    }
}

/// Files by the names of the section's keys: `cert_file`, `key_file`, `ca_file`. None when no file is configured.
pub(super) fn client_files(
    section: &'static str,
    config: &super::GrpcClientConfig,
) -> Result<Option<Files>, Vec<FileError>> {
    let key = |name: &str| format!("{section}.{name}");
    Files::of(
        (&key("cert_file"), config.cert_file.as_deref()),
        (&key("key_file"), config.key_file.as_deref()),
        (&key("ca_file"), config.ca_file.as_deref()),
    )
}
