//! The accept loop: TCP connections, who they are from, and the HTTP library on each.
//!
//! Our own loop, because the framework's sets no timeout for slow handshakes, no `TCP_NODELAY`, counts
//! nothing, and leaves upgraded sockets to themselves. Must not look at what is asked: the routes do.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use platform::shutdown::Tasks;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tower::ServiceExt;

use super::{HttpState, answers, refuse, routes};
use crate::admission::{Place, Refusal, proxy_protocol};
use crate::net::stream::{Gate, Stream};
use crate::rest::Peer;

/// Memory for a request's head.
const HEAD_BYTES: usize = 16 << 10;
/// Pause after the operating system refused a connection: out of files, usually.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Refusals that are answered at the same time; further connections are closed without an answer.
const REFUSALS: usize = 32;

/// How long the network may still hold it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What every connection needs.
#[derive(Clone)]
struct Door {
    state: HttpState,
    router: Router,
    builder: http1::Builder,
    refusals: Arc<Semaphore>,
}

/// Accepts until stopping has begun. The tasks of connections let the requests under way finish.
pub(crate) async fn run(state: HttpState, listener: TcpListener, tasks: Tasks) {
    let builder = http(state.admission.config().head_timeout());
    let router = routes(state.clone());
    let door = Door { state, router, builder, refusals: Arc::new(Semaphore::new(REFUSALS)) };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = door.state.shutdown.begun() => break,
        };
        match accepted {
            Ok((tcp, peer)) => {
                // Each gets a task, so that a slow one holds up nobody else.
                let serving = door.clone().serve(tcp, peer.ip());
                tasks.spawn("http connection", serving);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// HTTP/1.1 with a bound on heads. Not the builder that finds out the version: that one waits for the
/// first bytes without a timeout.
pub(crate) fn http(head_timeout: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(HEAD_BYTES);
    builder
}

impl Door {
    async fn serve(self, tcp: TcpStream, peer: IpAddr) {
        match self.state.admission.file() {
            Ok(file) => self.let_in(tcp, peer, file).await,
            Err(refusal) => self.refuse(tcp, refusal).await,
        }
    }

    async fn let_in(self, mut tcp: TcpStream, peer: IpAddr, file: Place) {
        // A frame goes out when it is written, not when a second one joins it.
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let Some(address) = self.address(&mut tcp, peer).await else { return };
        let request = match self.state.admission.request(address) {
            Ok(request) => request,
            Err(refusal) => return self.refuse(tcp, refusal).await,
        };
        let gate = Gate::new(request);
        let patience = Duration::from_millis(self.state.limits.write_timeout_ms.max(1));
        let io = TokioIo::new(Stream::new(
            tcp,
            Arc::clone(&gate),
            Some(file),
            patience,
            answers::instead_of,
        ));
        let over = Arc::new(Notify::new());
        let version = Version::HTTP_11;
        let peer = Peer { address, gate, version, over: Arc::clone(&over) };
        let router = self.router;
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            let version = request.version();
            request.extensions_mut().insert(Peer { version, ..peer.clone() });
            router.clone().oneshot(request)
        });
        let serving = self.builder.serve_connection(io, service).with_upgrades();
        let mut serving = std::pin::pin!(serving);
        let shutdown = &self.state.shutdown;
        // Hang-ups of clients are no event.
        tokio::select! {
            _ = serving.as_mut() => return,
            () = over.notified() => {
                let _ = tokio::time::timeout(LAST_WORDS, serving).await;
                return;
            }
            () = shutdown.begun() => serving.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            _ = serving.as_mut() => {}
            () = over.notified() => {
                let _ = tokio::time::timeout(LAST_WORDS, serving).await;
            }
            () = shutdown.forced() => {}
        }
    }

    /// The client's address: that of the peer, or the one that a listed load balancer names. None when it names none.
    async fn address(&self, tcp: &mut TcpStream, peer: IpAddr) -> Option<IpAddr> {
        if !self.state.admission.speaks_proxy_protocol(peer) {
            return Some(peer);
        }
        let patience = self.state.admission.config().head_timeout();
        match tokio::time::timeout(patience, proxy_protocol::read(tcp)).await {
            Ok(Ok(client)) => Some(client.unwrap_or(peer)),
            Ok(Err(error)) => {
                self.state.metrics.refused("proxy_protocol");
                tracing::debug!(%peer, %error, "a load balancer's connection was refused");
                None
            }
            Err(_elapsed) => None,
        }
    }

    /// Answers some of the refused clients; the others see a closed connection.
    async fn refuse(&self, tcp: TcpStream, refusal: Refusal) {
        self.state.metrics.refused(refusal.name());
        if let Ok(_telling) = self.refusals.try_acquire() {
            refuse::politely(tcp, refusal).await;
        }
    }
}
