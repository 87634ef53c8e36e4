//! `forward`: copies a message into another conversation; over REST into several.

use axum::Json;
use axum::extract::State;
use proto::bus::{self, operation::Action};
use proto::error_code::ErrorCode;
use proto::frame::client;
use proto::id::ConversationId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::over_rest::{self, Key};
use super::{Asked, Operation};
use crate::identity::Identity;
use crate::operations::Operations;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path};
use crate::rest::json_body::Body;
use crate::rest::paging::Seq;
use crate::rest::shapes::Stored;

/// Most conversations that one request copies into.
const MOST: usize = 10;

/// What goes up for a copy.
fn operation(to: ConversationId, from: ConversationId, seq: u64) -> Operation {
    let source = bus::Source { conversation_id: from.to_bytes(), seq };
    Operation::new(to, Action::Send(bus::Send { source: Some(source), ..bus::Send::default() }))
}

/// What the frame `forward` asks for.
pub(crate) fn of_frame(frame: client::Forward) -> Asked {
    let client::Forward { r#ref: reference, client_id, conversation_id, source } = frame;
    let operation = operation(conversation_id, source.conversation_id, source.seq);
    Asked { reference, client_id, operation: Ok(operation) }
}

/// Where to copy a message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Forward {
    /// At most 10 conversations, each once.
    #[schema(value_type = Vec<Uuid>)]
    to: Vec<Uuid>,
    /// Repeat it when asking again; the header `Idempotency-Key` says the same. The id of the copy in each conversation is
    /// made of it.
    client_id: Option<Uuid>,
}

/// What became of each copy, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Copies {
    copies: Vec<Copied>,
}

/// A copy that is stored, or why it is not.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Copied {
    /// A UUID.
    conversation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<Stored>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
}

/// Copies a message that the caller may see into conversations of theirs: its kind and its content, with who wrote it and
/// when. Nobody is mentioned by a copy. When no copy is stored, the answer is the error of the first.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages/{seq}/forward", operation_id = "forward",
    params(("id" = uuid::Uuid, Path), ("seq" = u64, Path),
        ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = Forward,
    responses((status = 200, body = Copies), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn forward(
    State(operations): State<Operations>,
    identity: Identity,
    Path((id, Seq(seq))): Path<(String, Seq)>,
    key: Key,
    Body(Forward { to, client_id }): Body<Forward>,
) -> Result<Json<Copies>, ApiError> {
    let from = conversation_id(&id)?;
    let is_each_once = to.iter().enumerate().all(|(place, id)| !to[..place].contains(id));
    if to.is_empty() || to.len() > MOST || !is_each_once {
        let text = "`to` names from 1 to 10 conversations, each once";
        return Err(ApiError::invalid(text).not_stored());
    }
    let client_id = key.or(client_id)?;
    let (mut copies, mut first) = (Vec::with_capacity(to.len()), None);
    for to in to.into_iter().map(ConversationId) {
        let operation = operation(to, from, seq);
        let done = over_rest::run(&operations, &identity, client_id.of_copy(to), operation).await;
        let (stored, error) = match done {
            Ok(stored) => (Some(stored), None),
            Err(error) => {
                let is_over = error.is(ErrorCode::Unavailable) || error.is(ErrorCode::RateLimited);
                let body = error.clone().body().0;
                first = first.or(Some(error));
                if is_over && copies.is_empty() {
                    break;
                }
                (None, Some(body))
            }
        };
        copies.push(Copied { conversation_id: to.to_string(), stored, error });
    }
    match first {
        Some(error) if copies.iter().all(|copy| copy.stored.is_none()) => Err(error),
        _ => Ok(Json(Copies { copies })),
    }
}
