//! The upgrade of a request to a socket: who may, and with which buffers.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use proto::error_code::ErrorCode;
use proto::id::{ConversationId, DeviceId};
use serde::Deserialize;

use super::Peer;
use crate::admission::Refusal;
use crate::api::error::ApiError;
use crate::connection::{self, Request, handshake};
use crate::frame::Encoding;
use crate::shared::Shared;
use crate::socket::opening::{self, Opening};

/// What is read beyond twice the limit of a frame.
const READ_BEYOND_BYTES: usize = 4 << 10;
/// What is read of a socket that has not said who it is.
const STRANGER_BYTES: usize = 2 * handshake::AUTH_FRAME_BYTES;

#[derive(Debug, Deserialize)]
pub(super) struct UpgradeQuery {
    token: Option<String>,
    device: Option<String>,
    device_type: Option<String>,
    /// `off`: this device listens only and acknowledges nothing.
    acks: Option<String>,
}

pub(super) async fn upgrade(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Query(query): Query<UpgradeQuery>,
    headers: HeaderMap,
    opening: Opening,
) -> Response {
    accept_socket(shared, &peer, query, &headers, opening, None)
}

pub(super) async fn upgrade_joined(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(conversation_id): Path<String>,
    Query(query): Query<UpgradeQuery>,
    headers: HeaderMap,
    opening: Opening,
) -> Response {
    match ConversationId::parse(&conversation_id) {
        Ok(id) => accept_socket(shared, &peer, query, &headers, opening, Some(id)),
        Err(_) => (StatusCode::NOT_FOUND, "a conversation id is a UUID").into_response(),
    }
}

fn accept_socket(
    shared: Shared,
    peer: &Peer,
    query: UpgradeQuery,
    headers: &HeaderMap,
    opening: Opening,
    conversation_id: Option<ConversationId>,
) -> Response {
    if !handshake::is_origin_allowed(headers, &shared.allowed_origins) {
        return (StatusCode::FORBIDDEN, "pages of this origin may not connect").into_response();
    }
    if shared.shutdown.is_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], "leaving; connect again")
            .into_response();
    }
    let client = shared.admission.client(peer.address, headers);
    let seat = match shared.admission.socket(client) {
        Ok(seat) => seat,
        Err(refusal) => return refused(&shared, refusal).into_response(),
    };
    peer.gate.is_socket();
    let request = Request {
        token: handshake::token(query.token.as_deref(), headers),
        device_id: query.device.and_then(|device| DeviceId::parse(&device).ok()),
        device_type: handshake::device_type(query.device_type.as_deref()),
        acknowledges: query.acks.as_deref() != Some("off"),
        conversation_id,
        ip: client.address,
        user_agent: handshake::user_agent(headers),
        is_exempt: client.is_exempt,
        gate: Arc::clone(&peer.gate),
    };
    if request.token.is_none() {
        request.gate.narrow(STRANGER_BYTES);
    }
    let encoding = Encoding { is_deflated: opening.offers_deflate && shared.limits.compression };
    let subprotocol = opening::subprotocol(headers, &[handshake::SUBPROTOCOL]);
    let limit = longest(shared.limits.frame_bytes);
    let (response, opened) = opening.grant(subprotocol, encoding, limit);
    let sockets = shared.sockets.clone();
    sockets.spawn(async move {
        if let Some(socket) = opened.socket().await {
            connection::run(shared, socket, request).await;
        }
        drop(seat);
    });
    response
}

/// More than the limit is read, so that the session can refuse it and still close in order: bytes left
/// unread would reset the connection before the client sees why.
pub(crate) fn longest(frame_bytes: usize) -> usize {
    frame_bytes.saturating_mul(2).saturating_add(READ_BEYOND_BYTES)
}

/// What somebody is told who is not let in; it is counted.
pub(super) fn refused(shared: &Shared, refusal: Refusal) -> ApiError {
    shared.metrics.refused(refusal.name());
    let code =
        if refusal.is_of_gateway() { ErrorCode::Unavailable } else { ErrorCode::RateLimited };
    ApiError::new(code, refusal.reason()).after(refusal.retry_after())
}
