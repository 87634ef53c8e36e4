//! What the user of the token writes and has not sent. Keeping it is an operation (`operations/draft.rs`).

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use proto::chat::{DraftHistoryRequest, ListDraftsRequest, OwnDraft};
use proto::id::ConversationId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::paging::{PageLimit, Seq};
use crate::rest::shapes::raw;

/// A draft.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Draft {
    #[schema(value_type = String)]
    conversation_id: ConversationId,
    /// The first message of the thread that it is written in.
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<u64>,
    #[schema(value_type = Object)]
    content: Box<RawValue>,
    /// The entry of the self log that has it.
    as_of: u64,
    /// When it was stored, in Unix milliseconds.
    timestamp: u64,
}

impl Draft {
    fn read(draft: &OwnDraft) -> Option<Self> {
        Some(Self {
            conversation_id: ConversationId::from_bytes(&draft.conversation_id).ok()?,
            thread: (draft.thread > 0).then_some(draft.thread),
            content: raw(&draft.content)?,
            as_of: draft.as_of,
            timestamp: draft.at_ms,
        })
    }
}

/// Drafts, by conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Drafts {
    drafts: Vec<Draft>,
    /// `after` of the next page; absent when this was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which page of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DraftPage {
    #[param(inline)]
    limit: Option<PageLimit>,
    /// `next` of the page before.
    #[serde(default)]
    after: String,
}

/// What the user writes and has not sent, at most 1,000 drafts.
#[utoipa::path(get, path = "/api/v1/me/drafts", operation_id = "list_drafts", params(DraftPage),
    responses((status = 200, body = Drafts), (status = 400, body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<HttpState>,
    identity: Identity,
    Query(page): Query<DraftPage>,
) -> Result<Json<Drafts>, ApiError> {
    let (after_conversation, after_thread) = place(&page.after)?;
    let request = ListDraftsRequest {
        user_id: identity.user_id.to_string(),
        limit: PageLimit::or(page.limit, 100),
        after_conversation: after_conversation.map(ConversationId::to_bytes).unwrap_or_default(),
        after_thread,
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.list_drafts(request).await
    })
    .await?;
    let drafts: Vec<_> = reply.drafts.iter().filter_map(Draft::read).collect();
    let last = drafts.last().filter(|_| reply.more);
    let next = last.map(|it| format!("{}.{}", it.conversation_id, it.thread.unwrap_or(0)));
    Ok(Json(Drafts { drafts, next }))
}

/// A place in the list.
fn place(after: &str) -> Result<(Option<ConversationId>, u64), ApiError> {
    if after.is_empty() {
        return Ok((None, 0));
    }
    let read = || {
        let (id, thread) = after.split_once('.')?;
        Some((Some(ConversationId::parse(id).ok()?), thread.parse().ok()?))
    };
    read().ok_or_else(|| ApiError::invalid("`after` is the `next` of the page before"))
}

/// Where it was written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Written {
    /// The first message of the thread.
    #[param(inline)]
    thread: Option<Seq>,
}

/// What the user wrote in a conversation lately, the newest first: at most 20 drafts of the last seven days, also those
/// that others have taken the place of.
#[utoipa::path(get, path = "/api/v1/me/drafts/{id}/history", operation_id = "draft_history",
    params(("id" = uuid::Uuid, Path), Written),
    responses((status = 200, body = Drafts), (status = 400, body = ErrorBody)))]
pub(super) async fn history(
    State(state): State<HttpState>,
    identity: Identity,
    Path(id): Path<String>,
    Query(written): Query<Written>,
) -> Result<Json<Drafts>, ApiError> {
    let request = DraftHistoryRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: conversation_id(&id)?.to_bytes(),
        thread: written.thread.map_or(0, |Seq(seq)| seq),
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.draft_history(request).await
    })
    .await?;
    let drafts = reply.drafts.iter().filter_map(Draft::read).collect();
    Ok(Json(Drafts { drafts, next: None }))
}
