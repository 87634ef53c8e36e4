//! gRPC between the services: a balanced client channel, a server, and a pipe inside one process.
//!
//! Call deadlines belong to the caller of each method; here are only those of the transport.

mod breaker;
mod channel;
mod errors;
mod flow;
mod guarded;
mod health;
mod in_memory;
mod resolver;
mod tls;

use std::time::Duration;

use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;

use crate::shutdown::Shutdown;

pub use channel::{GrpcClientConfig, GrpcSetupError, PreparedClient};
pub use errors::{Counted, GrpcErrors};
pub use guarded::{GrpcChannel, ask};
pub use in_memory::{InMemoryIncoming, in_memory};
pub use tls::{Certificates, FileError, GrpcServerTlsConfig, PreparedServerTls, TlsIncoming};

/// Where calls come from.
#[derive(Debug)]
pub enum Incoming {
    /// A bound port that takes plain HTTP/2.
    Tcp(TcpListener),
    /// A bound port that takes callers with a certificate.
    Tls(TlsIncoming),
    /// Calls of this process.
    InMemory(InMemoryIncoming),
}

/// From the word that this server stops until it takes no more calls: time for callers to turn away.
const NOTICE: Duration = Duration::from_millis(250);

/// Serves until stopping has begun, then finishes the calls under way.
pub async fn serve(
    routes: Routes,
    incoming: Incoming,
    shutdown: Shutdown,
) -> Result<(), tonic::transport::Error> {
    let (mut reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", ServingStatus::Serving).await;
    let has_distant_callers = !matches!(incoming, Incoming::InMemory(_));
    let draining = shutdown.clone();
    let stop = async move {
        draining.begun().await;
        reporter.set_service_status("", ServingStatus::NotServing).await;
        if has_distant_callers {
            tokio::time::sleep(NOTICE).await;
        }
        // Ends the streams of clients that watch the health: they are calls under way, too.
        reporter.clear_service_status("").await;
    };
    let server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .add_routes(routes.add_service(health));
    let serving = async {
        match incoming {
            Incoming::Tcp(listener) => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                server.serve_with_incoming_shutdown(incoming, stop).await
            }
            Incoming::Tls(incoming) => {
                server.serve_with_incoming_shutdown(incoming.into_stream(), stop).await
            }
            Incoming::InMemory(incoming) => {
                server.serve_with_incoming_shutdown(incoming, stop).await
            }
        }
    };
    tokio::select! {
        served = serving => served,
        // A call that does not end must not hold up the process.
        () = shutdown.forced() => Ok(()),
    }
}
