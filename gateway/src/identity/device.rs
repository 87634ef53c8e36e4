//! What a client says of its device. Must not take a word of it for a right.

use axum::http::{HeaderMap, HeaderValue, header};
use proto::common::DeviceType;
use proto::id::DeviceId;

use super::Identity;

/// What is kept of a user agent, in bytes.
const USER_AGENT_BYTES: usize = 256;

/// What a client calls itself, as far as presence keeps it; empty when it says nothing.
pub(crate) fn user_agent(headers: &HeaderMap) -> Box<str> {
    let said = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    let said = String::from_utf8_lossy(said);
    Box::from(&said[..said.floor_char_boundary(USER_AGENT_BYTES)])
}

/// The device type that a client says of itself; unknown words count as none.
pub(crate) fn device_type(word: Option<&str>) -> DeviceType {
    word.and_then(device_type_of).unwrap_or_default()
}

/// Reads a device type.
pub(crate) fn device_type_of(word: &str) -> Option<DeviceType> {
    match word {
        "web" => Some(DeviceType::Web),
        "ios" => Some(DeviceType::Ios),
        "android" => Some(DeviceType::Android),
        "desktop" => Some(DeviceType::Desktop),
        "bot" => Some(DeviceType::Bot),
        _ => None,
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
