//! `add_members`: adds members to a group.

use axum::Json;
use axum::extract::State;
use proto::bus::{self, operation::Action};
use proto::common::Role;
use proto::id::{ConversationId, UserId, UserName};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Operation;
use super::over_rest::{self, Key};
use super::set_role::role;
use crate::identity::Identity;
use crate::identity::access::ClosedTo;
use crate::operations::Operations;
use crate::rest::error::{ApiError, ErrorBody, Path};
use crate::rest::json_body::Body;
use crate::rest::shapes::Stored;
use crate::rest::{conversation_id, words};

/// What goes up for new members.
fn operation(identity: &Identity, at: ConversationId, users: &[UserName], role: Role) -> Operation {
    let user_ids = identity.user_texts(users);
    let action = Action::AddMembers(bus::AddMembers { user_ids, role: role as i32 });
    Operation::new(at, action).naming(users.len())
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
    State(operations): State<Operations>,
    identity: Identity,
    Path(id): Path<String>,
    key: Key,
    Body(new): Body<NewMembers>,
) -> Result<Json<Stored>, ApiError> {
    let id = conversation_id(&id)?;
    let role = role(new.role.as_deref().unwrap_or("member"))?;
    let client_id = key.or(new.client_id)?;
    let refusal = why_not_add(&operations, &identity, &new.members).await?;
    let operation = operation(&identity, id, &new.members, role).refused(refusal);
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}

/// Why this user may not put all of these into a group; empty when that is allowed. The chat service refuses it,
/// which knows what was stored before.
pub(super) async fn why_not_add(
    operations: &Operations,
    identity: &Identity,
    names: &[UserName],
) -> Result<String, ApiError> {
    let users = identity.users(names);
    let allowed = operations
        .access
        .allowed(operations.access.allow.add_to_group, identity, users.clone())
        .await?;
    let stranger = users.iter().find(|user| !allowed.contains(user));
    let text = |user: &UserId| {
        let user = user.name_str();
        format!(
            "{user} does not know you: only users who share a conversation with you may be added"
        )
    };
    if let Some(stranger) = stranger {
        return Ok(text(stranger));
    }
    let closed = operations.access.closed(ClosedTo::Groups, identity, &users).await?;
    let text = |user: &UserId| format!("{} does not let you add them to a group", user.name_str());
    Ok(closed.map(text).unwrap_or_default())
}
