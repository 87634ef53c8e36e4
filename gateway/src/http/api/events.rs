//! Events for integrators that ask for them: a long poll over the log of the tenant.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use proto::chat::{ReadEventsReply, ReadEventsRequest};
use proto::error_code::ErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Query};
use crate::rest::paging::PageLimit;
use crate::rest::shapes::raw;

/// The time between two reads of the log while a request waits for an event.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What is left of the time of a request when the answer is written.
const LEFT_FOR_ANSWER: Duration = Duration::from_secs(2);

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `next` of the answer before. Absent: what happens from now on; the first answer has no events and a `next`.
    #[serde(default)]
    after: String,
    /// Types, parted by commas: in full, or by their beginning, as `chat.message.*`. Absent: all that are from the log.
    #[serde(default)]
    types: String,
    /// Those of one conversation alone.
    #[serde(default)]
    #[param(value_type = Option<uuid::Uuid>)]
    conversation_id: Option<String>,
    /// About so many; 500 when absent, 1,000 at most. What was written at once comes whole.
    #[param(inline)]
    limit: Option<PageLimit>,
    /// How long to wait for the first event when there is none, in milliseconds; 0 when absent. At most what a request may take.
    #[serde(default)]
    wait_ms: u64,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventPage {
    /// `CloudEvents`, in the order of their commits; those of a conversation in the order of its log.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Box<RawValue>>,
    /// Where to go on: `after` of the next question.
    next: String,
    /// More is there: ask again at once.
    more: bool,
    /// How far behind this page is, in milliseconds; 0 at the end.
    lag_ms: u64,
    /// What came directly after the place is no longer kept: there is a gap.
    is_truncated: bool,
    /// The server was put back from a backup since `after` was given out. The answer begins at the end.
    is_reset: bool,
}

/// What happened in the tenant, after a place, as `CloudEvents`; for tokens with the role admin or `events`. Looks at 5,000
/// entries at most, so an answer may have no event and still another `next`.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "read_events", params(Wanted),
    responses((status = 200, body = EventPage), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub(super) async fn read(
    State(state): State<HttpState>,
    identity: Identity,
    Query(wanted): Query<Wanted>,
) -> Result<Json<EventPage>, ApiError> {
    if !identity.may_read_events() {
        let text = "this needs a token with the role `admin` or `events`";
        return Err(ApiError::new(ErrorCode::Forbidden, text));
    }
    let conversation = wanted.conversation_id.as_deref().map(conversation_id).transpose()?;
    let types = wanted.types.split(',').map(str::trim).filter(|it| !it.is_empty());
    let mut request = ReadEventsRequest {
        tenant: identity.tenant().to_field(),
        after: wanted.after,
        types: types.map(str::to_owned).collect(),
        conversation_id: conversation.map(proto::id::ConversationId::to_bytes).unwrap_or_default(),
        limit: PageLimit::or(wanted.limit, 500),
    };
    let most = Duration::from_millis(state.limits.request_timeout_ms);
    let wait = Duration::from_millis(wanted.wait_ms).min(most.saturating_sub(LEFT_FOR_ANSWER));
    let until = Instant::now() + wait;
    loop {
        let reply = state.services.events.clone().read_events(request.clone()).await?.into_inner();
        let is_first = request.after.is_empty() || reply.is_reset;
        let is_late = Instant::now() + LOOK_EVERY > until;
        if !reply.events.is_empty() || is_first || reply.is_truncated || is_late {
            return Ok(Json(shown(reply)));
        }
        request.after = reply.next;
        if !reply.more {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn shown(reply: ReadEventsReply) -> EventPage {
    EventPage {
        events: reply.events.iter().filter_map(|event| raw(event)).collect(),
        next: reply.next,
        more: reply.more,
        lag_ms: reply.lag_ms,
        is_truncated: reply.is_truncated,
        is_reset: reply.is_reset,
    }
}
