//! The upgrade of a request to a socket: who may, and with which buffers.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use proto::error_code::ErrorCode;
use proto::id::{ConversationId, DeviceId};

use super::Peer;
use crate::admission::{Refusal, SocketSeat};
use crate::api::error::ApiError;
use crate::connection::close::Close;
use crate::connection::{self, ConnectQuery, Request, handshake};
use crate::frame::Encoding;
use crate::shared::Shared;
use crate::socket::opening::{Opening, Subprotocol};
use crate::transport::Transport;

/// What a client may offer.
const SUBPROTOCOLS: [&str; 2] = [handshake::SUBPROTOCOL, handshake::MSGPACK_SUBPROTOCOL];
/// What is read beyond twice the limit of a frame.
const READ_BEYOND_BYTES: usize = 4 << 10;
/// What is read of a socket that has not said who it is.
const STRANGER_BYTES: usize = 2 * handshake::AUTH_FRAME_BYTES;

/// When to connect again to a gateway that leaves: another one is there already.
const AT_ONCE: Duration = Duration::from_secs(1);

pub(super) async fn upgrade(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Query(query): Query<ConnectQuery>,
    headers: HeaderMap,
    opening: Opening,
) -> Response {
    accept_socket(shared, &peer, &query, &headers, opening, None)
}

pub(super) async fn upgrade_joined(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(conversation_id): Path<String>,
    Query(query): Query<ConnectQuery>,
    headers: HeaderMap,
    opening: Opening,
) -> Response {
    match ConversationId::parse(&conversation_id) {
        Ok(id) => accept_socket(shared, &peer, &query, &headers, opening, Some(id)),
        Err(_) => ApiError::not_found("a conversation id is a UUID").into_response(),
    }
}

fn accept_socket(
    shared: Shared,
    peer: &Peer,
    query: &ConnectQuery,
    headers: &HeaderMap,
    opening: Opening,
    conversation_id: Option<ConversationId>,
) -> Response {
    let (request, seat) = match let_in(&shared, peer, query, headers, conversation_id) {
        Ok(let_in) => let_in,
        Err(refusal) => return *refusal,
    };
    if request.token.is_none() {
        request.gate.narrow(STRANGER_BYTES);
    }
    let subprotocol = Subprotocol::choose(headers, &SUBPROTOCOLS, handshake::BEARER_PROTOCOL);
    let encoding = Encoding {
        is_deflated: opening.offers_deflate() && shared.limits.compression,
        is_binary: subprotocol == Subprotocol::Ours(handshake::MSGPACK_SUBPROTOCOL),
    };
    let limit = longest(shared.limits.frame_bytes);
    let (response, opened) = opening.grant(&subprotocol, encoding, limit);
    let sockets = shared.sockets.clone();
    sockets.spawn(async move {
        if let Some(socket) = opened.socket(Arc::clone(&shared.messages)).await {
            let mut socket = Transport::Socket(socket);
            if matches!(subprotocol, Subprotocol::Foreign(_)) {
                let close = Close::ForeignSubprotocol;
                shared.metrics.closed(&close);
                connection::goodbye(&mut socket, &close).await;
            } else {
                connection::run(shared, socket, request).await;
            }
        }
        drop(seat);
    });
    response
}

/// What a connection needs before anything else: the right page, a gateway that stays, a seat.
pub(super) fn let_in(
    shared: &Shared,
    peer: &Peer,
    query: &ConnectQuery,
    headers: &HeaderMap,
    conversation_id: Option<ConversationId>,
) -> Result<(Request, SocketSeat), Box<Response>> {
    if !handshake::is_origin_allowed(headers, shared.tenants.origins()) {
        let text = "pages of this origin may not connect; the operator lists origins in \
                    `allowed_origins`";
        return Err(Box::new(ApiError::new(ErrorCode::Forbidden, text).into_response()));
    }
    let asked = query.asked().map_err(|text| Box::new(ApiError::invalid(text).into_response()))?;
    let device = device(query).map_err(|error| Box::new(error.into_response()))?;
    if shared.shutdown.is_begun() {
        let leaving = ApiError::new(ErrorCode::Unavailable, "leaving; connect again");
        return Err(Box::new(leaving.after(AT_ONCE).into_response()));
    }
    let client = peer.client(shared, headers);
    let seat = shared
        .admission
        .socket(client)
        .map_err(|refusal| Box::new(refused(shared, refusal).into_response()))?;
    peer.gate.is_socket();
    let request = Request {
        token: handshake::token(query.token.as_deref(), headers),
        device_id: device,
        device_type: handshake::device_type(query.device_type.as_deref()),
        acknowledges: query.acks.as_deref() != Some("off"),
        conversation_id,
        asked,
        ip: client.address,
        user_agent: handshake::user_agent(headers),
        is_exempt: client.is_exempt,
        page: handshake::foreign_page(headers),
        may_redirect: query.may_redirect(),
        gate: Arc::clone(&peer.gate),
    };
    Ok((request, seat))
}

/// The device that a client names; an empty name is none. One that cannot be used is refused: without a
/// name each connection would be a device of its own, and use up one of the user's places.
fn device(query: &ConnectQuery) -> Result<Option<DeviceId>, ApiError> {
    let named = query.device.as_deref().filter(|device| !device.is_empty());
    let parsed = named.map(DeviceId::parse).transpose();
    parsed.map_err(|error| ApiError::invalid(format!("device: {error}")))
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
    let error = ApiError::new(code, refusal.reason()).after(refusal.retry_after());
    if refusal.is_of_gateway() { error } else { error.at_limit(refusal.name()) }
}
