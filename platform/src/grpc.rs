//! gRPC between the services: a balanced client channel, a server, and a pipe inside one process.
//!
//! Call deadlines belong to the caller of each method; here are only those of the transport.

mod channel;
mod in_memory;

use std::time::Duration;

use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::shutdown::Shutdown;

pub use channel::{GrpcClientConfig, GrpcSetupError, channel};
pub use in_memory::{InMemoryIncoming, in_memory};

/// Where calls come from.
#[derive(Debug)]
pub enum Incoming {
    /// A bound port.
    Tcp(TcpListener),
    /// Calls of this process.
    InMemory(InMemoryIncoming),
}

/// Serves until stopping has begun, then finishes the calls under way.
pub async fn serve(
    routes: Routes,
    incoming: Incoming,
    shutdown: Shutdown,
) -> Result<(), tonic::transport::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let draining = shutdown.clone();
    let stop = async move {
        draining.begun().await;
        reporter.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    };
    let server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        // Reconnecting clients spread over the replicas that there are now.
        .max_connection_age(Duration::from_mins(10))
        .add_routes(routes.add_service(health));
    let serving = async {
        match incoming {
            Incoming::Tcp(listener) => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                server.serve_with_incoming_shutdown(incoming, stop).await
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
