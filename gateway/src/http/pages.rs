//! The chat page, built into the binary. Its files are compressed once: with Brotli by the builder, which writes
//! `NAME.br` beside them, and with gzip when the first of them is asked for. Paths that are none of its own are 404.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::LazyLock;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;

use crate::http::HttpState;
use crate::rest::error::ApiError;

#[derive(RustEmbed)]
#[folder = "../web/dist"]
struct Pages;

/// The paths under which the app is opened; its files have their own.
const ROUTES: [&str; 2] = ["/", "/index.html"];
/// The file that is the app.
const APP: &str = "index.html";

/// What is shown where the page was not built.
const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>Tidings</title>
<h1>Tidings is running</h1>
<p>Its chat page was not built, because that needs Node. Run <code>make web</code>, then build and start it again.
The socket is at <code>/ws</code>, REST at <code>/api/v1</code>.</p>";

/// A file in all its forms.
struct File {
    kind: HeaderValue,
    etag: String,
    plain: Bytes,
    /// None where the builder made none.
    brotli: Option<Bytes>,
    /// None where it would be no smaller.
    gzip: Option<Bytes>,
    caching: &'static str,
    /// A script or a style of a page. The headers of the page say what a browser may do with it, and repeated headers
    /// would make a first visit slower.
    is_part: bool,
}

static FILES: LazyLock<HashMap<String, File>> = LazyLock::new(|| {
    let embedded =
        Pages::iter().filter_map(|name| Some((name.to_string(), Pages::get(&name)?.data)));
    let mut files = files(embedded);
    let not_built = || File::new(APP, Cow::Borrowed(NOT_BUILT.as_bytes()));
    files.entry(APP.to_owned()).or_insert_with(not_built);
    files
});

/// What the builder adds to the name of a file for its compressed form.
const BROTLI: &str = ".br";

/// Files by name; those ending in `.br` are another form of the file beside them, and have no path of their own.
fn files(embedded: impl Iterator<Item = (String, Cow<'static, [u8]>)>) -> HashMap<String, File> {
    let is_brotli = |name: &str| name.strip_suffix(BROTLI).is_some();
    let (brotli, plain): (Vec<_>, Vec<_>) = embedded.partition(|(name, _)| is_brotli(name));
    let mut files: HashMap<_, _> =
        plain.into_iter().map(|(name, data)| (name.clone(), File::new(&name, data))).collect();
    for (name, data) in brotli {
        let file = name.strip_suffix(BROTLI).and_then(|name| files.get_mut(name));
        if let Some(file) = file {
            file.brotli = Some(bytes(data)).filter(|it| it.len() < file.plain.len());
        }
    }
    files
}

fn bytes(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => Bytes::from(data),
    }
}

impl File {
    fn new(name: &str, data: Cow<'static, [u8]>) -> Self {
        let plain = bytes(data);
        let kind = mime_guess::from_path(name).first_or_octet_stream();
        let is_text = kind.type_() == "text" || kind.suffix().is_some_and(|it| it == "xml");
        let charset = if kind.type_() == "text" { "; charset=utf-8" } else { "" };
        let octets = HeaderValue::from_static("application/octet-stream");
        let is_part = matches!(kind.subtype().as_str(), "javascript" | "css");
        Self {
            is_part,
            kind: HeaderValue::from_str(&format!("{kind}{charset}")).unwrap_or(octets),
            etag: etag(&plain),
            brotli: None,
            gzip: compressed(&plain).filter(|gzip| is_text && gzip.len() < plain.len()),
            plain,
            // The builder puts a hash of the content into the names of assets.
            caching: if name.starts_with("assets/") {
                "public, max-age=31536000, immutable"
            } else {
                "no-cache"
            },
        }
    }
}

/// A tag of the content, without quotes.
fn etag(data: &[u8]) -> String {
    use sha1::Digest as _;
    let hash = sha1::Sha1::digest(data);
    u128::from_be_bytes(*hash.first_chunk().unwrap_or(&[0; 16])).to_string()
}

fn compressed(data: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Answers with a file of the page, or with the page itself at its routes.
pub(crate) async fn serve(
    State(state): State<HttpState>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let name = if ROUTES.contains(&uri.path()) { APP } else { uri.path().trim_start_matches('/') };
    let Some(file) = FILES.get(name) else {
        let text = "there is no such path; the page is at /, REST at /api/v1, sockets at /ws";
        return ApiError::not_found(text).into_response();
    };
    if method != Method::GET && method != Method::HEAD {
        let text = "a page is read with GET";
        let refusal = ApiError::new(proto::error_code::ErrorCode::BadFrame, text);
        let mut response = refusal.with_status(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let mut response = answer(file, &headers);
    if !file.is_part {
        let policy = state.login.content_policy.clone();
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn answer(file: &File, headers: &HeaderMap) -> Response {
    let brotli = file.brotli.as_ref().filter(|_| takes(headers, "br"));
    let gzip = file.gzip.as_ref().filter(|_| takes(headers, "gzip"));
    let (body, encoding) = match (brotli, gzip) {
        (Some(brotli), _) => (brotli, Some("br")),
        (None, Some(gzip)) => (gzip, Some("gzip")),
        (None, None) => (&file.plain, None),
    };
    let mark = encoding.map_or(String::new(), |encoding| format!("-{encoding}"));
    let etag = format!("\"{}{mark}\"", file.etag);
    let known = headers.get(header::IF_NONE_MATCH);
    let is_known = known.is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        axum::body::Body::from(body.clone()).into_response()
    };
    let put = response.headers_mut();
    if !is_known {
        put.insert(header::CONTENT_TYPE, file.kind.clone());
        if let Some(encoding) = encoding {
            put.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        put.insert(header::ETAG, etag);
    }
    put.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    put.insert(header::CACHE_CONTROL, HeaderValue::from_static(file.caching));
    if !file.is_part {
        put.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        put.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    response
}

/// Whether the client takes this encoding: named without a quality of zero.
fn takes(headers: &HeaderMap, encoding: &str) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut offers =
        values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    offers.any(|offer| {
        let (name, quality) = offer.split_once(';').unwrap_or((offer, "q=1"));
        let quality = quality.trim().trim_start_matches("q=").parse().unwrap_or(1.0);
        name.trim().eq_ignore_ascii_case(encoding) && quality > 0.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_for_those_who_take_it() {
        let gzip = |value: &str| takes(&accepting(value), "gzip");
        assert!(gzip("gzip") && gzip("br, GZIP;q=0.5") && gzip("deflate, gzip ;q=1.0"));
        assert!(!gzip("br") && !gzip("gzip;q=0") && !gzip("") && !gzip("gzip;q=0.0"));
        assert!(!takes(&HeaderMap::new(), "gzip"));
        assert!(takes(&accepting("gzip, br"), "br") && !takes(&accepting("gzip"), "br"));
    }

    #[test]
    fn the_brotli_of_the_builder_is_served_to_those_who_take_it_and_has_no_path_of_its_own() {
        let text = Cow::Owned(b"word ".repeat(100));
        let small: Cow<'static, [u8]> = Cow::Borrowed(b"made by the builder");
        let embedded =
            [("assets/a.js".to_owned(), text), ("assets/a.js.br".to_owned(), small.clone())];
        let files = files(embedded.into_iter());
        assert_eq!(files.keys().collect::<Vec<_>>(), ["assets/a.js"]);
        let served = |accept: &str| {
            let response = answer(&files["assets/a.js"], &accepting(accept));
            let header = |name| response.headers().get(name).and_then(|it| it.to_str().ok());
            (
                header(header::CONTENT_ENCODING).unwrap_or("").to_owned(),
                header(header::ETAG).unwrap().to_owned(),
            )
        };
        let forms = [served("gzip, br"), served("gzip"), served("")];
        assert_eq!(forms.each_ref().map(|(encoding, _)| encoding.as_str()), ["br", "gzip", ""]);
        let tags: std::collections::HashSet<_> = forms.iter().map(|(_, etag)| etag).collect();
        assert_eq!(tags.len(), 3, "each form has a tag of its own");
    }

    fn accepting(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())])
    }

    #[test]
    fn whatever_is_no_part_of_a_page_says_what_a_page_says() {
        let is_part = |name: &str| File::new(name, Cow::Borrowed(b"x")).is_part;
        assert!(is_part("assets/a.js") && is_part("assets/a.css"));
        for name in ["index.html", "a.svg", "a.xml", "a.png", "a.js.map", "a"] {
            assert!(!is_part(name), "{name}");
            let head = answer(&File::new(name, Cow::Borrowed(b"x")), &HeaderMap::new());
            assert_eq!(head.headers()[header::X_FRAME_OPTIONS], "DENY", "{name}");
        }
        let head = answer(&File::new("assets/a.js", Cow::Borrowed(b"x")), &HeaderMap::new());
        assert!(!head.headers().contains_key(header::REFERRER_POLICY));
    }

    #[test]
    fn only_text_that_gets_smaller_is_compressed() {
        let text = File::new("assets/a.js", Cow::Owned(b"word ".repeat(100)));
        assert!(text.gzip.is_some_and(|gzip| gzip.len() < 100));
        assert_eq!(text.caching, "public, max-age=31536000, immutable");
        assert!(File::new("b.js", Cow::Borrowed(b"x")).gzip.is_none());
        assert!(File::new("c.png", Cow::Owned(b"word ".repeat(100))).gzip.is_none());
    }
}
