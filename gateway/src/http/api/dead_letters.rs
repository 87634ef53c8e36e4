//! Dead letters for operators: frames that could not be worked on without harm.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proto::chat::{DeadLetter as LetterProto, DeadLetterRequest, ListDeadRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::Act;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::shapes::name_of;

/// Letters of one page.
const PAGE: u32 = 100;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Place {
    /// `next` of the page before.
    #[serde(default)]
    after: String,
}

/// A frame that was put aside.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetter {
    /// The same for the same operation, however often it is sent.
    id: String,
    /// `frame`, or `body` for what was no batch of frames.
    kind: String,
    /// Why it was put aside.
    reason: String,
    /// Where it came from, and goes when it is replayed.
    partition: u32,
    /// Who sent it; empty for a body.
    user_id: String,
    /// Its conversation; absent where it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<String>,
    /// The sender's id of the operation; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// How often it was put aside.
    times: u64,
    /// When first, in Unix milliseconds.
    first_at: u64,
    /// When last, in Unix milliseconds.
    last_at: u64,
    /// Size of what was put aside.
    body_bytes: u64,
    /// What was put aside, in Base64: of a frame, an encoded `FrameBatch`. Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

/// A page of dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetterPage {
    /// The newest first.
    letters: Vec<DeadLetter>,
    /// `after` of the next page; empty when this was the last.
    next: String,
}

/// Frames that were put aside, the newest first; for tokens with the role admin.
#[utoipa::path(get, path = "/api/v1/admin/dead-letters", operation_id = "list_dead_letters", params(Place),
    responses((status = 200, body = DeadLetterPage), (status = 403, body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<HttpState>,
    identity: Identity,
    Query(place): Query<Place>,
) -> Result<Json<DeadLetterPage>, ApiError> {
    identity.require_admin()?;
    let request =
        ListDeadRequest { limit: PAGE, after: place.after, tenant: identity.tenant().to_field() };
    let reply = state.services.dead_letters.clone().list(request).await?.into_inner();
    let letters = reply.letters.into_iter().map(shown).collect();
    Ok(Json(DeadLetterPage { letters, next: reply.next }))
}

/// One dead letter with its content; for tokens with the role admin.
#[utoipa::path(get, path = "/api/v1/admin/dead-letters/{id}", operation_id = "show_dead_letter",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 200, body = DeadLetter), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn show(
    State(state): State<HttpState>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<DeadLetter>, ApiError> {
    identity.require_admin()?;
    let letter = state.services.dead_letters.clone().show(named(&identity, id)).await?.into_inner();
    let body = STANDARD.encode(&letter.body);
    Ok(Json(DeadLetter { body: Some(body), ..shown(letter) }))
}

/// Works on a dead letter once more; when it does harm again, it is back. For tokens with the role admin.
#[utoipa::path(post, path = "/api/v1/admin/dead-letters/{id}/replay",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 204, description = "It is on its way"), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn replay(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    identity.require_admin()?;
    act.record(&state.services.audit, &identity, ("dead_letter.replay", &id), ()).await?;
    state.services.dead_letters.clone().replay(named(&identity, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Throws a dead letter away; for tokens with the role admin.
#[utoipa::path(delete, path = "/api/v1/admin/dead-letters/{id}",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 204, description = "It is gone"), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn discard(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    identity.require_admin()?;
    act.record(&state.services.audit, &identity, ("dead_letter.discard", &id), ()).await?;
    state.services.dead_letters.clone().drop(named(&identity, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A letter of the caller's tenant; of no other one.
fn named(identity: &Identity, id: String) -> DeadLetterRequest {
    DeadLetterRequest { id, tenant: identity.tenant().to_field() }
}

fn shown(letter: LetterProto) -> DeadLetter {
    let uuid = |bytes: &[u8]| uuid::Uuid::from_slice(bytes).ok().map(|id| id.to_string());
    DeadLetter {
        conversation_id: uuid(&letter.conversation_id),
        client_id: uuid(&letter.client_id),
        id: letter.id,
        kind: letter.kind,
        reason: letter.reason,
        partition: letter.partition,
        user_id: name_of(&letter.user_id),
        times: letter.times,
        first_at: letter.first_at_ms,
        last_at: letter.last_at_ms,
        body_bytes: letter.body_bytes,
        body: None,
    }
}
