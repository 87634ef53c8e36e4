//! `pin`: pins a message of a conversation, or unpins it.

use axum::Json;
use axum::extract::State;
use proto::bus::{self, operation::Action};
use proto::frame::client;
use proto::id::ConversationId;

use super::over_rest::{self, Key, Repeatable};
use super::{Asked, Operation};
use crate::identity::Identity;
use crate::operations::Operations;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::paging::Seq;
use crate::rest::shapes::Stored;

/// What goes up for a pin.
fn operation(at: ConversationId, seq: u64, on: bool) -> Operation {
    Operation::new(at, Action::Pin(bus::Pin { seq, on }))
}

/// What the frame `pin` asks for.
pub(crate) fn of_frame(frame: client::Pin) -> Asked {
    let client::Pin { r#ref: reference, client_id, conversation_id, seq, on } = frame;
    Asked { reference, client_id, operation: Ok(operation(conversation_id, seq, on)) }
}

/// Pins a message: both members of a direct conversation may, in a group its owner and its admins.
#[utoipa::path(put, path = "/api/v1/conversations/{id}/pins/{seq}", operation_id = "pin",
    params(("id" = uuid::Uuid, Path), ("seq" = u64, Path), Repeatable,
        ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    responses((status = 200, body = Stored), (status = 403, body = ErrorBody)))]
pub(super) async fn pin(
    State(operations): State<Operations>,
    identity: Identity,
    Path((id, Seq(seq))): Path<(String, Seq)>,
    key: Key,
    Query(repeatable): Query<Repeatable>,
) -> Result<Json<Stored>, ApiError> {
    let operation = operation(conversation_id(&id)?, seq, true);
    let client_id = key.or(repeatable.client_id)?;
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}

/// Unpins a message.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/pins/{seq}", operation_id = "unpin",
    params(("id" = uuid::Uuid, Path), ("seq" = u64, Path), Repeatable,
        ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    responses((status = 200, body = Stored), (status = 403, body = ErrorBody)))]
pub(super) async fn unpin(
    State(operations): State<Operations>,
    identity: Identity,
    Path((id, Seq(seq))): Path<(String, Seq)>,
    key: Key,
    Query(repeatable): Query<Repeatable>,
) -> Result<Json<Stored>, ApiError> {
    let operation = operation(conversation_id(&id)?, seq, false);
    let client_id = key.or(repeatable.client_id)?;
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}
