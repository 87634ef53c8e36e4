//! `draft`: keeps what the user writes and has not sent, or takes it back, in their self log.

use axum::Json;
use axum::extract::State;
use proto::bus::{self, operation::Action};
use proto::frame::client;
use proto::id::ConversationId;
use serde::Deserialize;
use serde_json::value::RawValue;
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

/// What goes up: to the partition of the user's self log.
fn operation(
    identity: &Identity,
    at: ConversationId,
    thread: Option<u64>,
    content: Option<Box<RawValue>>,
    base: Option<u64>,
) -> Operation {
    let draft = bus::Draft {
        conversation_id: at.to_bytes(),
        thread: thread.unwrap_or(0),
        content: content.map(|json| Box::<str>::from(json).into()).unwrap_or_default(),
        base,
    };
    Operation::new(ConversationId::own(&identity.user_id), Action::Draft(draft))
}

/// What the frame `draft` asks for.
pub(crate) fn of_frame(identity: &Identity, frame: client::Draft) -> Asked {
    let client::Draft { r#ref: reference, client_id, conversation_id, thread, content, base } =
        frame;
    let operation = operation(identity, conversation_id, thread, content, base);
    Asked { reference, client_id, operation: Ok(operation) }
}

/// A draft.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDraft {
    /// A JSON object, such as that of a message; at most 64 KiB.
    #[schema(value_type = Object)]
    content: Box<RawValue>,
    /// The first message of the thread that it is written in.
    thread: Option<u64>,
    /// The last entry of the self log that the asker knew: refused where a later one has another draft of this place.
    base: Option<u64>,
    /// Repeat it when asking again; the header `Idempotency-Key` says the same.
    client_id: Option<uuid::Uuid>,
}

/// Keeps what the user writes in a conversation, for all of their devices.
#[utoipa::path(put, path = "/api/v1/me/drafts/{id}", operation_id = "keep_draft",
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = NewDraft,
    responses((status = 200, body = Stored), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn keep(
    State(operations): State<Operations>,
    identity: Identity,
    Path(id): Path<String>,
    key: Key,
    Body(new): Body<NewDraft>,
) -> Result<Json<Stored>, ApiError> {
    let id = conversation_id(&id)?;
    let client_id = key.or(new.client_id)?;
    if !new.content.get().starts_with('{') {
        return Err(
            ApiError::invalid("`content` is a JSON object; DELETE takes a draft back").not_stored()
        );
    }
    let operation = operation(&identity, id, new.thread, Some(new.content), new.base);
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}

/// Which draft is taken back.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TakenBack {
    /// The first message of the thread that it is written in.
    #[param(inline)]
    thread: Option<Seq>,
    /// The last entry of the self log that the asker knew: refused where a later one has another draft of this place.
    #[param(inline)]
    base: Option<Seq>,
    /// Repeat it when asking again.
    client_id: Option<uuid::Uuid>,
}

/// Takes a draft back.
#[utoipa::path(delete, path = "/api/v1/me/drafts/{id}", operation_id = "take_draft_back",
    params(("id" = uuid::Uuid, Path), TakenBack,
        ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    responses((status = 200, body = Stored), (status = 409, body = ErrorBody)))]
pub(super) async fn take_back(
    State(operations): State<Operations>,
    identity: Identity,
    Path(id): Path<String>,
    key: Key,
    Query(asked): Query<TakenBack>,
) -> Result<Json<Stored>, ApiError> {
    let id = conversation_id(&id)?;
    let client_id = key.or(asked.client_id)?;
    let seq = |seq: Option<Seq>| seq.map(|Seq(seq)| seq);
    let operation = operation(&identity, id, seq(asked.thread), None, seq(asked.base));
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}
