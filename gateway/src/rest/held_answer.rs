//! The memory of answers: taken before the services are asked, as much as a page may be, and given back when the
//! network has taken the last byte. So neither many questions at once nor readers that do not read take more
//! than is set aside for them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use parking_lot::Mutex;
use proto::id::UserId;

use super::error::ApiError;
use crate::memory::{Full, Share};
use crate::rest::RestContext;

/// A page while it is put together: as the service tells it, and as JSON.
const FORMS: usize = 2;

/// The part of an answer, once it is known who asks; an extension of the request.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeldAnswer(Arc<Mutex<Option<Share>>>);

/// An answer and its part of the memory.
struct Answer {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HeldAnswer {
    /// Sets memory aside for the answer to a user's question.
    pub(crate) async fn set_aside(
        rest: &RestContext,
        user_id: &UserId,
        parts: &Parts,
    ) -> Result<(), ApiError> {
        let Some(held) = parts.extensions.get::<Self>() else { return Ok(()) };
        let mut share = rest.budgets.answers.empty(Some(user_id));
        if parts.method == Method::GET {
            let page = rest.limits.frame_bytes.saturating_mul(FORMS);
            grow(rest, &mut share, page).await.map_err(|Full| full(rest))?;
        }
        *held.0.lock() = Some(share);
        Ok(())
    }

    /// The same answer, which holds its memory until it is written.
    pub(crate) async fn hold(self, rest: &RestContext, response: Response) -> Response {
        let Some(mut share) = self.0.lock().take() else { return response };
        let (parts, body) = response.into_parts();
        let Ok(bytes) = to_bytes(body, usize::MAX).await else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        if bytes.len() <= rest.limits.memory.uncounted_bytes {
            return Response::from_parts(parts, Body::from(bytes));
        }
        share.shrink_to(bytes.len());
        let more = bytes.len() - share.bytes();
        if parts.status.is_success() && grow(rest, &mut share, more).await.is_err() {
            return full(rest).into_response();
        }
        let answer = Answer { bytes, _share: share };
        Response::from_parts(parts, Body::from(Bytes::from_owner(answer)))
    }
}

async fn grow(rest: &RestContext, share: &mut Share, bytes: usize) -> Result<(), Full> {
    let wait = Duration::from_millis(rest.limits.memory.wait_ms);
    share.grow_within(bytes, wait).await
}

fn full(rest: &RestContext) -> ApiError {
    rest.metrics.refused("answer_bytes");
    ApiError::unavailable(None, rest.limits.retry_after_ms)
}
