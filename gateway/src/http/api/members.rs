//! Members of a conversation.

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use proto::chat::ListMembersRequest;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::paging::PageLimit;
use crate::rest::shapes::{Member, Members};

/// Which page of the members.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MemberPage {
    /// At most so many; 100 when absent, 1,000 at most.
    #[param(inline)]
    limit: Option<PageLimit>,
    /// `next` of the page before.
    #[serde(default)]
    after: String,
}

/// The members, by user id.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/members", operation_id = "list_members", params(("id" = uuid::Uuid, Path), MemberPage),
    responses((status = 200, body = Members), (status = 403, body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<HttpState>,
    identity: Identity,
    Path(id): Path<String>,
    Query(page): Query<MemberPage>,
) -> Result<Json<Members>, ApiError> {
    let request = ListMembersRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: conversation_id(&id)?.to_bytes(),
        limit: PageLimit::or(page.limit, 100),
        after: page.after,
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.list_members(request).await
    })
    .await?;
    Ok(Json(Members {
        members: reply.members.into_iter().map(Member::from).collect(),
        next: (!reply.next.is_empty()).then_some(reply.next),
    }))
}
