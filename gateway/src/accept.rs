//! The accept loop and the routes behind it: sockets, REST, pages.
//!
//! Our own loop, because the framework's sets no timeout for slow handshakes, no `TCP_NODELAY`, and
//! leaves upgraded sockets to themselves.

use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use platform::shutdown::Tasks;
use proto::id::{ConversationId, DeviceId};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};

use crate::connection::{self, Request, handshake};
use crate::shared::Shared;
use crate::{api, pages};

/// How long a request's head may take: a slower client gets no connection.
const HEAD: Duration = Duration::from_secs(10);
/// Memory for a request's head.
const HEAD_BYTES: usize = 16 << 10;
/// What a socket reads at once. The library's default of 128 KiB is held by every idle connection.
const READ_BYTES: usize = 1 << 10;
/// What is read beyond twice the limit of a frame.
const READ_BEYOND_BYTES: usize = 4 << 10;
/// What the library may hold for writing. It is handed one frame at a time, so this bounds a frame: a
/// page of a sync is the longest.
const WRITE_BYTES: usize = crate::MAX_MESSAGE_BYTES + (1 << 20);
/// Pause after the operating system refused a connection: out of files, usually.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// All routes of the public port.
pub(crate) fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/ws", get(upgrade))
        .route("/ws/{conversation_id}", get(upgrade_joined))
        .with_state(shared.clone())
        .merge(api::router(shared))
        .fallback(pages::serve)
}

/// Accepts until stopping has begun, then lets the requests under way finish.
pub(crate) async fn run(shared: Shared, listener: TcpListener, tasks: Tasks) {
    let service = TowerToHyperService::new(routes(shared.clone()));
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.shutdown.begun() => break,
        };
        match accepted {
            Ok((stream, _)) => serve(&builder, &service, &graceful, stream, &tasks),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = shared.shutdown.forced() => {}
    }
}

fn serve(
    builder: &auto::Builder<TokioExecutor>,
    service: &TowerToHyperService<Router>,
    graceful: &GracefulShutdown,
    stream: TcpStream,
    tasks: &Tasks,
) {
    // A frame goes out when it is written, not when a second one joins it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let serving =
        builder.serve_connection_with_upgrades(TokioIo::new(stream), service.clone()).into_owned();
    let serving = graceful.watch(serving);
    tasks.spawn("http connection", async move {
        // Hang-ups of clients are no event.
        let _ = serving.await;
    });
}

#[derive(Debug, Deserialize)]
struct UpgradeQuery {
    token: Option<String>,
    device: Option<String>,
    device_type: Option<String>,
    /// `off`: this device listens only and acknowledges nothing.
    acks: Option<String>,
}

async fn upgrade(
    State(shared): State<Shared>,
    Query(query): Query<UpgradeQuery>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    accept_socket(shared, query, &headers, upgrade, None)
}

async fn upgrade_joined(
    State(shared): State<Shared>,
    Path(conversation_id): Path<String>,
    Query(query): Query<UpgradeQuery>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    match ConversationId::parse(&conversation_id) {
        Ok(id) => accept_socket(shared, query, &headers, upgrade, Some(id)),
        Err(_) => (StatusCode::NOT_FOUND, "a conversation id is a UUID").into_response(),
    }
}

fn accept_socket(
    shared: Shared,
    query: UpgradeQuery,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
    conversation_id: Option<ConversationId>,
) -> Response {
    if !handshake::is_origin_allowed(headers, &shared.allowed_origins) {
        return (StatusCode::FORBIDDEN, "pages of this origin may not connect").into_response();
    }
    if shared.shutdown.is_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], "leaving; connect again")
            .into_response();
    }
    if shared.sockets.len() >= shared.limits.connections {
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "5")], "too many connections")
            .into_response();
    }
    let request = Request {
        token: handshake::token(query.token.as_deref(), headers),
        device_id: query.device.and_then(|device| DeviceId::parse(&device).ok()),
        device_type: handshake::device_type(query.device_type.as_deref()),
        acknowledges: query.acks.as_deref() != Some("off"),
        conversation_id,
    };
    // More than the limit is read, so that the session can refuse it and still close in order: bytes
    // left unread would reset the connection before the client sees why.
    let limit = shared.limits.frame_bytes.saturating_mul(2).saturating_add(READ_BEYOND_BYTES);
    upgrade
        .protocols([handshake::SUBPROTOCOL])
        .read_buffer_size(READ_BYTES)
        .max_write_buffer_size(WRITE_BYTES)
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(move |socket| {
            // Entered here, because the library spawns the task that runs this.
            let token = shared.sockets.token();
            async move {
                connection::run(shared, socket, request).await;
                drop(token);
            }
        })
}
