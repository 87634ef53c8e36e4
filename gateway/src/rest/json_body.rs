//! JSON bodies of requests: read within their bounds, after the token was checked, and refused like everything
//! else.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use proto::error_code::ErrorCode;
use proto::id::UserId;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::memory::Share;
use crate::rest::RestContext;
use crate::rest::body;
use crate::rest::body::Held;

/// Whose body it is, once the token was checked; an extension of the request.
#[derive(Debug, Clone)]
pub(crate) struct BodyOwner(pub(crate) UserId);

/// Keeps the part of the memory that a body takes until its request is answered; an extension of the request.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeldBody(Arc<Mutex<Option<Share>>>);

/// A JSON body whose refusal is an [`ApiError`].
pub(crate) struct Body<T>(pub(crate) T);

impl<T, S> FromRequest<S> for Body<T>
where
    T: DeserializeOwned,
    RestContext: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let rest = RestContext::from_ref(state);
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            let text = "the body is JSON: send it with `Content-Type: application/json`";
            return Err(ApiError::new(ErrorCode::BadFrame, text).into_response());
        }
        let owner = parts.extensions.get::<BodyOwner>().map(|owner| &owner.0);
        let limits = &rest.limits;
        let most = if owner.is_some() {
            limits.frame_bytes
        } else {
            limits.frame_bytes.min(limits.memory.stranger_body_bytes)
        };
        let read = body::read(&rest, owner, &parts.headers, body, most).await;
        let Held { bytes, share } = read.map_err(|unread| unread.refusal(&rest))?;
        let Json(body) =
            Json::from_bytes(&bytes).map_err(|error| ApiError::from(error).into_response())?;
        if let Some(held) = parts.extensions.get::<HeldBody>() {
            *held.0.lock() = Some(share);
        }
        Ok(Self(body))
    }
}

/// `application/json`, or something that is JSON, too.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_content_type() {
        let of = |kind: &str| HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
        for kind in ["application/json", "Application/JSON; charset=utf-8", "application/x+json"] {
            assert!(is_json(&of(kind)), "{kind}");
        }
        for kind in ["text/plain", "application/jsonp", ""] {
            assert!(!is_json(&of(kind)), "{kind}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
