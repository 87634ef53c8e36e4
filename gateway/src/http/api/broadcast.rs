//! An operator says something to everybody who is connected now, on all gateways. Not stored.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use proto::error_code::ErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rates::Account;
use crate::rest::Act;
use crate::rest::error::{ApiError, ErrorBody};
use crate::rest::json_body::Body;
use crate::up::broadcast::{self, NewBroadcast};

/// What to say.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewBroadcast)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Repeat it when asking again: everybody hears it once.
    id: Option<uuid::Uuid>,
    /// A JSON object that the server does not read.
    content: Map<String, Value>,
}

/// What is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Said {
    /// Its id.
    id: uuid::Uuid,
    /// When it was taken, in Unix milliseconds.
    timestamp: u64,
}

/// Sends a `notice` to every connection of the caller's tenant; for tokens with the role admin. A user who is not connected
/// does not get it: it is stored nowhere.
#[utoipa::path(post, path = "/api/v1/admin/broadcast", request_body = Asked,
    responses((status = 202, body = Said), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn broadcast(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Body(new): Body<Asked>,
) -> Result<(StatusCode, Json<Said>), ApiError> {
    identity.require_admin()?;
    state
        .access
        .may_ask(&identity, &[(Account::Broadcasts, 1)])
        .map_err(|refused| ApiError::too_much(&refused).not_stored())?;
    let content = serde_json::value::to_raw_value(&new.content)
        .map_err(|_| ApiError::invalid("`content` is a JSON object"))?;
    if content.get().len() > state.limits.broadcast_bytes {
        return Err(ApiError::new(
            ErrorCode::TooLarge,
            "`content` is larger than a broadcast may be",
        ));
    }
    let id = new.id.unwrap_or_else(uuid::Uuid::now_v7);
    let target = ("broadcast", id.to_string());
    act.record(&state.services.audit, &identity, target, &new.content).await?;
    let span = state.tracer.root("gateway.broadcast");
    let said = NewBroadcast { id, content, traceparent: span.traceparent() };
    let retry = state.limits.retry_after_ms;
    let sent = broadcast::say(&*state.services.bus, &identity.user_id, said).await;
    let timestamp = sent.map_err(|error| {
        tracing::debug!(%error, "a broadcast was not taken");
        ApiError::unavailable(Some(broadcast::outcome(&error)), retry)
    })?;
    Ok((StatusCode::ACCEPTED, Json(Said { id, timestamp })))
}
