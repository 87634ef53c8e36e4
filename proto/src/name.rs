//! What a name may look like: of users, devices and gateways.

/// Longest user, device or gateway id in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("an id must not be empty")]
    Empty,
    /// The text has more than [`MAX_NAME_BYTES`] bytes.
    #[error("an id has at most {MAX_NAME_BYTES} bytes")]
    TooLong,
    /// The text has a character outside the allowed set.
    #[error("an id has only letters, digits and . _ - @ : +")]
    BadCharacter,
    /// The text is `.` or `..`: clients take these out of a path before they send it, so that nothing of this
    /// id could be asked for over REST.
    #[error("`.` and `..` are no ids: a path cannot name them")]
    Dots,
    /// The text is not the id of a tenant.
    #[error("the id of a tenant has at most 32 bytes of a-z, 0-9 and -")]
    NotTenant,
    /// More tenants than a process keeps.
    #[error("too many tenants")]
    TooManyTenants,
    /// The bytes or the text are not a UUID.
    #[error("not a UUID")]
    NotUuid,
}

pub(crate) fn check_name(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(IdError::TooLong);
    }
    if matches!(text, "." | "..") {
        return Err(IdError::Dots);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_@:+".contains(&b);
    if text.bytes().all(allowed) { Ok(()) } else { Err(IdError::BadCharacter) }
}
