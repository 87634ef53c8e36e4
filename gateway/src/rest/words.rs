//! What parameters of REST requests may say, as OpenAPI describes it. They are read elsewhere.

use utoipa::ToSchema;

/// The id of a user: not `.` and not `..`, which a path cannot name.
#[derive(ToSchema)]
#[schema(
    pattern = r"^(\.{0,2}[A-Za-z0-9_@:+-]|\.{3})[A-Za-z0-9._@:+-]*$",
    max_length = 64,
    example = "alice"
)]
#[expect(dead_code, reason = "describes an id")]
pub(crate) struct UserName(String);

/// What kind of conversation to make.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a word")]
pub(crate) enum NewKind {
    /// Of two users; it exists once.
    Direct,
    /// Of any number of users.
    Group,
}

/// What a member of a group is to be.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a word")]
pub(crate) enum GivenRole {
    /// May rename the group, add and remove members.
    Admin,
    /// May read and write.
    Member,
}

/// What a member of a group is to be; its owner may hand the group over.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a word")]
pub(crate) enum AnyRole {
    /// The owner so far becomes an admin.
    Owner,
    /// May rename the group, add and remove members.
    Admin,
    /// May read and write.
    Member,
}

/// What kind of message to send.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a word")]
pub(crate) enum SentKind {
    /// By a member: with mentions, links and formats.
    Text,
    /// By a member: with fields and actions.
    Card,
    /// By a member: what the server cannot read.
    Encrypted,
    /// Of an operator; for tokens with the role `admin`.
    Notice,
    /// Of an operator: that a call began, or how it ended.
    Call,
}
