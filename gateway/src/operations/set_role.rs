//! `set_role`: gives a member of a group a role.

use axum::Json;
use axum::extract::State;
use proto::bus::{self, operation::Action};
use proto::common::Role;
use proto::id::{ConversationId, UserName};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Operation;
use super::over_rest::{self, Key};
use crate::identity::Identity;
use crate::operations::Operations;
use crate::rest::error::{ApiError, ErrorBody, Path};
use crate::rest::json_body::Body;
use crate::rest::shapes::Stored;
use crate::rest::{conversation_id, words};

/// What goes up for a role.
fn operation(identity: &Identity, at: ConversationId, user: &UserName, role: Role) -> Operation {
    let user_id = identity.user(user).to_string();
    Operation::new(at, Action::SetRole(bus::SetRole { user_id, role: role as i32 })).naming(1)
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
    State(operations): State<Operations>,
    identity: Identity,
    Path((id, user)): Path<(String, UserName)>,
    key: Key,
    Body(new): Body<NewRole>,
) -> Result<Json<Stored>, ApiError> {
    let id = conversation_id(&id)?;
    let client_id = key.or(new.client_id)?;
    let operation = operation(&identity, id, &user, role(&new.role)?);
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}

/// The role that a request names.
pub(super) fn role(word: &str) -> Result<Role, ApiError> {
    match word {
        "member" => Ok(Role::Member),
        "admin" => Ok(Role::Admin),
        "owner" => Ok(Role::Owner),
        _ => Err(ApiError::invalid("`role` is `member`, `admin` or `owner`")),
    }
}
