//! An echo on the gateway's own socket stack, for the conformance suite: the same HTTP, upgrade, buffers,
//! reading of errors and closing, and nothing behind them. Behind a feature that no product enables.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::Request;
use axum::routing::get;
use futures_util::SinkExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use platform::shutdown::Tasks;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::accept::{http, upgrade};
use crate::connection::{goodbye, handshake};

/// Largest message: the suite's are of 16 MiB.
const FRAME_BYTES: usize = 16 << 20;
/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(10);

/// Echoes on `/` until the process ends.
pub async fn serve(listener: TcpListener, tasks: &Tasks) -> std::io::Result<()> {
    let upgraded = |upgrade: WebSocketUpgrade| async {
        upgrade::configured(upgrade, FRAME_BYTES).on_upgrade(echo)
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
            let _ = http(HEAD).serve_connection(TokioIo::new(tcp), service).with_upgrades().await;
        });
    }
}

async fn echo(mut socket: WebSocket) {
    loop {
        match socket.recv().await {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_))) | None => {
                let _ = socket.flush().await;
                return;
            }
            Some(Err(error)) => {
                if let Some(close) = handshake::read_error(&error) {
                    goodbye(&mut socket, &close).await;
                }
                return;
            }
        }
    }
}
