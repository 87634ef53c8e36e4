//! Which pages of other hosts may read answers (CORS): those of `allowed_origins` and of
//! tenants, as for sockets. Tokens come
//! in `Authorization`, so no cookies are allowed along.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use proto::error_code::ErrorCode;

use crate::http::HttpState;
use crate::rest::error::ApiError;

/// What the interfaces know.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE");
/// What clients send.
const HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, idempotency-key, last-event-id");
/// What a page may read beside the body.
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after");
/// How long a browser need not ask again, in seconds: two hours, the most that one of them keeps.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// A middleware around all routes; pages and sockets are none of its business.
pub(super) async fn allow(
    State(state): State<HttpState>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let is_ours = path.starts_with("/api/") || path == "/sse" || path.starts_with("/sse/");
    if !is_ours {
        return next.run(request).await;
    }
    let origin = origin(request.headers(), state.access.tenants.origins());
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (is_preflight, &origin) {
        (false, _) => next.run(request).await,
        (true, Some(_)) => allowed(),
        (true, None) => {
            let text = "pages of this origin may not ask; the operator lists origins in \
                        `allowed_origins`";
            ApiError::new(ErrorCode::Forbidden, text).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

/// The origin of the page, when it is listed.
fn origin(headers: &HeaderMap, allowed: &[String]) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    allowed.iter().any(|listed| listed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

fn allowed() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}
