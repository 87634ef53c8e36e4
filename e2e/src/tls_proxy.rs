//! TLS in front of a backend that speaks none: a certificate by an authority of the test, bytes as they are behind it.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Which words stand before the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// None.
    AtOnce,
    /// A client of Postgres asks for TLS first.
    Postgres,
}

/// A certificate for loopback, and the authority that has signed it.
#[derive(Debug, Clone)]
pub struct Certificate {
    config: Arc<ServerConfig>,
    /// The authority as PEM.
    pub authority: String,
}

impl Certificate {
    /// Of an authority of its own.
    pub fn new(authority: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, authority);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority can be made");
        let params =
            CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address is a name");
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate can be made");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows them")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key that was made"),
            )
            .expect("they belong together");
        Self { config: Arc::new(config), authority: issuer.pem() }
    }
}

/// The proxy. It ends when it is dropped.
#[derive(Debug)]
pub struct TlsProxy {
    address: SocketAddr,
    certificate: watch::Sender<Certificate>,
    _accepting: JoinSet<()>,
}

impl TlsProxy {
    /// In front of an address, with a certificate.
    pub async fn start(upstream: &str, opening: Opening, certificate: &Certificate) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (sender, certificates) = watch::channel(certificate.clone());
        let upstream = upstream.to_owned();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (certificates, upstream) = (certificates.clone(), upstream.clone());
                carried.spawn(async move {
                    let _ = forward(client, &upstream, opening, certificates).await;
                });
            }
        });
        Self { address, certificate: sender, _accepting: accepting }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, and shows another certificate from now on.
    pub fn replace(&self, certificate: &Certificate) {
        self.certificate.send_replace(certificate.clone());
    }
}

async fn forward(
    mut client: TcpStream,
    upstream: &str,
    opening: Opening,
    mut certificates: watch::Receiver<Certificate>,
) -> std::io::Result<()> {
    let config = certificates.borrow_and_update().config.clone();
    if opening == Opening::Postgres {
        // Of eight bytes, and answered with one.
        client.read_exact(&mut [0; 8]).await?;
        client.write_all(b"S").await?;
    }
    let forwarding = async {
        let mut client = TlsAcceptor::from(config).accept(client).await?;
        let mut server = TcpStream::connect(upstream).await?;
        copy_bidirectional(&mut client, &mut server).await
    };
    tokio::select! {
        ended = forwarding => ended.map(|_| ()),
        _ = certificates.changed() => Ok(()),
    }
}
