//! The chat page, built into the binary.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../web/dist"]
struct Pages;

/// What is shown where the page was not built.
const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>Tidings</title>
<h1>Tidings is running</h1>
<p>Its chat page was not built, because that needs Node. Run <code>make web</code>, then build and start it again.
The socket is at <code>/ws</code>, REST at <code>/api/v1</code>.</p>";

/// Nothing from elsewhere, no inline script, no framing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' https: data:; connect-src 'self' ws: wss:; \
     style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Answers with a file of the page; unknown paths get the page itself.
pub(crate) async fn serve(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let (name, file) = match Pages::get(path) {
        Some(file) if !path.is_empty() => (path, Some(file)),
        _ if path.contains('.') => return StatusCode::NOT_FOUND.into_response(),
        _ => ("index.html", Pages::get("index.html")),
    };
    let mut response = match file {
        Some(file) => {
            let etag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..12]));
            if headers
                .get(header::IF_NONE_MATCH)
                .is_some_and(|known| known.as_bytes() == etag.as_bytes())
            {
                StatusCode::NOT_MODIFIED.into_response()
            } else {
                let kind = mime_guess::from_path(name).first_or_octet_stream();
                let mut response = Response::new(Body::from(file.data.into_owned()));
                set(&mut response, header::CONTENT_TYPE, kind.as_ref());
                set(&mut response, header::ETAG, &etag);
                response
            }
        }
        None => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], NOT_BUILT).into_response(),
    };
    // The builder puts a hash of the content into the names of assets.
    let caching = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    set(&mut response, header::CACHE_CONTROL, caching);
    set(&mut response, header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(&mut response, header::REFERRER_POLICY, "no-referrer");
    response
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
