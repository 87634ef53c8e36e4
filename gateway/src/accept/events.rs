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

use super::Peer;
use super::body::{self, Held};
use super::upgrade::{let_in, refused};
use crate::admission::Refusal;
use crate::api::error::ApiError;
use crate::connection::{self, ConnectQuery, handshake};
use crate::events::{self, Inbox, NotTaken, Posted};
use crate::shared::Shared;
use crate::transport::Transport;

/// What a body may have beside its frames.
const AROUND_BYTES: usize = 1 << 10;

/// The largest body of a post.
fn body_bytes(shared: &Shared) -> usize {
    shared.limits.frame_bytes.saturating_add(AROUND_BYTES)
}

/// Opens a stream. It needs its token at once: there is no first frame.
pub(super) async fn open(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Query(query): Query<ConnectQuery>,
    headers: HeaderMap,
) -> Response {
    let token = handshake::token(query.token.as_deref(), &headers).unwrap_or_default();
    // First of all: until then it is a request like any other and keeps its seat as one.
    let identity = match shared.identify(&token) {
        Ok(identity) => identity,
        Err(error) => return ApiError::unauthenticated(&error.to_string()).into_response(),
    };
    if !shared.tenants.lets_in(identity.tenant(), &headers) {
        return ApiError::foreign_page().into_response();
    }
    if !shared.tenants.has_room(identity.tenant()) {
        return refused(&shared, Refusal::Tenant).into_response();
    }
    let (request, seat) = match let_in(&shared, &peer, &query, &headers, None) {
        Ok(let_in) => let_in,
        Err(refusal) => return *refusal,
    };
    let limits = &shared.limits;
    let (stream, body) = events::open(limits.posted_frames, limits.frame_bytes);
    let sockets = shared.sockets.clone();
    sockets.spawn(async move {
        connection::run(shared, Transport::Events(Box::new(stream)), request).await;
        // Whoever does not read the rest is cut off.
        peer.over.notify_one();
        drop(seat);
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        // Its seat as a request is given back: nothing else comes on this connection.
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
    State(shared): State<Shared>,
    Path(connection_id): Path<String>,
    Query(query): Query<PostQuery>,
    request: Request,
) -> Response {
    let headers = request.headers();
    let (gateway, number) = parts(&connection_id);
    if gateway.is_some_and(|gateway| gateway != shared.gateway_id) {
        let text = "this stream is at another gateway: the balancer must keep a user at one, by the \
                    parameter `user` for example";
        let refusal = ApiError::new(ErrorCode::NotFound, text);
        return refusal.with_status(StatusCode::MISDIRECTED_REQUEST);
    }
    let token = handshake::token(query.token.as_deref(), headers).unwrap_or_default();
    // Both from the head alone: nothing is read for somebody who is nobody here.
    let (user_id, inbox) = match stream(&shared, number, &token) {
        Ok(stream) => stream,
        Err(refusal) => return refusal.into_response(),
    };
    let most = body_bytes(&shared);
    let (head, body) = request.into_parts();
    let body = match body::read(&shared, Some(&user_id), &head.headers, body, most).await {
        Ok(body) => body,
        Err(unread) => return unread.refusal(&shared),
    };
    match put(&shared, &inbox, body).await {
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
    shared: &Shared,
    number: Option<u64>,
    token: &str,
) -> Result<(UserId, Arc<Inbox>), ApiError> {
    let identity = shared.identify(token);
    let identity = identity.map_err(|error| ApiError::unauthenticated(&error.to_string()))?;
    let connection = number.and_then(|number| shared.registry.get(number));
    let inbox = connection
        .filter(|connection| connection.user_id == identity.user_id)
        .and_then(|connection| connection.inbox.clone())
        .ok_or_else(|| ApiError::not_found("no such stream of this user: open another"))?;
    Ok((identity.user_id, inbox))
}

async fn put(shared: &Shared, inbox: &Inbox, body: Held) -> Result<(), ApiError> {
    let frames = frames(shared, body)?;
    let patience = Duration::from_millis(shared.limits.place_wait_ms);
    inbox.take(frames, patience).await.map_err(|refusal| not_taken(shared, &refusal))
}

fn frames(shared: &Shared, body: Held) -> Result<Vec<Posted>, ApiError> {
    let too_large =
        || ApiError::new(ErrorCode::TooLarge, "larger than `limits.frame_bytes` of `welcome`");
    let Held { bytes, mut share } = body;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        ApiError::new(ErrorCode::BadFrame, "frames are JSON text, and this is no text")
    })?;
    let frames: Vec<String> = if text.trim_ascii_start().starts_with('[') {
        let frames: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| {
            ApiError::new(ErrorCode::BadFrame, "a post is one frame or a JSON array of frames")
        })?;
        frames.iter().map(|frame| frame.get().to_owned()).collect()
    } else {
        vec![text.to_owned()]
    };
    if frames.iter().any(|frame| frame.len() > shared.limits.frame_bytes) {
        return Err(too_large());
    }
    // Each gives back its own part when the session takes it.
    let posted = |text: String| Posted { share: share.split(text.len()), text };
    Ok(frames.into_iter().map(posted).collect())
}

fn not_taken(shared: &Shared, refusal: &NotTaken) -> ApiError {
    let later = Duration::from_millis(shared.limits.retry_after_ms);
    match refusal {
        NotTaken::Full => {
            shared.metrics.refused("posted_frames");
            let text =
                "posted_frames: the session has not taken the frames before in time; none of these";
            ApiError::new(ErrorCode::RateLimited, text).at_limit("waiting").after(later)
        }
        NotTaken::Ended => ApiError::not_found("this stream has ended: open another"),
    }
}
