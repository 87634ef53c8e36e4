//! Who reacted to a message.

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use proto::chat::ListReactionsRequest;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::asking_device::AskingDevice;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::paging::{PageLimit, Seq};

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReactionsPage {
    /// Only reactions with this key.
    #[serde(default)]
    key: String,
    /// At most so many; 100 when absent, 1,000 at most.
    #[param(inline)]
    limit: Option<PageLimit>,
    /// `next` of the page before.
    #[serde(default)]
    after: String,
    /// The type of the asking device.
    #[param(inline)]
    device_type: Option<AskingDevice>,
}

/// Who reacted to a message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reactions {
    /// By user id and then by key. A page may hold fewer than were asked for, or none, and have a next one.
    reactions: Vec<Reacted>,
    /// Hand it in as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A reaction of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reacted {
    user_id: String,
    key: String,
}

/// Who reacted to a message, and with what.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages/{seq}/reactions", operation_id = "list_reactions",
    params(("id" = uuid::Uuid, Path), ("seq" = u64, Path), ReactionsPage),
    responses((status = 200, body = Reactions), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<HttpState>,
    identity: Identity,
    Path((id, Seq(seq))): Path<(String, Seq)>,
    Query(page): Query<ReactionsPage>,
) -> Result<Json<Reactions>, ApiError> {
    let request = ListReactionsRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: conversation_id(&id)?.to_bytes(),
        seq,
        key: page.key,
        limit: PageLimit::or(page.limit, 100),
        after: page.after,
        device_type: AskingDevice::code(page.device_type),
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.list_reactions(request).await
    })
    .await?;
    let reacted = |it: proto::chat::Reacted| Reacted { user_id: it.user_id, key: it.key };
    Ok(Json(Reactions {
        reactions: reply.reactions.into_iter().map(reacted).collect(),
        next: (!reply.next.is_empty()).then_some(reply.next),
    }))
}
