//! What the user of the token set of their own, for all of their devices. Setting it is an operation (`operations/set.rs`).

use axum::Json;
use axum::extract::State;

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path};
use crate::rest::own::{OwnOfConversation, OwnSettings, fetch};

/// What the user set for a conversation.
#[utoipa::path(get, path = "/api/v1/me/conversations/{id}", operation_id = "own_of_conversation",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = OwnOfConversation), (status = 403, body = ErrorBody)))]
pub(super) async fn of_conversation(
    State(state): State<HttpState>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<OwnOfConversation>, ApiError> {
    let id = conversation_id(&id)?;
    let reply = fetch(&state.services.chat, &identity, Some(id)).await?;
    Ok(Json(OwnOfConversation::answered(reply)))
}

/// What the user set for all conversations.
#[utoipa::path(get, path = "/api/v1/me/settings", operation_id = "own_settings",
    responses((status = 200, body = OwnSettings), (status = 401, body = ErrorBody)))]
pub(super) async fn of_all(
    State(state): State<HttpState>,
    identity: Identity,
) -> Result<Json<OwnSettings>, ApiError> {
    let reply = fetch(&state.services.chat, &identity, None).await?;
    Ok(Json(OwnSettings::of(&reply.settings)))
}
