//! `rename`: changes the title of a group.

use axum::Json;
use axum::extract::State;
use proto::bus::{self, operation::Action};
use proto::id::ConversationId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Operation;
use super::over_rest::{self, Key};
use crate::identity::Identity;
use crate::operations::Operations;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path};
use crate::rest::json_body::Body;
use crate::rest::shapes::Stored;

/// What goes up for a title.
fn operation(at: ConversationId, title: String) -> Operation {
    Operation::new(at, Action::Rename(bus::Rename { title }))
}

/// What changes of a conversation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedConversation {
    /// The new title.
    title: String,
    /// Repeat it when asking again.
    client_id: Option<uuid::Uuid>,
}

/// Changes the title; for admins and the owner.
#[utoipa::path(patch, path = "/api/v1/conversations/{id}",
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = ChangedConversation, responses((status = 200, body = Stored), (status = 403, body = ErrorBody)))]
pub(super) async fn rename(
    State(operations): State<Operations>,
    identity: Identity,
    Path(id): Path<String>,
    key: Key,
    Body(changed): Body<ChangedConversation>,
) -> Result<Json<Stored>, ApiError> {
    let id = conversation_id(&id)?;
    let client_id = key.or(changed.client_id)?;
    let operation = operation(id, changed.title);
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}
