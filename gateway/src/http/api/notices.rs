//! A user's own notices: which there are, and what the user did with them.

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use proto::chat::{InboxNotice, InboxRequest, MarkNoticeRequest, NoticeMark};
use proto::common::DeviceType;
use proto::id::ClientId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rates::Account;
use crate::rest::asking_device::AskingDevice;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::paging::PageLimit;
use crate::rest::shapes::{Entry, raw};

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct InboxPage {
    /// Only those that were not read.
    #[serde(default)]
    unread: bool,
    #[param(inline)]
    limit: Option<PageLimit>,
    /// The type of the asking device.
    #[param(inline)]
    device_type: Option<AskingDevice>,
}

/// Notices, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Inbox {
    notices: Vec<OwnNotice>,
}

/// A notice and what the asking user did with it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnNotice {
    /// Its id: the `client_id` of its entry.
    id: Uuid,
    #[schema(value_type = Entry)]
    entry: Box<RawValue>,
    /// The user read it, or did more with it.
    read: bool,
    /// When it was shown first, in Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    shown_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clicked_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dismissed_at: Option<u64>,
}

impl OwnNotice {
    fn read(own: &InboxNotice) -> Option<Self> {
        let at = |ms: u64| (ms > 0).then_some(ms);
        Some(Self {
            id: Uuid::from_slice(&own.id).ok()?,
            entry: raw(&own.entry)?,
            read: own.is_read,
            shown_at: at(own.shown_at_ms),
            read_at: at(own.read_at_ms),
            clicked_at: at(own.clicked_at_ms),
            dismissed_at: at(own.dismissed_at_ms),
        })
    }
}

/// The notices of operators that are for the asking user and device and have not ended: at most the newest 100.
#[utoipa::path(get, path = "/api/v1/notices", operation_id = "own_notices", params(InboxPage),
    responses((status = 200, body = Inbox)))]
pub(super) async fn inbox(
    State(state): State<HttpState>,
    identity: Identity,
    Query(page): Query<InboxPage>,
) -> Result<Json<Inbox>, ApiError> {
    let request = InboxRequest {
        user_id: identity.user_id.to_string(),
        device_type: AskingDevice::code(page.device_type),
        roles: identity.claims.roles.clone(),
        unread: page.unread,
        limit: PageLimit::or(page.limit, 100),
    };
    let reply = ask(&state.services.notices, request, |mut notices, request| async move {
        notices.inbox(request).await
    })
    .await?;
    Ok(Json(Inbox { notices: reply.notices.iter().filter_map(OwnNotice::read).collect() }))
}

/// What a user does with a notice.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mark {
    /// A device shows it; of a notice with `display` `user` only the one that is told `first`.
    Shown,
    Read,
    /// The user followed its action.
    Clicked,
    /// The user put it away.
    Dismissed,
}

/// Repeats and device.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MarkQuery {
    /// Repeat it when asking again: the answer is the same.
    client_id: Option<Uuid>,
    /// The type of the asking device.
    #[param(inline)]
    device_type: Option<AskingDevice>,
}

/// What was written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Marked {
    /// Nobody did it before, on any device of the user.
    first: bool,
    /// When it was done first, in Unix milliseconds.
    timestamp: u64,
}

/// The asking user does something with a notice. Of the devices that ask for `shown`, one is told `first`.
#[utoipa::path(post, path = "/api/v1/notices/{id}/{state}", operation_id = "mark_notice",
    params(("id" = Uuid, Path), ("state" = inline(Mark), Path), MarkQuery),
    responses((status = 200, body = Marked), (status = 404, body = ErrorBody)))]
pub(super) async fn mark(
    State(state): State<HttpState>,
    identity: Identity,
    Path((id, mark)): Path<(Uuid, Mark)>,
    Query(query): Query<MarkQuery>,
) -> Result<Json<Marked>, ApiError> {
    state
        .access
        .may_ask(&identity, &[(Account::Messages, 1)])
        .map_err(|refused| ApiError::too_much(&refused).not_stored())?;
    let mark = match mark {
        Mark::Shown => NoticeMark::Shown,
        Mark::Read => NoticeMark::Read,
        Mark::Clicked => NoticeMark::Clicked,
        Mark::Dismissed => NoticeMark::Dismissed,
    };
    let request = MarkNoticeRequest {
        user_id: identity.user_id.to_string(),
        device_type: query
            .device_type
            .map_or(DeviceType::Unspecified as i32, |it| AskingDevice::code(Some(it))),
        roles: identity.claims.roles.clone(),
        id: id.as_bytes().to_vec().into(),
        mark: mark as i32,
        client_id: query.client_id.map_or_else(ClientId::generate, ClientId).to_bytes(),
    };
    let marked = ask(&state.services.notices, request, |mut notices, request| async move {
        notices.mark(request).await
    })
    .await?;
    Ok(Json(Marked { first: marked.first, timestamp: marked.at_ms }))
}
