//! A connection to a broker whose certificate is by an authority of its own: the library can only add some to those of
//! the system.

use std::io;

use lapin::tcp::{AsyncTcpStream, RustlsConnectorConfig};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, Error};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Connects, and believes these authorities alone.
pub(super) async fn connect(
    url: &str,
    pem: &str,
    properties: ConnectionProperties,
) -> Result<Connection, Error> {
    let failed = |error: io::Error| Error::from(lapin::ErrorKind::IOError(error.into()));
    let uri: AMQPUri = url.parse().map_err(|error: String| failed(io::Error::other(error)))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| failed(io::Error::other(error)))?;
    let trust = RustlsConnectorConfig::default().with_parsable_certificates(certificates);
    let connector = trust.connector_with_no_client_auth().map_err(failed)?;
    let runtime = lapin::runtime::default_runtime()?;
    Connection::connector(
        uri,
        runtime,
        async move |uri, runtime| {
            let host = uri.authority.host.clone();
            let addresses = tokio::net::lookup_host((host.as_str(), uri.authority.port)).await;
            let addresses: Vec<_> = addresses.map_err(failed)?.collect();
            let stream = AsyncTcpStream::connect(&runtime, addresses).await.map_err(failed)?;
            stream.into_rustls(&connector, &host).await.map_err(failed)
        },
        properties,
    )
    .await
}
