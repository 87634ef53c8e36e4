//! The upgrade, or an event stream in its place: one request, one answer, and the bytes that came
//! right behind it.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Longest answer head in bytes.
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// The nonce of RFC 6455 section 1.3 and its answer. It keeps caches from replaying an answer; the
/// generator talks to no cache, and so needs no hash per connection.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Offers compression.
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
                     client_no_context_takeover\r\n";

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The resolved address.
    pub address: SocketAddr,
    /// `host:port` as it stands in the `Host` header.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Offered, and it must be agreed on.
    pub subprotocol: Option<&'static str>,
    /// So is compression of each message by itself.
    pub offers_deflate: bool,
}

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// No connection, or it broke.
    #[error("connect: {0}")]
    Io(#[from] io::Error),
    /// The answer was not 101.
    #[error("http {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// How long to wait, when the server said so.
        retry_after_secs: Option<u64>,
    },
    /// The answer was not HTTP, or a wrong upgrade.
    #[error("not what was asked for: {0}")]
    NotWebSocket(&'static str),
}

/// Connects from `source`.
pub async fn connect(target: &Target, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if target.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_nodelay(true)?;
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(target.address).await
}

/// Connects from `source` and upgrades. The bytes behind the answer belong to the first frames.
pub async fn open(
    target: &Target,
    source: Option<IpAddr>,
    token: &str,
) -> Result<(TcpStream, Vec<u8>), HandshakeError> {
    let protocol = target.subprotocol;
    let offer = protocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let deflate = if target.offers_deflate { OFFER } else { "" };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
         Authorization: Bearer {token}\r\nUser-Agent: fleet\r\n{deflate}{}\r\n",
        target.path,
        target.authority,
        offer.unwrap_or_default()
    );
    let (stream, head, early) = ask(target, source, &request).await?;
    check(&head, target)?;
    Ok((stream, early))
}

/// Connects from `source` and asks for an answer that goes on. The bytes behind its head are its
/// beginning.
pub async fn open_stream(
    target: &Target,
    source: Option<IpAddr>,
    token: &str,
) -> Result<(TcpStream, Vec<u8>), HandshakeError> {
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\
         Authorization: Bearer {token}\r\nUser-Agent: fleet\r\n\r\n",
        target.path, target.authority
    );
    let (stream, head, early) = ask(target, source, &request).await?;
    check_stream(&head)?;
    Ok((stream, early))
}

/// Connects and says this; the head of the answer without its empty line, and what came behind it.
async fn ask(
    target: &Target,
    source: Option<IpAddr>,
    request: &str,
) -> Result<(TcpStream, Vec<u8>, Vec<u8>), HandshakeError> {
    let mut stream = connect(target, source).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(512);
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(end) = memchr::memmem::find(&answer, b"\r\n\r\n") {
            let early = answer.split_off(end + 4);
            answer.truncate(end);
            return Ok((stream, answer, early));
        }
        if answer.len() > MAX_HEAD_BYTES {
            return Err(HandshakeError::NotWebSocket("the head of the answer does not end"));
        }
    }
}

/// The head of an answer.
struct Head<'a> {
    status: u16,
    lines: std::str::Split<'a, &'static str>,
}

impl<'a> Head<'a> {
    /// Reads it when it has this status; any other is a refusal.
    fn granted(head: &'a [u8], wanted: u16) -> Result<Self, HandshakeError> {
        let head = std::str::from_utf8(head)
            .map_err(|_| HandshakeError::NotWebSocket("the answer is not text"))?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .filter(|line| line.starts_with("HTTP/1."))
            .and_then(|line| line.split(' ').nth(1)?.parse().ok())
            .ok_or(HandshakeError::NotWebSocket("the answer is not HTTP"))?;
        let head = Self { status, lines };
        if head.status != wanted {
            let retry_after_secs = head.get("retry-after").and_then(|value| value.parse().ok());
            return Err(HandshakeError::Refused { status, retry_after_secs });
        }
        Ok(head)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.lines.clone().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Judges the head of the answer to an upgrade.
fn check(head: &[u8], target: &Target) -> Result<(), HandshakeError> {
    let head = Head::granted(head, 101)?;
    if head.get("sec-websocket-accept") != Some(ACCEPT) {
        return Err(HandshakeError::NotWebSocket("a wrong Sec-WebSocket-Accept"));
    }
    if head.get("sec-websocket-protocol") != target.subprotocol {
        return Err(HandshakeError::NotWebSocket("another subprotocol than was offered"));
    }
    match head.get("sec-websocket-extensions") {
        None if target.offers_deflate => {
            Err(HandshakeError::NotWebSocket("the server does not compress: `limits.compression`"))
        }
        Some(_) if !target.offers_deflate => {
            Err(HandshakeError::NotWebSocket("an extension that was not asked for"))
        }
        Some(agreed) if !agrees_on_deflate(agreed) => {
            Err(HandshakeError::NotWebSocket("another compression than was offered"))
        }
        _ => Ok(()),
    }
}

/// Compression, and each message by itself: what came before it is not kept here.
fn agrees_on_deflate(agreed: &str) -> bool {
    let mut parts = agreed.split(';').map(str::trim);
    parts.next() == Some("permessage-deflate") && parts.any(|it| it == "server_no_context_takeover")
}

/// Judges the head of an answer that goes on.
fn check_stream(head: &[u8]) -> Result<(), HandshakeError> {
    let head = Head::granted(head, 200)?;
    let is = |name, value| head.get(name).is_some_and(|it| it.eq_ignore_ascii_case(value));
    if !is("content-type", "text/event-stream") || !is("transfer-encoding", "chunked") {
        return Err(HandshakeError::NotWebSocket("no stream of events in chunks"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offering(subprotocol: Option<&'static str>, offers_deflate: bool) -> Target {
        let (authority, path) = ("h:1".to_owned(), "/ws".to_owned());
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        Target { address, authority, path, subprotocol, offers_deflate }
    }

    fn upgraded() -> String {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nSec-Websocket-Accept: {ACCEPT}"
        )
    }

    #[test]
    fn only_the_right_answer_opens_a_socket() {
        let (plain, good) = (offering(None, false), upgraded());
        assert!(check(good.as_bytes(), &plain).is_ok());
        assert!(check(good.as_bytes(), &offering(Some("other"), false)).is_err());
        let wrong = good.replace("s3pP", "AAAA");
        assert!(matches!(check(wrong.as_bytes(), &plain), Err(HandshakeError::NotWebSocket(_))));
        assert!(matches!(check(b"SSH-2.0-x", &plain), Err(HandshakeError::NotWebSocket(_))));
        let busy = check(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7", &plain);
        assert!(matches!(
            busy,
            Err(HandshakeError::Refused { status: 503, retry_after_secs: Some(7) })
        ));
    }

    #[test]
    fn compression_is_agreed_on_when_both_say_so_and_each_message_stands_alone() {
        let extended = |what| format!("{}\r\nSec-WebSocket-Extensions: {what}", upgraded());
        let agreed = extended("permessage-deflate; server_no_context_takeover");
        assert!(check(agreed.as_bytes(), &offering(None, true)).is_ok());
        assert!(check(agreed.as_bytes(), &offering(None, false)).is_err());
        let with_context = extended("permessage-deflate");
        for answer in [upgraded(), with_context, extended("x-other; server_no_context_takeover")] {
            assert!(check(answer.as_bytes(), &offering(None, true)).is_err(), "{answer}");
        }
    }

    #[test]
    fn only_events_in_chunks_are_a_stream() {
        let good = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                    transfer-encoding: chunked";
        assert!(check_stream(good.as_bytes()).is_ok());
        for (from, to) in [("event-stream", "html"), ("chunked", "gzip"), ("200", "101")] {
            assert!(check_stream(good.replace(from, to).as_bytes()).is_err(), "{to}");
        }
        let refused = check_stream(b"HTTP/1.1 401 Unauthorized");
        assert!(matches!(refused, Err(HandshakeError::Refused { status: 401, .. })));
    }
}
