//! Where a proxy drops the upgrade: `GET /sse` is the same connection as an event stream, and
//! `POST /sse/{connection_id}` brings the client's frames to it.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use proto::error_code::ErrorCode;
use proto::id::UserId;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::upgrade::{let_in, refused};
use crate::admission::Refusal;
use crate::http::HttpState;
use crate::identity::bearer;
use crate::net::event_stream;
use crate::net::event_stream::{Inbox, NotTaken, Posted};
use crate::net::transport::Transport;
use crate::rest::Peer;
use crate::rest::body::{self, Held};
use crate::rest::error::ApiError;
use crate::session;
use crate::session::ConnectQuery;

/// What a body may have beside its frames.
const AROUND_BYTES: usize = 1 << 10;

/// The largest body of a post.
fn body_bytes(state: &HttpState) -> usize {
    state.limits.frame_bytes.saturating_add(AROUND_BYTES)
}

/// Opens a stream. It needs its token at once: there is no first frame.
pub(super) async fn open(
    State(state): State<HttpState>,
    Extension(peer): Extension<Peer>,
    Query(query): Query<ConnectQuery>,
    headers: HeaderMap,
) -> Response {
    let token = bearer::token(query.token.as_deref(), &headers).unwrap_or_default();
    // First of all: until then it is a request like any other and keeps its seat as one.
    let identity = match state.access.identify(&token) {
        Ok(identity) => identity,
        Err(error) => return ApiError::unauthenticated(&error.to_string()).into_response(),
    };
    if !state.access.tenants.lets_in(identity.tenant(), &headers) {
        return ApiError::foreign_page().into_response();
    }
    if !state.access.tenants.has_room(identity.tenant()) {
        return refused(&state, Refusal::Tenant).into_response();
    }
    let (request, seat) = match let_in(&state, &peer, &query, &headers, None) {
        Ok(let_in) => let_in,
        Err(refusal) => return *refusal,
    };
    let limits = &state.limits;
    let (stream, body) = event_stream::open(limits.posted_frames, limits.frame_bytes);
    let sessions = state.sessions.clone();
    state.sockets.spawn(async move {
        session::run(sessions, Transport::Events(Box::new(stream)), request).await;
        // The connection is closed if the client does not read the rest in time.
        peer.over.notify_one();
        drop(seat);
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        // This connection no longer counts as a request, so no other request may follow on it.
        (header::CONNECTION, "close"),
        // For Nginx: events are not collected.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}

#[derive(Deserialize)]
pub(super) struct PostQuery {
    token: Option<String>,
}

/// Takes one frame, or an array of them, for a stream of the same user. 202: the session has them, and
/// answers on the stream.
pub(super) async fn post(
    State(state): State<HttpState>,
    Path(connection_id): Path<String>,
    Query(query): Query<PostQuery>,
    request: Request,
) -> Response {
    let headers = request.headers();
    let (gateway, number) = parts(&connection_id);
    if gateway.is_some_and(|gateway| gateway != state.gateway_id) {
        let text = "this stream is at another gateway: the balancer must keep a user at one, by the \
                    parameter `user` for example";
        let refusal = ApiError::new(ErrorCode::NotFound, text);
        return refusal.with_status(StatusCode::MISDIRECTED_REQUEST);
    }
    let token = bearer::token(query.token.as_deref(), headers).unwrap_or_default();
    // From the head of the request alone: no body is read for a caller without a stream here.
    let (user_id, inbox) = match stream(&state, number, &token) {
        Ok(stream) => stream,
        Err(refusal) => return refusal.into_response(),
    };
    let most = body_bytes(&state);
    let (head, body) = request.into_parts();
    let body = match body::read(&state.rest, Some(&user_id), &head.headers, body, most).await {
        Ok(body) => body,
        Err(unread) => return unread.refusal(&state.rest),
    };
    match put(&state, &inbox, body).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// The gateway and the number in a connection id.
fn parts(connection_id: &str) -> (Option<&str>, Option<u64>) {
    match connection_id.rsplit_once('.') {
        Some((gateway, number)) => (Some(gateway), u64::from_str_radix(number, 16).ok()),
        None => (None, None),
    }
}

/// Whose stream it is, and where its posts go.
fn stream(
    state: &HttpState,
    number: Option<u64>,
    token: &str,
) -> Result<(UserId, Arc<Inbox>), ApiError> {
    let identity = state.access.identify(token);
    let identity = identity.map_err(|error| ApiError::unauthenticated(&error.to_string()))?;
    let connection = number.and_then(|number| state.registry.get(number));
    let inbox = connection
        .filter(|connection| connection.user_id == identity.user_id)
        .and_then(|connection| connection.inbox.clone())
        .ok_or_else(|| ApiError::not_found("no such stream of this user: open another"))?;
    Ok((identity.user_id, inbox))
}

async fn put(state: &HttpState, inbox: &Inbox, body: Held) -> Result<(), ApiError> {
    let frames = frames(state, body)?;
    let patience = Duration::from_millis(state.limits.place_wait_ms);
    inbox.take(frames, patience).await.map_err(|refusal| not_taken(state, &refusal))
}

fn frames(state: &HttpState, body: Held) -> Result<Vec<Posted>, ApiError> {
    let too_large =
        || ApiError::new(ErrorCode::TooLarge, "larger than `limits.frame_bytes` of `welcome`");
    let Held { bytes, mut share } = body;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        ApiError::new(ErrorCode::BadFrame, "the body is not UTF-8; post frames as JSON text")
    })?;
    let frames: Vec<String> = if text.trim_ascii_start().starts_with('[') {
        let frames: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| {
            ApiError::new(ErrorCode::BadFrame, "a post is one frame or a JSON array of frames")
        })?;
        frames.iter().map(|frame| frame.get().to_owned()).collect()
    } else {
        vec![text.to_owned()]
    };
    if frames.iter().any(|frame| frame.len() > state.limits.frame_bytes) {
        return Err(too_large());
    }
    // Each gives back its own part when the session takes it.
    let posted = |text: String| Posted { share: share.split(text.len()), text };
    Ok(frames.into_iter().map(posted).collect())
}

fn not_taken(state: &HttpState, refusal: &NotTaken) -> ApiError {
    let later = Duration::from_millis(state.limits.retry_after_ms);
    match refusal {
        NotTaken::Full => {
            state.metrics.refused("posted_frames");
            let text =
                "posted_frames: the session has not taken the frames before in time; none of these";
            ApiError::new(ErrorCode::RateLimited, text).at_limit("waiting").after(later)
        }
        NotTaken::Ended => ApiError::not_found("this stream has ended: open another"),
    }
}
