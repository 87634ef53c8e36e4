//! Who is there: the token in its four ways, the device, the origin of the page.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use platform::grpc::ask;
use platform::token::TokenError;
use proto::bus::DeviceType;
use proto::chat::GetConversationRequest;
use proto::error_code::ErrorCode;
use proto::frame::{FrameError, client::ClientFrame, decode_client, msgpack};
use proto::id::{ConversationId, DeviceId};

use super::close::Close;
use crate::frame::Encoding;
use crate::shared::{Identity, Shared};
use crate::socket::{Message, ReadError};
use crate::transport::Transport;

/// The subprotocol of this protocol.
pub(crate) const SUBPROTOCOL: &str = "tidings.v1";
/// The same with its frames in MessagePack.
pub(crate) const MSGPACK_SUBPROTOCOL: &str = "tidings.v1.msgpack";
/// A token beside it in `Sec-WebSocket-Protocol`, for browsers, which can set no other header.
pub(crate) const BEARER_PROTOCOL: &str = "bearer.";

/// What is kept of a user agent, in bytes.
const USER_AGENT_BYTES: usize = 256;

/// Longest first frame: a token of 8 KiB and what is around it.
pub(crate) const AUTH_FRAME_BYTES: usize = 16 << 10;

/// The token of an upgrade request: query, subprotocol, `Authorization`.
pub(crate) fn token(query: Option<&str>, headers: &HeaderMap) -> Option<String> {
    if let Some(token) = query.filter(|token| !token.is_empty()) {
        return Some(token.to_owned());
    }
    let protocols = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut offered =
        protocols.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if let Some(token) = offered.find_map(|name| name.trim().strip_prefix(BEARER_PROTOCOL)) {
        return Some(token.to_owned());
    }
    bearer(headers).map(str::to_owned)
}

/// The token of `Authorization: Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a page of this origin may open a socket: no origin (not a browser), the same host, or listed.
pub(crate) fn is_origin_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|listed| listed == origin) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority =
        origin.parse::<Uri>().ok().and_then(|uri| uri.authority().map(ToString::to_string));
    host.is_some() && authority.as_deref() == host
}

/// What a request says of the page that it comes from, where that is a page of another host. Kept until it is known
/// whose user is there, on the few connections that come from such pages.
pub(crate) fn foreign_page(headers: &HeaderMap) -> Option<Box<HeaderMap>> {
    let origin = headers.get(header::ORIGIN).filter(|_| !is_origin_allowed(headers, &[]))?;
    Some(Box::new(HeaderMap::from_iter([(header::ORIGIN, origin.clone())])))
}

/// What a client calls itself, as far as presence keeps it; empty when it says nothing.
pub(crate) fn user_agent(headers: &HeaderMap) -> Box<str> {
    let said = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    let said = String::from_utf8_lossy(said);
    Box::from(&said[..said.floor_char_boundary(USER_AGENT_BYTES)])
}

/// Reads a device type; unknown words count as none.
pub(crate) fn device_type(word: Option<&str>) -> DeviceType {
    match word {
        Some("web") => DeviceType::Web,
        Some("ios") => DeviceType::Ios,
        Some("android") => DeviceType::Android,
        Some("desktop") => DeviceType::Desktop,
        Some("bot") => DeviceType::Bot,
        _ => DeviceType::Unspecified,
    }
}

/// The device: from the token, from the request, or a new one for this connection.
pub(crate) fn device(identity: &Identity, requested: Option<DeviceId>) -> DeviceId {
    identity.device_id.clone().or(requested).unwrap_or_else(|| {
        let fresh = uuid::Uuid::new_v4().simple().to_string();
        // 32 hexadecimal digits are a device id.
        DeviceId::parse(&fresh).unwrap_or_else(|_| unreachable!("a UUID is a device id"))
    })
}

/// Finds out who is there, from the request or from a first `auth` frame.
pub(crate) async fn identify(
    shared: &Shared,
    socket: &mut Transport,
    token: Option<&str>,
) -> Result<Identity, Option<Close>> {
    let refuse = |error| Some(Close::Unauthenticated(error));
    match token {
        Some(token) => shared.identify(token).map_err(refuse),
        None => {
            let token = Box::pin(first_frame(shared, socket)).await?;
            shared.identify(&token).map_err(refuse)
        }
    }
}

/// What ends a connection that cannot be read; none when the client is gone.
pub(crate) fn read_error(error: &ReadError) -> Option<Close> {
    match error {
        ReadError::TooBig => Some(Close::MuchTooBig),
        ReadError::NotText => Some(Close::NotText),
        ReadError::NotFrames => Some(Close::NotFrames),
        ReadError::NoRoom => Some(Close::NoRoom),
        ReadError::Unfinished => Some(Close::Unfinished),
        // A stranger's allowance is used up.
        ReadError::Lost(error) if error.kind() == std::io::ErrorKind::QuotaExceeded => {
            Some(Close::MuchTooBig)
        }
        ReadError::Lost(_) => None,
    }
}

/// The frame in a message, in the form that was agreed on; in JSON it has at most so many bytes.
pub(crate) fn decode(
    message: &Message,
    encoding: Encoding,
    most: usize,
) -> Result<ClientFrame, FrameError> {
    let message = match (message, encoding.is_binary) {
        (Message::Text(text), false) => return decode_client(text),
        (Message::Binary(bytes), true) => return msgpack::decode_client(bytes, most),
        (_, true) => "frames are binary messages of MessagePack under `tidings.v1.msgpack`",
        (_, false) => "frames are JSON text; for binary ones offer `tidings.v1.msgpack`",
    };
    let message = message.to_owned();
    Err(FrameError { code: ErrorCode::BadFrame, message, reference: None })
}

/// Waits for `auth`. Anything else ends the connection: before the token nobody is served.
async fn first_frame(shared: &Shared, socket: &mut Transport) -> Result<String, Option<Close>> {
    let timeout = Duration::from_millis(shared.limits.auth_timeout_ms);
    let message =
        tokio::time::timeout(timeout, socket.recv()).await.map_err(|_| Some(Close::AuthTimeout))?;
    match message {
        Some(Ok(Message::Text(text))) if text.len() > AUTH_FRAME_BYTES => Err(Some(Close::TooBig)),
        Some(Ok(Message::Binary(bytes))) if bytes.len() > AUTH_FRAME_BYTES => {
            Err(Some(Close::TooBig))
        }
        Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
            match decode(&message, socket.encoding(), AUTH_FRAME_BYTES) {
                Ok(ClientFrame::Auth(auth)) => Ok(auth.token),
                _ => Err(Some(Close::Unauthenticated(TokenError::Missing))),
            }
        }
        Some(Err(error)) => Err(read_error(&error)),
        _ => Err(None),
    }
}

/// Only members open `/ws/{conversation_id}`.
pub(crate) async fn check_member(
    shared: &Shared,
    identity: &Identity,
    id: ConversationId,
) -> Result<(), Close> {
    let request = GetConversationRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: id.to_bytes(),
    };
    match ask(&shared.chat, request, |mut chat, request| async move {
        chat.get_conversation(request).await
    })
    .await
    {
        Ok(_) => Ok(()),
        Err(status) if status.code() == tonic::Code::PermissionDenied => Err(Close::NotAllowed),
        Err(_) => Err(Close::TryAgain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_is_found_in_the_query_the_subprotocol_and_the_header() {
        let none = HeaderMap::new();
        assert_eq!(token(Some("t"), &none).as_deref(), Some("t"));
        assert_eq!(token(Some(""), &none), None);
        let protocol = headers(&[(header::SEC_WEBSOCKET_PROTOCOL, "tidings.v1, bearer.abc")]);
        assert_eq!(token(None, &protocol).as_deref(), Some("abc"));
        let authorization = headers(&[(header::AUTHORIZATION, "bearer abc")]);
        assert_eq!(token(None, &authorization).as_deref(), Some("abc"));
        assert_eq!(token(None, &headers(&[(header::AUTHORIZATION, "Basic abc")])), None);
    }

    #[test]
    fn pages_of_other_hosts_open_no_sockets() {
        let from =
            |origin| headers(&[(header::ORIGIN, origin), (header::HOST, "chat.example:8080")]);
        assert!(is_origin_allowed(&HeaderMap::new(), &[]));
        assert!(is_origin_allowed(&from("http://chat.example:8080"), &[]));
        assert!(!is_origin_allowed(&from("http://evil.example"), &[]));
        assert!(!is_origin_allowed(&from("null"), &[]));
        assert!(is_origin_allowed(&from("http://app.example"), &["http://app.example".to_owned()]));
    }
}
