//! A user in eight bytes, for tables that would have to look far for the id. Must not stand where a mistake would matter:
//! two users may have one hash.

use proto::hash::connection_digest;
use proto::id::UserId;

/// Names a user in eight bytes. Two users of one hash would be a wrong line for an operator, no more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserHash(u64);

impl UserHash {
    /// Of this user.
    pub fn of(user_id: &UserId) -> Self {
        Self(connection_digest(user_id.as_str(), 0))
    }

    /// As a number.
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}
