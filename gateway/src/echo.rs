//! An echo on the gateway's own socket stack, for the conformance suite: the same HTTP, upgrade, buffers,
//! reading of errors and closing, and nothing behind them. Behind a feature that no product enables.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use platform::shutdown::Tasks;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tower::ServiceExt;
use websocket::opening::Subprotocol;
use websocket::{Encoding, Message};

use crate::http::accept::http;
use crate::http::answers;
use crate::http::upgrade::{self, UpgradeRequest};
use crate::limits::LimitsConfig;
use crate::memory::Budget;
use crate::net::frame::{About, Class, Frame};
use crate::net::inflow::{Inflow, MessageBounds};
use crate::net::stream::{Gate, Stream};
use crate::net::transport::Transport;
use crate::session::{decoding, goodbye};

/// Largest message: the suite's are of 16 MiB.
const FRAME_BYTES: usize = 16 << 20;
/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(10);

/// Echoes on `/` until the process ends.
pub async fn serve(listener: TcpListener, tasks: &Tasks) -> std::io::Result<()> {
    let sockets = tasks.clone();
    let limits = LimitsConfig { message_timeout_ms: 60_000, ..LimitsConfig::default() };
    let budget = Budget::new(16 * FRAME_BYTES, 16 * FRAME_BYTES, Gauge::default());
    let bounds = MessageBounds::new(&limits, budget);
    let upgraded = move |UpgradeRequest(opening): UpgradeRequest| async move {
        let encoding = Encoding { is_deflated: opening.offers_deflate(), is_binary: false };
        let (response, opened) =
            opening.grant(&Subprotocol::None, encoding, upgrade::longest(FRAME_BYTES));
        sockets.spawn("echo socket", async move {
            if let Some(socket) = opened.socket(Inflow::new(bounds)).await {
                echo(Transport::Socket(socket)).await;
            }
        });
        response.map(|()| Body::empty())
    };
    let router = Router::new().route("/", get(upgraded));
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let router = router.clone();
        tasks.spawn("echo", async move {
            let service = service_fn(|request: Request<Incoming>| {
                router.clone().oneshot(request.map(Body::new))
            });
            let io =
                TokioIo::new(Stream::new(tcp, Gate::new(None), None, HEAD, answers::instead_of));
            let _ = http(HEAD).serve_connection(io, service).with_upgrades().await;
        });
    }
}

async fn echo(mut socket: Transport) {
    loop {
        let about = About::class(Class::Answer);
        let frame = match socket.recv().await {
            Some(Ok(Message::Text(text))) => Frame::new(text.as_bytes(), about),
            Some(Ok(Message::Binary(bytes))) => Frame::binary(&bytes, about),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Close(_))) | None => {
                let _ = socket.flush().await;
                return;
            }
            Some(Err(error)) => {
                if let Some(close) = decoding::read_error(&error) {
                    goodbye(&mut socket, &close).await;
                }
                return;
            }
        };
        if socket.write(&mut VecDeque::from([frame])).await.is_err() {
            return;
        }
    }
}
