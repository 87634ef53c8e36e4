//! Entries that a follower could not work on and went on without.

use axum::Json;
use axum::extract::State;
use proto::chat::{AsideEntry as AsideProto, ListAsideRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::require_operator;
use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::paging::PageLimit;

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct AsidePage {
    /// At most so many; 100 when absent, 1,000 at most.
    #[param(inline)]
    limit: Option<PageLimit>,
    /// `next` of the page before.
    #[serde(default)]
    after: String,
}

/// Entries that a follower has put aside.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct AsideList {
    /// The newest first.
    entries: Vec<AsideEntry>,
    /// `after` of the next page; empty when this was the last.
    next: String,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct AsideEntry {
    /// Whose it is.
    tenant: String,
    conversation_id: String,
    seq: u64,
    /// What went wrong, all times that it was tried.
    error: String,
    /// When it was put aside, in Unix milliseconds.
    at: u64,
}

/// Entries that a follower could not work on and went on without, such as `push` or `webhook/` with its tenant and id (a slash
/// in a path is written `%2F`). For tokens with the role admin of the tenant `default`.
#[utoipa::path(get, path = "/api/v1/admin/followers/{name}/aside", operation_id = "list_aside",
    params(("name" = String, Path), AsidePage),
    responses((status = 200, body = AsideList), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(in super::super) async fn list(
    State(state): State<HttpState>,
    identity: Identity,
    Path(name): Path<String>,
    Query(page): Query<AsidePage>,
) -> Result<Json<AsideList>, ApiError> {
    require_operator(&identity)?;
    let request =
        ListAsideRequest { name, limit: PageLimit::or(page.limit, 100), after: page.after };
    let reply = state.services.followers.clone().list_aside(request).await?.into_inner();
    Ok(Json(AsideList {
        entries: reply.entries.into_iter().map(shown).collect(),
        next: reply.next,
    }))
}

fn shown(entry: AsideProto) -> AsideEntry {
    let id = uuid::Uuid::from_slice(&entry.conversation_id).unwrap_or_default();
    AsideEntry {
        tenant: entry.tenant,
        conversation_id: id.to_string(),
        seq: entry.seq,
        error: entry.error,
        at: entry.at_ms,
    }
}
