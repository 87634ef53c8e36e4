//! Members of a conversation: list, add, remove, leave, roles.

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use proto::bus::{self, frame::Body as FrameBody};
use proto::chat::ListMembersRequest;
use proto::id::{UserId, UserName};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::command::{self, Key};
use super::error::{ApiError, ErrorBody, Path, Query};
use super::json_body::Body;
use super::paging::PageLimit;
use super::shapes::{Member, Members, Stored};
use super::words;
use crate::shared::{Identity, Shared};

/// Which page of the members.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MemberPage {
    /// At most so many; 100 when absent, 1,000 at most.
    #[param(inline)]
    limit: Option<PageLimit>,
    /// `next` of the page before.
    #[serde(default)]
    after: String,
}

/// The members, by user id.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/members", operation_id = "list_members", params(("id" = uuid::Uuid, Path), MemberPage),
    responses((status = 200, body = Members), (status = 403, body = ErrorBody)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    identity: Identity,
    Path(id): Path<String>,
    Query(page): Query<MemberPage>,
) -> Result<Json<Members>, ApiError> {
    let request = ListMembersRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: command::conversation_id(&id)?.to_bytes(),
        limit: PageLimit::or(page.limit, 100),
        after: page.after,
    };
    let reply =
        ask(
            &shared.chat,
            request,
            |mut chat, request| async move { chat.list_members(request).await },
        )
        .await?;
    Ok(Json(Members {
        members: reply.members.into_iter().map(Member::from).collect(),
        next: (!reply.next.is_empty()).then_some(reply.next),
    }))
}

/// Whom to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMembers {
    /// At most 1,000 at once.
    #[schema(value_type = Vec<words::UserName>)]
    members: Vec<UserName>,
    /// `member` (the default) or `admin`.
    #[schema(value_type = Option<words::GivenRole>)]
    role: Option<String>,
    /// Repeat it when asking again.
    client_id: Option<uuid::Uuid>,
}

/// Adds members; for admins and the owner.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/members",
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = NewMembers, responses((status = 200, body = Stored), (status = 403, body = ErrorBody)))]
pub(super) async fn add(
    State(shared): State<Shared>,
    identity: Identity,
    Path(id): Path<String>,
    key: Key,
    Body(new): Body<NewMembers>,
) -> Result<Json<Stored>, ApiError> {
    let id = command::conversation_id(&id)?;
    let role = role(new.role.as_deref().unwrap_or("member"))? as i32;
    let body = FrameBody::AddMembers(bus::AddMembers {
        r#ref: String::new(),
        client_id: key.or(new.client_id)?.to_bytes(),
        conversation_id: id.to_bytes(),
        user_ids: identity.user_texts(&new.members),
        role,
        refusal: why_not_add(&shared, &identity, &new.members).await?,
    });
    Ok(Json(command::run(&shared, &identity, id, body).await?))
}

/// What makes a request without a body repeatable.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Repeatable {
    /// Repeat it when asking again.
    client_id: Option<uuid::Uuid>,
}

/// Why this user may not put all of these into a group; empty when that is allowed. The chat service refuses it,
/// which knows what was stored before.
pub(super) async fn why_not_add(
    shared: &Shared,
    identity: &Identity,
    names: &[UserName],
) -> Result<String, ApiError> {
    let users = identity.users(names);
    let allowed = shared.allowed(shared.allow.add_to_group, identity, users.clone()).await?;
    let stranger = users.iter().find(|user| !allowed.contains(user));
    let text = |user: &UserId| {
        let user = user.name_str();
        format!(
            "{user} does not know you: only those who share a conversation with you may be added"
        )
    };
    Ok(stranger.map(text).unwrap_or_default())
}

/// Removes a member; removing oneself is leaving.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/members/{user}",
    params(("id" = uuid::Uuid, Path), ("user" = words::UserName, Path), Repeatable,
        ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    responses((status = 200, body = Stored), (status = 403, body = ErrorBody)))]
pub(super) async fn remove(
    State(shared): State<Shared>,
    identity: Identity,
    Path((id, user)): Path<(String, UserName)>,
    key: Key,
    Query(repeatable): Query<Repeatable>,
) -> Result<Json<Stored>, ApiError> {
    let id = command::conversation_id(&id)?;
    let body = FrameBody::RemoveMember(bus::RemoveMember {
        r#ref: String::new(),
        client_id: key.or(repeatable.client_id)?.to_bytes(),
        conversation_id: id.to_bytes(),
        user_id: identity.user(&user).to_string(),
    });
    Ok(Json(command::run(&shared, &identity, id, body).await?))
}

/// A member's new role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRole {
    /// `member`, `admin` or `owner`.
    #[schema(value_type = words::AnyRole)]
    role: String,
    /// Repeat it when asking again.
    client_id: Option<uuid::Uuid>,
}

/// Gives a role; for the owner.
#[utoipa::path(patch, path = "/api/v1/conversations/{id}/members/{user}",
    params(("id" = uuid::Uuid, Path), ("user" = words::UserName, Path),
        ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = NewRole,
    responses((status = 200, body = Stored), (status = 403, body = ErrorBody)))]
pub(super) async fn set_role(
    State(shared): State<Shared>,
    identity: Identity,
    Path((id, user)): Path<(String, UserName)>,
    key: Key,
    Body(new): Body<NewRole>,
) -> Result<Json<Stored>, ApiError> {
    let id = command::conversation_id(&id)?;
    let body = FrameBody::SetRole(bus::SetRole {
        r#ref: String::new(),
        client_id: key.or(new.client_id)?.to_bytes(),
        conversation_id: id.to_bytes(),
        user_id: identity.user(&user).to_string(),
        role: role(&new.role)? as i32,
    });
    Ok(Json(command::run(&shared, &identity, id, body).await?))
}

fn role(word: &str) -> Result<bus::Role, ApiError> {
    match word {
        "member" => Ok(bus::Role::Member),
        "admin" => Ok(bus::Role::Admin),
        "owner" => Ok(bus::Role::Owner),
        _ => Err(ApiError::invalid("`role` is `member`, `admin` or `owner`")),
    }
}
