//! The upgrade: one request, one answer, and the bytes that came right behind it.

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
    #[error("not a WebSocket: {0}")]
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
    let mut stream = connect(target, source).await?;
    let protocol = target.subprotocol;
    let offer = protocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
         Authorization: Bearer {token}\r\nUser-Agent: fleet\r\n{}\r\n",
        target.path,
        target.authority,
        offer.unwrap_or_default()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(512);
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(end) = memchr::memmem::find(&answer, b"\r\n\r\n") {
            check(&answer[..end], protocol)?;
            return Ok((stream, answer.split_off(end + 4)));
        }
        if answer.len() > MAX_HEAD_BYTES {
            return Err(HandshakeError::NotWebSocket("the head of the answer does not end"));
        }
    }
}

/// Judges the head of the answer, without its empty line.
fn check(head: &[u8], protocol: Option<&str>) -> Result<(), HandshakeError> {
    let head = std::str::from_utf8(head)
        .map_err(|_| HandshakeError::NotWebSocket("the answer is not text"))?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .filter(|line| line.starts_with("HTTP/1."))
        .and_then(|line| line.split(' ').nth(1)?.parse().ok())
        .ok_or(HandshakeError::NotWebSocket("the answer is not HTTP"))?;
    let header = |name: &str| {
        lines.clone().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    };
    if status != 101 {
        let retry_after_secs = header("retry-after").and_then(|value| value.parse().ok());
        return Err(HandshakeError::Refused { status, retry_after_secs });
    }
    if header("sec-websocket-accept") != Some(ACCEPT) {
        return Err(HandshakeError::NotWebSocket("a wrong Sec-WebSocket-Accept"));
    }
    if header("sec-websocket-protocol") != protocol {
        return Err(HandshakeError::NotWebSocket("another subprotocol than was offered"));
    }
    if header("sec-websocket-extensions").is_some() {
        return Err(HandshakeError::NotWebSocket("an extension that was not asked for"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_answer_opens_a_socket() {
        let good = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nSec-Websocket-Accept: {ACCEPT}"
        );
        assert!(check(good.as_bytes(), None).is_ok());
        assert!(check(good.as_bytes(), Some("other")).is_err());
        let wrong = good.replace("s3pP", "AAAA");
        assert!(matches!(check(wrong.as_bytes(), None), Err(HandshakeError::NotWebSocket(_))));
        assert!(matches!(check(b"SSH-2.0-x", None), Err(HandshakeError::NotWebSocket(_))));
        let busy = check(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7", None);
        assert!(matches!(
            busy,
            Err(HandshakeError::Refused { status: 503, retry_after_secs: Some(7) })
        ));
    }
}
