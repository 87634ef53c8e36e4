//! Bodies of requests, read after it is known who asks: bounded in bytes each, of one user and of all
//! together, and in time.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use proto::error_code::{ErrorCode, Stored};
use proto::id::UserId;

use crate::memory::Share;
use crate::rest::RestContext;
use crate::rest::error::ApiError;

/// A body and the part of the budget that it takes.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    pub(crate) share: Share,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Larger than allowed.
    TooLarge,
    /// It did not come in time.
    Late,
    /// Others hold all the memory there is for bodies.
    Full,
    /// The connection broke.
    Broken,
}

/// Reads the body of a request with this head, of at most so many bytes.
pub(crate) async fn read(
    rest: &RestContext,
    user_id: Option<&UserId>,
    headers: &HeaderMap,
    body: Body,
    most: usize,
) -> Result<Held, Unread> {
    let patience = Duration::from_millis(rest.limits.request_timeout_ms);
    let announced = announced(headers).unwrap_or(most);
    if announced > most {
        return Err(Unread::TooLarge);
    }
    let reading = read_all(rest, user_id, body, announced);
    tokio::time::timeout(patience, reading).await.unwrap_or(Err(Unread::Late))
}

/// How large the body is said to be.
fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read_all(
    rest: &RestContext,
    user_id: Option<&UserId>,
    body: Body,
    most: usize,
) -> Result<Held, Unread> {
    let memory = &rest.limits.memory;
    let wait = Duration::from_millis(memory.wait_ms);
    let mut share = rest.budgets.bodies.empty(user_id);
    let mut bytes = Vec::new();
    let mut data = body.into_data_stream();
    while let Some(piece) = data.next().await {
        let piece = piece.map_err(|_| Unread::Broken)?;
        let needed = bytes.len() + piece.len();
        if needed > most {
            return Err(Unread::TooLarge);
        }
        if needed > bytes.capacity() {
            let room = needed.max(bytes.capacity() * 2).min(most);
            if room > memory.uncounted_bytes {
                let had =
                    if bytes.capacity() > memory.uncounted_bytes { bytes.capacity() } else { 0 };
                share.grow_within(room - had, wait).await.map_err(|_| Unread::Full)?;
            }
            bytes.reserve_exact(room - bytes.len());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Held { bytes: bytes.into(), share })
}

impl Unread {
    /// What the client is told.
    pub(crate) fn refusal(self, rest: &RestContext) -> Response {
        match self {
            Self::TooLarge => {
                ApiError::new(ErrorCode::TooLarge, "the body is larger than allowed here")
                    .into_response()
            }
            Self::Late | Self::Broken => late(),
            Self::Full => {
                rest.metrics.refused("body_bytes");
                ApiError::unavailable(Some(Stored::No), rest.limits.retry_after_ms).into_response()
            }
        }
    }
}

/// 408. The rest of the body is not waited for.
pub(crate) fn late() -> Response {
    let text = "the body of the request did not come in time; send it again";
    let error = ApiError::new(ErrorCode::BadFrame, text).with_outcome(Stored::No, None);
    let mut response = error.with_status(StatusCode::REQUEST_TIMEOUT);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
