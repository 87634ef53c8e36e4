//! Calls between the services of one process: the same client and server over a pipe in memory.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tonic::transport::{Endpoint, Uri};

use super::{GrpcChannel, Incoming, flow};

/// Bytes that a pipe holds before the writer waits: one HTTP/2 window.
const PIPE_BYTES: usize = 64 * 1024;
/// Connections waiting to be accepted; a channel opens one at a time.
const BACKLOG: usize = 4;
/// How long any call may take, as between processes; methods have their own, shorter deadlines.
const CALL: Duration = Duration::from_secs(10);

/// The server's end of [`in_memory`].
#[derive(Debug)]
pub struct InMemoryIncoming(mpsc::Receiver<DuplexStream>);

/// A channel and the incoming side that it is connected to.
pub fn in_memory() -> (GrpcChannel, Incoming) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let connector = tower::service_fn(move |_: Uri| {
        let sender = sender.clone();
        async move {
            let (client, server) = tokio::io::duplex(PIPE_BYTES);
            let gone = |_| std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
            sender.send(server).await.map_err(gone)?;
            Ok::<_, std::io::Error>(TokioIo::new(client))
        }
    });
    // The address is only a name: the connector above ignores it.
    let endpoint = flow::bounded(Endpoint::from_static("http://in-memory")).timeout(CALL);
    let channel = endpoint.connect_with_connector_lazy(connector);
    (channel.into(), Incoming::InMemory(InMemoryIncoming(receiver)))
}

impl Stream for InMemoryIncoming {
    type Item = std::io::Result<DuplexStream>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|stream| stream.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::super::serve;
    use super::*;
    use crate::shutdown::{Shutdown, Tasks};
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    #[tokio::test]
    async fn a_call_goes_through_the_pipe_and_serving_ends_with_the_shutdown() {
        let (channel, incoming) = in_memory();
        let (tasks, shutdown) = (Tasks::new(), Shutdown::new());
        let stop = shutdown.clone();
        tasks.spawn("server", async move {
            serve(tonic::service::Routes::default(), incoming, stop).await.unwrap();
        });
        let mut client = HealthClient::new(channel);
        let answer = client.check(HealthCheckRequest::default()).await.unwrap();
        assert_eq!(answer.into_inner().status, 1);
        drop(client);
        shutdown.begin();
        assert_eq!(tasks.join(Duration::from_secs(5)).await, Ok(()));
    }
}
