//! `react`: reacts to a message, or does so no more.

use axum::Json;
use axum::extract::State;
use proto::bus::{self, operation::Action};
use proto::frame::client;
use proto::id::ConversationId;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::over_rest::{self, Key};
use super::{Asked, Operation};
use crate::identity::Identity;
use crate::operations::Operations;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::json_body::Body;
use crate::rest::paging::Seq;
use crate::rest::shapes::Stored;

/// What goes up for a reaction.
fn operation(at: ConversationId, seq: u64, key: String, on: bool) -> Operation {
    Operation::new(at, Action::React(bus::React { seq, key, on }))
}

/// What the frame `react` asks for.
pub(crate) fn of_frame(frame: client::React) -> Asked {
    let client::React { r#ref: reference, client_id, conversation_id, seq, key, on } = frame;
    Asked { reference, client_id, operation: Ok(operation(conversation_id, seq, key, on)) }
}

/// A reaction.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewReaction {
    /// Mostly an emoji: 1 to 64 bytes of composed Unicode (NFC) without control characters.
    key: String,
    /// Repeat it when asking again; the header `Idempotency-Key` says the same.
    client_id: Option<uuid::Uuid>,
}

/// Reacts to a message.
#[utoipa::path(put, path = "/api/v1/conversations/{id}/messages/{seq}/reactions", operation_id = "react",
    params(("id" = uuid::Uuid, Path), ("seq" = u64, Path),
        ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = NewReaction, responses((status = 200, body = Stored), (status = 403, body = ErrorBody)))]
pub(super) async fn react(
    State(operations): State<Operations>,
    identity: Identity,
    Path((id, Seq(seq))): Path<(String, Seq)>,
    key: Key,
    Body(reaction): Body<NewReaction>,
) -> Result<Json<Stored>, ApiError> {
    let operation = operation(conversation_id(&id)?, seq, reaction.key, true);
    let client_id = key.or(reaction.client_id)?;
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}

/// Which reaction is taken back.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OldReaction {
    /// As it was given.
    key: String,
    /// Repeat it when asking again.
    client_id: Option<uuid::Uuid>,
}

/// Takes one's own reaction back.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/messages/{seq}/reactions", operation_id = "unreact",
    params(("id" = uuid::Uuid, Path), ("seq" = u64, Path), OldReaction,
        ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    responses((status = 200, body = Stored), (status = 403, body = ErrorBody)))]
pub(super) async fn unreact(
    State(operations): State<Operations>,
    identity: Identity,
    Path((id, Seq(seq))): Path<(String, Seq)>,
    key: Key,
    Query(reaction): Query<OldReaction>,
) -> Result<Json<Stored>, ApiError> {
    let operation = operation(conversation_id(&id)?, seq, reaction.key, false);
    let client_id = key.or(reaction.client_id)?;
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}
