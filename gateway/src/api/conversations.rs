//! Conversations: list, make, show, rename.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use platform::grpc::ask;
use proto::bus::{self, frame::Body as FrameBody};
use proto::chat::{GetConversationRequest, ListConversationsRequest};
use proto::id::{ConversationId, UserName};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::command::{self, Key};
use super::error::{ApiError, ErrorBody, Path, Query};
use super::json_body::Body;
use super::paging::PageLimit;
use super::shapes::{Conversation, Conversations, Stored};
use super::{members, users, words};
use crate::shared::{Identity, Shared};

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
    /// `presence`: members come with their presence, where it is known at this moment.
    #[param(inline)]
    include: Option<Include>,
}

/// What a list shows beside the conversations.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Include {
    /// How the members are.
    Presence,
}

/// The caller's conversations, most recently active first.
#[utoipa::path(get, path = "/api/v1/conversations", operation_id = "list_conversations", params(ListPage),
    responses((status = 200, body = Conversations), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    identity: Identity,
    Query(page): Query<ListPage>,
) -> Result<Json<Conversations>, ApiError> {
    let request = ListConversationsRequest {
        user_id: identity.user_id.to_string(),
        limit: PageLimit::or(page.limit, 50),
        after: page.after,
    };
    let reply = ask(&shared.chat, request, |mut chat, request| async move {
        chat.list_conversations(request).await
    })
    .await?;
    let mut conversations: Vec<_> =
        reply.conversations.into_iter().map(Conversation::from).collect();
    if let Some(Include::Presence) = page.include {
        show_presence(&shared, &identity, &mut conversations).await;
    }
    let next = (!reply.next.is_empty()).then_some(reply.next);
    Ok(Json(Conversations { conversations, next }))
}

/// Presence is asked once for a whole page. While it does not answer, conversations are shown without it.
async fn show_presence(shared: &Shared, identity: &Identity, conversations: &mut [Conversation]) {
    let ids: BTreeSet<&str> = conversations.iter().flat_map(Conversation::member_ids).collect();
    let ids = ids
        .into_iter()
        .filter_map(|id| UserName::parse(id).ok())
        .map(|name| identity.user(&name))
        .collect();
    match users::statuses(shared, identity, ids).await {
        Ok(presence) => {
            let known = presence.by_user();
            for conversation in conversations {
                conversation.show(&known);
            }
        }
        Err(error) => tracing::debug!(?error, "conversations are listed without presence"),
    }
}

/// What a new conversation is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewConversation {
    /// `direct` or `group`.
    #[schema(value_type = words::NewKind)]
    kind: String,
    /// Of a group.
    #[serde(default)]
    title: String,
    /// The others; the caller is a member anyway.
    #[serde(default)]
    #[schema(value_type = Vec<words::UserName>)]
    members: Vec<UserName>,
    /// Repeat it when asking again: the conversation is made once.
    client_id: Option<uuid::Uuid>,
}

/// Makes a conversation.
#[utoipa::path(post, path = "/api/v1/conversations", request_body = NewConversation,
    params(("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    responses((status = 200, body = Conversation, description = "The direct conversation that was there."),
        (status = 201, body = Conversation), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn create(
    State(shared): State<Shared>,
    identity: Identity,
    key: Key,
    Body(new): Body<NewConversation>,
) -> Result<(StatusCode, Json<Conversation>), ApiError> {
    let client_id = key.or(new.client_id)?;
    let (kind, id) = match new.kind.as_str() {
        "direct" => {
            let own = identity.user_id.name();
            let others: Vec<&UserName> = new.members.iter().filter(|user| **user != own).collect();
            let [other] = others.as_slice() else {
                return Err(ApiError::invalid(
                    "a direct conversation has exactly one other member",
                ));
            };
            (bus::ConversationKind::Direct, identity.direct_with(other))
        }
        "group" => {
            (bus::ConversationKind::Group, ConversationId::created(&identity.user_id, client_id))
        }
        _ => return Err(ApiError::invalid("`kind` is `direct` or `group`")),
    };
    let is_group = kind == bus::ConversationKind::Group;
    let refusal = if is_group {
        members::why_not_add(&shared, &identity, &new.members).await?
    } else {
        String::new()
    };
    let group = is_group.then(|| new.title.trim().to_owned());
    let body = FrameBody::CreateConversation(bus::CreateConversation {
        r#ref: String::new(),
        client_id: client_id.to_bytes(),
        conversation_id: id.to_bytes(),
        kind: kind as i32,
        title: new.title,
        member_ids: identity.user_texts(&new.members),
        refusal,
    });
    let stored = command::run(&shared, &identity, id, body).await?;
    let status = if stored.unchanged { StatusCode::OK } else { StatusCode::CREATED };
    let conversation = match fetch(&shared, &identity, id).await {
        // Whoever made it and was removed since gets the same answer to a repeat, without what is not theirs.
        Err(error) if error.is_not_member() => Conversation::left(&stored, group),
        conversation => conversation?,
    };
    Ok((status, Json(conversation)))
}

/// One conversation.
#[utoipa::path(get, path = "/api/v1/conversations/{id}", operation_id = "show_conversation", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Conversation), (status = 403, body = ErrorBody)))]
pub(super) async fn show(
    State(shared): State<Shared>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<Conversation>, ApiError> {
    Ok(Json(fetch(&shared, &identity, command::conversation_id(&id)?).await?))
}

/// What changes of a conversation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedConversation {
    /// The new title.
    title: String,
    /// Repeat it when asking again.
    client_id: Option<uuid::Uuid>,
}

/// Changes the title; for admins and the owner.
#[utoipa::path(patch, path = "/api/v1/conversations/{id}",
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = ChangedConversation, responses((status = 200, body = Stored), (status = 403, body = ErrorBody)))]
pub(super) async fn rename(
    State(shared): State<Shared>,
    identity: Identity,
    Path(id): Path<String>,
    key: Key,
    Body(changed): Body<ChangedConversation>,
) -> Result<Json<Stored>, ApiError> {
    let id = command::conversation_id(&id)?;
    let body = FrameBody::Rename(bus::Rename {
        r#ref: String::new(),
        client_id: key.or(changed.client_id)?.to_bytes(),
        conversation_id: id.to_bytes(),
        title: changed.title,
    });
    Ok(Json(command::run(&shared, &identity, id, body).await?))
}

async fn fetch(
    shared: &Shared,
    identity: &Identity,
    id: ConversationId,
) -> Result<Conversation, ApiError> {
    let request = GetConversationRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: id.to_bytes(),
    };
    Ok(ask(&shared.chat, request, |mut chat, request| async move {
        chat.get_conversation(request).await
    })
    .await?
    .into())
}
