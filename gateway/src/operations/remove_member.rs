//! `remove_member`: removes a member from a group, or leaves it.

use axum::Json;
use axum::extract::State;
use proto::bus::{self, operation::Action};
use proto::id::{ConversationId, UserName};

use super::Operation;
use super::over_rest::{self, Key, Repeatable};
use crate::identity::Identity;
use crate::operations::Operations;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::shapes::Stored;
use crate::rest::{conversation_id, words};

/// What goes up for a member who is to go.
fn operation(identity: &Identity, at: ConversationId, user: &UserName) -> Operation {
    let user_id = identity.user(user).to_string();
    Operation::new(at, Action::RemoveMember(bus::RemoveMember { user_id })).naming(1)
}

/// Removes a member; removing oneself is leaving.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/members/{user}",
    params(("id" = uuid::Uuid, Path), ("user" = words::UserName, Path), Repeatable,
        ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    responses((status = 200, body = Stored), (status = 403, body = ErrorBody)))]
pub(super) async fn remove(
    State(operations): State<Operations>,
    identity: Identity,
    Path((id, user)): Path<(String, UserName)>,
    key: Key,
    Query(repeatable): Query<Repeatable>,
) -> Result<Json<Stored>, ApiError> {
    let operation = operation(&identity, conversation_id(&id)?, &user);
    let client_id = key.or(repeatable.client_id)?;
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}
