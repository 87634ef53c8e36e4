//! Where a message was not delivered to, for its sender.

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use proto::chat::{FailedDelivery, ReadDeliveryRequest};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path};
use crate::rest::paging::Seq;
use crate::rest::shapes::name_of;

/// Whether a message was delivered wherever it has to be.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Delivery {
    /// `failed`, or `ok`: nothing has failed, as far as it is known. Who has received it says `reads`.
    state: &'static str,
    /// What has failed.
    failed: Vec<Failed>,
}

/// One delivery that has failed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Failed {
    /// `webhook`: another system of the operator. `push`: devices of a member who is not connected.
    way: String,
    /// `blocked`: it is tried again. `dead`, `given_up`: it is not.
    state: String,
    /// Whose devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
}

impl From<FailedDelivery> for Failed {
    fn from(it: FailedDelivery) -> Self {
        let user_id = (!it.user_id.is_empty()).then(|| name_of(&it.user_id));
        Self { way: it.way, state: it.state, user_id }
    }
}

/// Where a message was not delivered to; for its sender.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages/{seq}/delivery", operation_id = "read_delivery",
    params(("id" = uuid::Uuid, Path), ("seq" = u64, Path)),
    responses((status = 200, body = Delivery), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn read(
    State(state): State<HttpState>,
    identity: Identity,
    Path((id, Seq(seq))): Path<(String, Seq)>,
) -> Result<Json<Delivery>, ApiError> {
    let request = ReadDeliveryRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: conversation_id(&id)?.to_bytes(),
        seq,
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.read_delivery(request).await
    })
    .await?;
    let state = if reply.failed.is_empty() { "ok" } else { "failed" };
    Ok(Json(Delivery { state, failed: reply.failed.into_iter().map(Into::into).collect() }))
}
