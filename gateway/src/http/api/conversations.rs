//! Conversations: list and show.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use proto::chat::ListConversationsRequest;
use proto::id::UserName;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::users;
use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::asking_device::AskingDevice;
use crate::rest::conversation::fetch;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::paging::PageLimit;
use crate::rest::shapes::{Conversation, Conversations};

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListPage {
    /// At most so many; 50 when absent, 100 at most.
    #[param(inline)]
    limit: Option<PageLimit>,
    /// `next` of the page before.
    #[serde(default)]
    after: String,
    /// `true`: only those that are archived; `false`: only those that are not. All when absent.
    archived: Option<bool>,
    /// `presence`: members come with their presence, where it is known at this moment.
    #[param(inline)]
    include: Option<Include>,
    /// The type of the asking device.
    #[param(inline)]
    device_type: Option<AskingDevice>,
}

/// How to show one conversation.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ShownTo {
    /// The type of the asking device.
    #[param(inline)]
    device_type: Option<AskingDevice>,
}

/// What a list shows beside the conversations.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Include {
    /// How the members are.
    Presence,
}

/// The caller's conversations, most recently active first: without those that the caller hid and that have no message
/// since.
#[utoipa::path(get, path = "/api/v1/conversations", operation_id = "list_conversations", params(ListPage),
    responses((status = 200, body = Conversations), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<HttpState>,
    identity: Identity,
    Query(page): Query<ListPage>,
) -> Result<Json<Conversations>, ApiError> {
    let request = ListConversationsRequest {
        user_id: identity.user_id.to_string(),
        limit: PageLimit::or(page.limit, 50),
        after: page.after,
        device_type: AskingDevice::code(page.device_type),
        archived: page.archived,
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.list_conversations(request).await
    })
    .await?;
    let mut conversations: Vec<_> =
        reply.conversations.into_iter().map(Conversation::from).collect();
    if let Some(Include::Presence) = page.include {
        show_presence(&state, &identity, &mut conversations).await;
    }
    let next = (!reply.next.is_empty()).then_some(reply.next);
    Ok(Json(Conversations { conversations, next }))
}

/// Presence is asked once for a whole page. While it does not answer, conversations are shown without it.
async fn show_presence(state: &HttpState, identity: &Identity, conversations: &mut [Conversation]) {
    let ids: BTreeSet<&str> = conversations.iter().flat_map(Conversation::member_ids).collect();
    let ids = ids
        .into_iter()
        .filter_map(|id| UserName::parse(id).ok())
        .map(|name| identity.user(&name))
        .collect();
    match users::statuses(state, identity, ids).await {
        Ok(presence) => {
            let known = presence.by_user();
            for conversation in conversations {
                conversation.show(&known);
            }
        }
        Err(error) => tracing::debug!(?error, "conversations are listed without presence"),
    }
}

/// One conversation.
#[utoipa::path(get, path = "/api/v1/conversations/{id}", operation_id = "show_conversation", params(("id" = uuid::Uuid, Path), ShownTo),
    responses((status = 200, body = Conversation), (status = 403, body = ErrorBody)))]
pub(super) async fn show(
    State(state): State<HttpState>,
    identity: Identity,
    Path(id): Path<String>,
    Query(shown): Query<ShownTo>,
) -> Result<Json<Conversation>, ApiError> {
    let id = conversation_id(&id)?;
    Ok(Json(fetch(&state.services.chat, &identity, id, shown.device_type).await?))
}
