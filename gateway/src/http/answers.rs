//! What every answer of the public port has in common: each refusal has a JSON body, also one by a library, caches
//! keep nothing of the interfaces, and refusals are counted. Decides nothing about a request.

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use proto::error_code::ErrorCode;

use crate::http::HttpState;
use crate::metrics::Door;
use crate::rest::error::ApiError;

/// What is kept of a text that a library refuses with.
const TEXT_BYTES: usize = 1 << 10;
/// A body of a refused request that the HTTP library reads to its end nevertheless, so that the connection can go on.
const READ_ANYWAY_BYTES: u64 = 8 << 10;
/// For a refusal that has no text of its own.
const NO_TEXT: &str = "the request is refused";

/// A middleware around all routes.
pub(super) async fn complete(
    State(state): State<HttpState>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let door = if path == "/ws" || path.starts_with("/ws/") {
        Door::Ws
    } else if path == "/sse" || path.starts_with("/sse/") {
        Door::Sse
    } else if path.starts_with("/api/") {
        Door::Rest
    } else {
        Door::Page
    };
    let ends_connection = may_stay_unread(&request);
    let response = next.run(request).await;
    if response.status().as_u16() < 400 {
        return with_headers(response, door);
    }
    let mut response = as_json(response).await;
    if ends_connection {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        state.metrics.error(*code, door);
    }
    with_headers(response, door)
}

/// Whether a request has a body that a refusal may leave unread. The connection ends then, and has to say so: a client
/// would write its next request into it.
fn may_stay_unread(request: &Request) -> bool {
    let headers = request.headers();
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    request.version() == Version::HTTP_11
        && (is_chunked || length.is_some_and(|it| it > READ_ANYWAY_BYTES))
}

/// No cache keeps what is said to one user, and no refusal.
fn with_headers(mut response: Response, door: Door) -> Response {
    let is_refusal = response.status().as_u16() >= 400;
    let headers = response.headers_mut();
    if door != Door::Page || is_refusal {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    if door != Door::Ws {
        headers
            .entry(header::X_CONTENT_TYPE_OPTIONS)
            .or_insert(HeaderValue::from_static("nosniff"));
    }
    response
}

/// The same refusal with the body of [`ApiError`], where it has another one or none.
async fn as_json(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind == "application/json") {
        return response;
    }
    let (parts, body) = response.into_parts();
    // A library's text is short; what is longer says nothing to a client.
    let text = to_bytes(body, TEXT_BYTES).await.unwrap_or_default();
    let text = std::str::from_utf8(&text).unwrap_or_default().trim();
    let text =
        if text.is_empty() { parts.status.canonical_reason().unwrap_or(NO_TEXT) } else { text };
    let mut mended = refusal(parts.status, text).into_response();
    *mended.status_mut() = parts.status;
    for (name, value) in &parts.headers {
        if !describes_body(name) {
            mended.headers_mut().append(name, value.clone());
        }
    }
    mended
}

fn describes_body(name: &HeaderName) -> bool {
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(name)
}

/// The error that a status stands for.
pub(super) fn refusal(status: StatusCode, text: &str) -> ApiError {
    let code = match status {
        StatusCode::UNAUTHORIZED => ErrorCode::Unauthenticated,
        StatusCode::FORBIDDEN => ErrorCode::Forbidden,
        StatusCode::NOT_FOUND | StatusCode::MISDIRECTED_REQUEST => ErrorCode::NotFound,
        StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::URI_TOO_LONG
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ErrorCode::TooLarge,
        StatusCode::TOO_MANY_REQUESTS => ErrorCode::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => ErrorCode::Unavailable,
        status if status.is_server_error() => ErrorCode::Internal,
        _ => ErrorCode::BadFrame,
    };
    ApiError::new(code, text)
}

/// The complete answer to a client whose request was not read; the connection ends with it.
pub(super) fn on_the_wire(status: StatusCode, more: &HeaderMap, error: ApiError) -> Vec<u8> {
    let body = serde_json::to_vec(&error.body().0).unwrap_or_default();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut answer = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in more {
        answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let length = body.len();
    let rest = format!(
        "connection: close\r\ncache-control: no-store\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    );
    answer.extend(rest.into_bytes());
    answer.extend(body);
    answer
}

/// The answer that replaces a refusal by the HTTP library itself, before there is a request: the library's
/// refusal has no body, and the library has no setting for one.
pub(super) fn instead_of(written: &[u8]) -> Option<Vec<u8>> {
    let status = written.strip_prefix(b"HTTP/1.1 ").or(written.strip_prefix(b"HTTP/1.0 "))?;
    let status = StatusCode::from_bytes(status.get(..3)?).ok()?;
    let is_bare = memchr::memmem::find(written, b"content-length: 0\r\n").is_some();
    if !status.is_client_error() || !is_bare {
        return None;
    }
    let text = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "the head of the request is larger than 16 KiB, or has more than 100 lines"
        }
        StatusCode::URI_TOO_LONG => "the address of the request is too long",
        _ => "this is no request of HTTP/1.1",
    };
    Some(on_the_wire(status, &HeaderMap::new(), refusal(status, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_without_a_body_gets_one_and_nothing_else_is_touched() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n";
        let text = String::from_utf8(instead_of(bare).unwrap()).unwrap();
        assert!(text.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{text}");
        assert!(text.contains(r#"{"code":"too_large","message":"the head"#), "{text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 12\r\n\r\n",
            b"\x81\x05hello",
            b"HTTP/1.1",
            b"",
        ] {
            assert!(instead_of(other).is_none(), "{other:?}");
        }
    }
}
