//! `delete`: takes the content of messages away for everybody.

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

/// What the frame `delete` asks for.
pub(crate) fn of_frame(frame: client::Delete) -> Asked {
    let client::Delete { r#ref: reference, client_id, conversation_id, seq, seqs, reason } = frame;
    let operation = match (seq, seqs) {
        (Some(seq), None) => one(conversation_id, seq, reason),
        (None, Some(seqs)) => several(conversation_id, seqs, reason),
        _ => Err("give exactly one of `seq` and `seqs`"),
    };
    Asked { reference, client_id, operation }
}

/// What goes up for one message.
fn one(at: ConversationId, seq: u64, reason: Option<String>) -> Result<Operation, &'static str> {
    if seq == 0 {
        return Err("`seq` is that of a message, from 1");
    }
    let reason = reason.unwrap_or_default();
    Ok(Operation::new(at, Action::Delete(bus::Delete { seq, seqs: Vec::new(), reason })))
}

/// What goes up for several messages.
fn several(
    at: ConversationId,
    seqs: Vec<u64>,
    reason: Option<String>,
) -> Result<Operation, &'static str> {
    if seqs.is_empty() || seqs.len() > MAX_SEQS {
        return Err("`seqs` names 1 to 100 messages");
    }
    let reason = reason.unwrap_or_default();
    Ok(Operation::new(at, Action::Delete(bus::Delete { seq: 0, seqs, reason })))
}

/// Most messages that are deleted at once.
const MAX_SEQS: usize = 100;

/// How one message is deleted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeletedOne {
    /// For people; at most 500 characters.
    reason: Option<String>,
    /// Repeat it when asking again.
    client_id: Option<uuid::Uuid>,
}

/// Takes the content of a message away for everybody: one's own, in a group also of members below one's own role; moderators and
/// operators take away any. The message keeps its place in the log.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/messages/{seq}", operation_id = "delete",
    params(("id" = uuid::Uuid, Path), ("seq" = u64, Path), DeletedOne,
        ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    responses((status = 200, body = Stored), (status = 403, body = ErrorBody)))]
pub(super) async fn delete(
    State(operations): State<Operations>,
    identity: Identity,
    Path((id, Seq(seq))): Path<(String, Seq)>,
    key: Key,
    Query(deleted): Query<DeletedOne>,
) -> Result<Json<Stored>, ApiError> {
    let operation = one(conversation_id(&id)?, seq, deleted.reason);
    let operation = operation.map_err(|text| ApiError::invalid(text).not_stored())?;
    let client_id = key.or(deleted.client_id)?;
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}

/// Own messages to be deleted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Deleted {
    /// 1 to 100 messages, all of them one's own.
    seqs: Vec<u64>,
    /// For people; at most 500 characters.
    reason: Option<String>,
    /// Repeat it when asking again; the header `Idempotency-Key` says the same.
    client_id: Option<uuid::Uuid>,
}

/// Takes the content of several own messages away for everybody: all of them or none.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages/delete", operation_id = "delete_several",
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = Deleted, responses((status = 200, body = Stored), (status = 403, body = ErrorBody)))]
pub(super) async fn delete_several(
    State(operations): State<Operations>,
    identity: Identity,
    Path(id): Path<String>,
    key: Key,
    Body(deleted): Body<Deleted>,
) -> Result<Json<Stored>, ApiError> {
    let Deleted { seqs, reason, client_id } = deleted;
    let operation = several(conversation_id(&id)?, seqs, reason);
    let operation = operation.map_err(|text| ApiError::invalid(text).not_stored())?;
    let client_id = key.or(client_id)?;
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}
