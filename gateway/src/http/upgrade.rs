//! The upgrade of a request to a socket: who may, and with which buffers. Must not speak the protocol of the socket.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use proto::error_code::ErrorCode;
use proto::id::{ConversationId, DeviceId};
use websocket::Encoding;
use websocket::opening::{NotOne, Opening, Subprotocol};

use crate::admission::{Refusal, SocketSeat};
use crate::http::HttpState;
use crate::identity::{bearer, device};
use crate::net::close::Close;
use crate::net::inflow::Inflow;
use crate::net::transport::Transport;
use crate::rest::Peer;
use crate::rest::error::ApiError;
use crate::session;
use crate::session::{ConnectQuery, Request, handshake};
use crate::tenants::origin;

/// The subprotocol of this protocol.
const SUBPROTOCOL: &str = "tidings.v1";
/// The same with its frames in MessagePack.
const MSGPACK_SUBPROTOCOL: &str = "tidings.v1.msgpack";
/// What a client may offer.
const SUBPROTOCOLS: [&str; 2] = [SUBPROTOCOL, MSGPACK_SUBPROTOCOL];
/// What is read beyond twice the limit of a frame.
const READ_BEYOND_BYTES: usize = 4 << 10;
/// What is read of a socket that has not said who it is.
const STRANGER_BYTES: usize = 2 * handshake::AUTH_FRAME_BYTES;

/// When to connect again to a gateway that leaves: another one is there already.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A request to become a socket; one that is none is refused with what to do about it.
pub(crate) struct UpgradeRequest(pub(crate) Opening);

impl<S: Send + Sync> FromRequestParts<S> for UpgradeRequest {
    type Rejection = NotOne;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotOne> {
        Opening::from_request(parts).map(Self)
    }
}

pub(super) async fn upgrade(
    State(state): State<HttpState>,
    Extension(peer): Extension<Peer>,
    Query(query): Query<ConnectQuery>,
    headers: HeaderMap,
    UpgradeRequest(opening): UpgradeRequest,
) -> Response {
    accept_socket(&state, &peer, &query, &headers, opening, None)
}

pub(super) async fn upgrade_joined(
    State(state): State<HttpState>,
    Extension(peer): Extension<Peer>,
    Path(conversation_id): Path<String>,
    Query(query): Query<ConnectQuery>,
    headers: HeaderMap,
    UpgradeRequest(opening): UpgradeRequest,
) -> Response {
    match ConversationId::parse(&conversation_id) {
        Ok(id) => accept_socket(&state, &peer, &query, &headers, opening, Some(id)),
        Err(_) => ApiError::not_found("a conversation id is a UUID").into_response(),
    }
}

fn accept_socket(
    state: &HttpState,
    peer: &Peer,
    query: &ConnectQuery,
    headers: &HeaderMap,
    opening: Opening,
    conversation_id: Option<ConversationId>,
) -> Response {
    let (request, seat) = match let_in(state, peer, query, headers, conversation_id) {
        Ok(let_in) => let_in,
        Err(refusal) => return *refusal,
    };
    if request.token.is_none() {
        request.gate.narrow(STRANGER_BYTES);
    }
    let subprotocol = Subprotocol::choose(headers, &SUBPROTOCOLS, bearer::BEARER_PROTOCOL);
    let encoding = Encoding {
        is_deflated: opening.offers_deflate() && state.limits.compression,
        is_binary: subprotocol == Subprotocol::Ours(MSGPACK_SUBPROTOCOL),
    };
    let limit = longest(state.limits.frame_bytes);
    let (response, opened) = opening.grant(&subprotocol, encoding, limit);
    // An idle connection keeps only what its session needs.
    let (sessions, bounds) = (state.sessions.clone(), Inflow::new(Arc::clone(&state.messages)));
    state.sockets.spawn(async move {
        if let Some(socket) = opened.socket(bounds).await {
            let mut socket = Transport::Socket(socket);
            if matches!(subprotocol, Subprotocol::Foreign(_)) {
                let close = Close::ForeignSubprotocol;
                sessions.metrics.closed(close.label());
                session::goodbye(&mut socket, &close).await;
            } else {
                session::run(sessions, socket, request).await;
            }
        }
        drop(seat);
    });
    response.map(|()| Body::empty())
}

/// What a connection needs before anything else: the right page, a gateway that stays, a seat.
pub(super) fn let_in(
    state: &HttpState,
    peer: &Peer,
    query: &ConnectQuery,
    headers: &HeaderMap,
    conversation_id: Option<ConversationId>,
) -> Result<(Request, SocketSeat), Box<Response>> {
    if !origin::is_origin_allowed(headers, state.access.tenants.origins()) {
        let text = "pages of this origin may not connect; the operator lists origins in \
                    `allowed_origins`";
        return Err(Box::new(ApiError::new(ErrorCode::Forbidden, text).into_response()));
    }
    let asked = query.asked().map_err(|text| Box::new(ApiError::invalid(text).into_response()))?;
    let device = device(query).map_err(|error| Box::new(error.into_response()))?;
    if state.shutdown.is_begun() {
        let leaving = ApiError::new(ErrorCode::Unavailable, "leaving; connect again");
        return Err(Box::new(leaving.after(AT_ONCE).into_response()));
    }
    let client = peer.client(&state.admission, headers);
    let seat = state
        .admission
        .socket(client)
        .map_err(|refusal| Box::new(refused(state, refusal).into_response()))?;
    peer.gate.became_socket();
    let request = Request {
        token: bearer::token(query.token.as_deref(), headers),
        device_id: device,
        device_type: device::device_type(query.device_type.as_deref()),
        acknowledges: query.acks.as_deref() != Some("off"),
        conversation_id,
        asked,
        ip: client.address,
        user_agent: device::user_agent(headers),
        is_exempt: client.is_exempt,
        page: origin::foreign_page(headers),
        may_redirect: query.may_redirect(),
        compares_entries: query.compares_entries(),
        keeps_notices: query.keeps_notices(),
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

/// The answer to a client that is not let in; it is counted.
pub(super) fn refused(state: &HttpState, refusal: Refusal) -> ApiError {
    state.metrics.refused(refusal.name());
    let code =
        if refusal.is_of_gateway() { ErrorCode::Unavailable } else { ErrorCode::RateLimited };
    let error = ApiError::new(code, refusal.reason()).after(refusal.retry_after());
    if refusal.is_of_gateway() { error } else { error.at_limit(refusal.name()) }
}
