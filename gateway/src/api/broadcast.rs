//! An operator says something to everybody who is connected now, on all gateways. Not stored.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bus::PublishError;
use proto::bus::Broadcast;
use proto::error_code::{ErrorCode, Stored};
use proto::frame::server::Notice;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::error::{ApiError, ErrorBody};
use super::json_body::Body;
use crate::rates::Account;
use crate::shared::{Identity, Shared, unix_ms};

/// What to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBroadcast {
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

/// Tells every connection of the asker's tenant a `notice`; for tokens with the role admin. Whoever is not connected does not
/// hear it: it is stored nowhere.
#[utoipa::path(post, path = "/api/v1/admin/broadcast", request_body = NewBroadcast,
    responses((status = 202, body = Said), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn broadcast(
    State(shared): State<Shared>,
    identity: Identity,
    Body(new): Body<NewBroadcast>,
) -> Result<(StatusCode, Json<Said>), ApiError> {
    identity.is_admin()?;
    shared
        .may_ask(&identity, &[(Account::Broadcasts, 1)])
        .map_err(|refused| ApiError::too_much(&refused).not_stored())?;
    let content = serde_json::value::to_raw_value(&new.content)
        .map_err(|_| ApiError::invalid("`content` is a JSON object"))?;
    if content.get().len() > shared.limits.broadcast_bytes {
        return Err(ApiError::new(
            ErrorCode::TooLarge,
            "`content` is larger than a broadcast may be",
        ));
    }
    let id = new.id.unwrap_or_else(uuid::Uuid::now_v7);
    let timestamp = unix_ms();
    let span = shared.tracer.root("gateway.broadcast");
    let broadcast = Broadcast {
        id: id.as_bytes().to_vec().into(),
        frame: Notice { id, content, timestamp }.to_frame_json(),
        traceparent: span.traceparent(),
        tenant: identity.tenant().to_field(),
    };
    let retry = shared.limits.retry_after_ms;
    shared.bus.broadcast(broadcast).await.map_err(|error| {
        tracing::debug!(%error, "a broadcast was not taken");
        let outcome = match error {
            PublishError::Unknown(_) => Stored::Unknown,
            PublishError::Refused | PublishError::Unroutable | PublishError::Unavailable(_) => {
                Stored::No
            }
        };
        ApiError::unavailable(Some(outcome), retry)
    })?;
    Ok((StatusCode::ACCEPTED, Json(Said { id, timestamp })))
}
