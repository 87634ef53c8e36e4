//! What the user of the token chose to be shown as. Others are never told this.

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use proto::presence::OwnStatusRequest;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::error::{ApiError, ErrorBody};

/// One's own status.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnStatus {
    /// `online`, `away`, `busy` or `invisible`: what was chosen last, also while nothing is connected.
    status: String,
    /// One's own connected devices.
    devices: u32,
}

/// What one chose to be shown as; `invisible` included. Choosing is the frame `status`.
#[utoipa::path(get, path = "/api/v1/me/status", operation_id = "own_status",
    responses((status = 200, body = OwnStatus), (status = 401, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn own(
    State(state): State<HttpState>,
    identity: Identity,
) -> Result<Json<OwnStatus>, ApiError> {
    let request = OwnStatusRequest { user_id: identity.user_id.to_string() };
    let reply = ask(&state.services.presence, request, |mut presence, request| async move {
        presence.own_status(request).await
    })
    .await?;
    Ok(Json(OwnStatus { status: reply.status, devices: reply.devices }))
}
