//! Who has received and read a message.

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use proto::chat::{ListReadsRequest, ReadBy};
use proto::id::UserId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::paging::{PageLimit, Seq};

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReadsPage {
    /// At most so many; 100 when absent, 1,000 at most. Members who may not see the entry, and its author, are left out.
    #[param(inline)]
    limit: Option<PageLimit>,
    /// `next` of the page before.
    #[serde(default)]
    after: String,
}

/// Who has received and read an entry, by user id.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reads {
    /// Members hear of each other's receipts; false in large conversations, where nobody is listed.
    receipts: bool,
    members: Vec<Reader>,
    /// Hand it in as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A member and what they have of the entry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reader {
    user_id: String,
    /// It reached a device of theirs.
    delivered: bool,
    /// When, in Unix milliseconds, as far as that is known: of an older entry at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_at: Option<u64>,
    /// They have read it.
    read: bool,
    /// When, like the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_at: Option<u64>,
}

impl Reader {
    fn read(member: &ReadBy) -> Option<Self> {
        let user_id = UserId::parse_qualified(&member.user_id).ok()?;
        let known = |at: u64| (at > 0).then_some(at);
        Some(Self {
            user_id: user_id.name_str().to_owned(),
            delivered: member.delivered,
            delivered_at: known(member.delivered_at_ms),
            read: member.read,
            read_at: known(member.read_at_ms),
        })
    }
}

/// Who has received and read an entry, and when: members who may see it, but for its author.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages/{seq}/reads", operation_id = "list_reads",
    params(("id" = uuid::Uuid, Path), ("seq" = u64, Path), ReadsPage),
    responses((status = 200, body = Reads), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<HttpState>,
    identity: Identity,
    Path((id, Seq(seq))): Path<(String, Seq)>,
    Query(page): Query<ReadsPage>,
) -> Result<Json<Reads>, ApiError> {
    let request = ListReadsRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: conversation_id(&id)?.to_bytes(),
        seq,
        limit: PageLimit::or(page.limit, 100),
        after: page.after,
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.list_reads(request).await
    })
    .await?;
    Ok(Json(Reads {
        receipts: reply.receipts,
        members: reply.members.iter().filter_map(Reader::read).collect(),
        next: (!reply.next.is_empty()).then_some(reply.next),
    }))
}
