//! Values of requests, read and checked before the store is asked. No I/O.

use proto::id::{ConversationId, TenantId, UserId, UserName};
use tonic::Status;

use crate::domain::entry::DeviceType;

/// Ids in one question.
pub(super) const MAX_IDS: usize = 1_000;
/// Longest text that is searched for, and longest id of a dead letter, in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// Checks a text of a question before a database sees it: databases differ in what they refuse.
pub(super) fn text<'a>(what: &str, text: &'a str) -> Result<&'a str, Status> {
    if text.len() > MAX_TEXT_BYTES || text.contains('\0') {
        return Err(Status::invalid_argument(format!(
            "{what}: at most {MAX_TEXT_BYTES} bytes without a NUL character"
        )));
    }
    Ok(text)
}

pub(super) fn user(text: &str) -> Result<UserId, Status> {
    UserId::parse_qualified(text)
        .map_err(|error| Status::invalid_argument(format!("user id: {error}")))
}

pub(super) fn users(texts: &[String]) -> Result<Vec<UserId>, Status> {
    if texts.len() > MAX_IDS {
        return Err(Status::invalid_argument("ask for at most 1,000 users at once"));
    }
    texts.iter().map(|text| user(text)).collect()
}

/// Those of a tenant among users.
pub(super) fn names(tenant: TenantId, users: &[UserId]) -> Vec<UserName> {
    users.iter().filter(|user| user.tenant() == tenant).map(UserId::name).collect()
}

pub(super) fn tenant(field: &str) -> Result<TenantId, Status> {
    TenantId::from_field(field)
        .map_err(|error| Status::invalid_argument(format!("tenant: {error}")))
}

pub(super) fn conversation_id(bytes: &[u8]) -> Result<ConversationId, Status> {
    ConversationId::from_bytes(bytes)
        .map_err(|_| Status::invalid_argument("conversation id: not a UUID"))
}

/// `None` for a device of no type that messages are meant for.
pub(super) fn device_type(code: i32) -> Option<DeviceType> {
    DeviceType::of(i64::from(code))
}
