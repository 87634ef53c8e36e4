//! What parameters of REST requests may say, as OpenAPI describes it. They are read elsewhere.

use utoipa::ToSchema;

/// The id of a user.
#[derive(ToSchema)]
#[schema(pattern = "^[A-Za-z0-9._@:+-]{1,64}$", example = "alice")]
#[expect(dead_code, reason = "describes an id")]
pub(super) struct UserName(String);

/// What kind of conversation to make.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a word")]
pub(super) enum NewKind {
    /// Of two users; it exists once.
    Direct,
    /// Of any number of users.
    Group,
}

/// What a member of a group is to be.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a word")]
pub(super) enum GivenRole {
    /// May rename the group, add and remove members.
    Admin,
    /// May read and write.
    Member,
}

/// What a member of a group is to be; its owner may hand the group over.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a word")]
pub(super) enum AnyRole {
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
pub(super) enum SentKind {
    /// By a member.
    Text,
    /// Of the operator; for tokens with the role `admin`.
    System,
}
