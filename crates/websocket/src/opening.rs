//! The opening handshake (RFC 6455, section 4.2): what the request must say, and the answer to it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Encoding, ReadBounds, Socket, deflate};

/// Joined to the client's key (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request to become a socket.
#[derive(Debug)]
pub struct Opening {
    accept: HeaderValue,
    on_upgrade: OnUpgrade,
    /// The answer to the client's offer of compression; none without one that this side can keep.
    deflate: Option<&'static str>,
}

/// Why a request is none: the status, a header and a text of the answer, which says what to do about it.
pub type NotOne = (StatusCode, [(HeaderName, &'static str); 1], &'static str);

impl Opening {
    /// Takes the upgrade out of a request with this head.
    pub fn from_request(parts: &mut Parts) -> Result<Self, NotOne> {
        let upgrade = (header::UPGRADE, "websocket");
        let refuse = |text| (StatusCode::UPGRADE_REQUIRED, [upgrade.clone()], text);
        let headers = &parts.headers;
        if parts.method != Method::GET || parts.version < Version::HTTP_11 {
            return Err(refuse("open a WebSocket with GET over HTTP/1.1"));
        }
        if !names(headers, header::CONNECTION, "upgrade")
            || !names(headers, header::UPGRADE, "websocket")
        {
            return Err(refuse("this is a WebSocket endpoint; does a proxy drop `Upgrade`?"));
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            let version = [(header::SEC_WEBSOCKET_VERSION, "13")];
            return Err((StatusCode::BAD_REQUEST, version, "WebSocket version 13 only"));
        }
        let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
            return Err((StatusCode::BAD_REQUEST, [upgrade], "`Sec-WebSocket-Key` is missing"));
        };
        let accept = HeaderValue::from_str(&accept_of(key.as_bytes()))
            .map_err(|_| refuse("no answer to this key"))?;
        let extensions = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS);
        let deflate = deflate::agree(extensions.iter().filter_map(|value| value.to_str().ok()));
        let on_upgrade = parts
            .extensions
            .remove::<OnUpgrade>()
            .ok_or_else(|| refuse("this connection cannot be upgraded"))?;
        Ok(Self { accept, on_upgrade, deflate })
    }
}

/// The answer to a client's key (section 4.2.2).
pub(super) fn accept_of(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.finalize())
}

/// Whether a header lists a word.
fn names(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = headers.get_all(name);
    let mut words =
        values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    words.any(|value| value.trim().eq_ignore_ascii_case(word))
}

/// What the client offers as subprotocols, the best first.
fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let names = values.iter().filter_map(|v| v.to_str().ok()).flat_map(|value| value.split(','));
    names.map(str::trim).filter(|name| !name.is_empty())
}

/// What is answered to the subprotocols that a client offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subprotocol {
    /// It offers none.
    None,
    /// One of ours.
    Ours(&'static str),
    /// A token and none of ours: the frames are JSON. A browser goes on only when one of its offers is
    /// repeated.
    Bearer(HeaderValue),
    /// None that is known here. It is repeated, so that a browser opens the socket and shows why it is
    /// closed.
    Foreign(HeaderValue),
}

impl Subprotocol {
    /// The first that is one of ours, or whose name begins with `bearer`.
    pub fn choose(headers: &HeaderMap, ours: &[&'static str], bearer: &str) -> Self {
        let known = |offer: &str| ours.iter().copied().find(|name| *name == offer);
        if let Some(name) = offered(headers).find_map(known) {
            return Self::Ours(name);
        }
        let value = |name: Option<&str>| name.and_then(|name| HeaderValue::from_str(name).ok());
        if let Some(token) = value(offered(headers).find(|name| name.starts_with(bearer))) {
            return Self::Bearer(token);
        }
        value(offered(headers).next()).map_or(Self::None, Self::Foreign)
    }

    fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::Ours(name) => Some(HeaderValue::from_static(name)),
            Self::Bearer(name) | Self::Foreign(name) => Some(name.clone()),
        }
    }
}

/// A request that is granted, waiting for the answer to be out.
#[derive(Debug)]
pub struct Opened {
    on_upgrade: OnUpgrade,
    encoding: Encoding,
    limit: usize,
}

impl Opening {
    /// The client offers compression that this side can keep.
    pub fn offers_deflate(&self) -> bool {
        self.deflate.is_some()
    }

    /// Grants it. No message of the client may be larger than `limit` bytes.
    pub fn grant(
        self,
        subprotocol: &Subprotocol,
        encoding: Encoding,
        limit: usize,
    ) -> (Response<()>, Opened) {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(name) = subprotocol.header() {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, name);
        }
        if let Some(agreed) = self.deflate.filter(|_| encoding.is_deflated) {
            let agreed = HeaderValue::from_static(agreed);
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, agreed);
        }
        (response, Opened { on_upgrade: self.on_upgrade, encoding, limit })
    }
}

impl Opened {
    /// The socket, once the answer is out; none when the connection was lost meanwhile, or is served over another
    /// kind of stream.
    pub async fn socket<S, B>(self, bounds: B) -> Option<Socket<S, B>>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        B: ReadBounds,
    {
        let upgraded = self.on_upgrade.await.ok()?;
        let parts = upgraded.downcast::<TokioIo<S>>().ok()?;
        let stream = parts.io.into_inner();
        Some(Socket::new(stream, &parts.read_buf, self.limit, self.encoding, bounds))
    }
}
