//! What somebody does by the role of their token and not as a member: it is written down. Pure.

use proto::id::UserId;

/// What the token of a user lets them do beyond what they may as a member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Authority {
    /// Nothing.
    #[default]
    None,
    /// The role `moderator`.
    Moderator,
    /// The role `admin`.
    Operator,
}

/// One act of an operator or a moderator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Who; the act is of their tenant.
    pub actor: UserId,
    /// Where from.
    pub ip: String,
    /// What.
    pub action: String,
    /// To what.
    pub target: String,
    /// Why, as they say; may be empty.
    pub reason: String,
    /// A JSON object.
    pub details: String,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
}
