//! Messages of a conversation: a page of the log, or of the messages as they are now.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use proto::chat::{ReadEntriesRequest, ReadMessagesRequest};
use proto::id::ConversationId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::Act;
use crate::rest::asking_device::AskingDevice;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::paging::{PageLimit, Seq};
use crate::rest::shapes::{Entries, Entry, MessageState, entry_for, states};

/// Which form a page has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum View {
    /// All entries, as they were written.
    Log,
    /// Messages alone, each with what changes have made of it.
    Messages,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogPage {
    /// `log`, the default, or `messages`.
    #[param(inline)]
    view: Option<View>,
    /// With `view=messages`: those nearest to this seq, on both sides.
    #[param(inline)]
    around_seq: Option<Seq>,
    /// With `view=messages`: as they were at this entry. What is gone by now is gone, and nothing that came later is shown.
    #[param(inline)]
    as_of: Option<Seq>,
    /// The newest entries before this seq; 0 and 1 are before all.
    #[param(inline)]
    before_seq: Option<Seq>,
    /// The oldest entries after this seq, 0 for the first ones; neither means the newest page.
    #[param(inline)]
    after_seq: Option<Seq>,
    /// At most so many; 50 when absent, 200 at most. A page also ends before it is larger than a frame.
    #[param(inline)]
    limit: Option<PageLimit>,
    /// Only the replies in the thread that begins at this message.
    #[param(inline)]
    thread: Option<Seq>,
    /// The type of the asking device.
    #[param(inline)]
    device_type: Option<AskingDevice>,
}

/// A page of the messages as they are now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Messages {
    /// By ascending seq. A page may hold fewer than were asked for, or none, and have others before or after it.
    #[schema(value_type = Vec<Entry>)]
    entries: Vec<Box<RawValue>>,
    /// The last entry that the page takes account of: messages without a state were not changed up to it.
    as_of: u64,
    /// What changes have made of those messages of the page that were changed, by seq.
    #[schema(value_type = BTreeMap<String, MessageState>)]
    states: BTreeMap<u64, Box<RawValue>>,
    /// Highest sequence of the log; the same number, unless an earlier one was asked for.
    head: u64,
    /// `before_seq` of the page before this one; absent where there is none, or where the page was asked for by `after_seq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before_seq: Option<u64>,
    /// `after_seq` of the page after this one; absent where there is none, or where the page was asked for by `before_seq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after_seq: Option<u64>,
}

/// A page in the form that was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Paged {
    /// With `view=log`.
    Log(Entries),
    /// With `view=messages`.
    Messages(Messages),
}

/// A page of the log or, with `view=messages`, of its messages as they are now. With `as_of` a token with the role moderator that
/// gives a reason need not be a member's.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages", params(("id" = uuid::Uuid, Path), LogPage,
        ("Tidings-Reason" = Option<String>, Header, description = "Why a moderator reads it.")),
    responses((status = 200, body = Paged), (status = 403, body = ErrorBody)))]
pub(super) async fn page(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Path(id): Path<String>,
    Query(page): Query<LogPage>,
) -> Result<Json<Paged>, ApiError> {
    let id = conversation_id(&id)?;
    if page.view == Some(View::Messages) {
        return messages(&state, &identity, act, id, page).await.map(Paged::Messages).map(Json);
    }
    if page.around_seq.is_some() || page.as_of.is_some() {
        return Err(ApiError::invalid("`around_seq` and `as_of` go with `view=messages`"));
    }
    if page.before_seq.is_some() && page.after_seq.is_some() {
        return Err(ApiError::invalid("give `before_seq` or `after_seq`, not both"));
    }
    let request = ReadEntriesRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: id.to_bytes(),
        before_seq: page.before_seq.map(|Seq(seq)| seq),
        after_seq: page.after_seq.map(|Seq(seq)| seq),
        limit: PageLimit::or(page.limit, 50),
        page_bytes: u32::try_from(state.limits.frame_bytes).unwrap_or(u32::MAX),
        device_type: AskingDevice::code(page.device_type),
        thread: page.thread.map_or(0, |Seq(seq)| seq),
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.read_entries(request).await
    })
    .await?;
    let own = identity.keys();
    let entries: Vec<_> = reply.entries.iter().filter_map(|entry| entry_for(entry, own)).collect();
    Ok(Json(Paged::Log(Entries { entries, head: reply.head, more: reply.more })))
}

async fn messages(
    state: &HttpState,
    identity: &Identity,
    act: Act,
    id: ConversationId,
    page: LogPage,
) -> Result<Messages, ApiError> {
    let seq = |seq: Option<Seq>| seq.map(|Seq(seq)| seq);
    let moderated = match seq(page.as_of) {
        Some(as_of) => {
            let (audit, target) = (&state.services.audit, ("messages.read", id.to_string()));
            act.moderates(audit, identity, target, json!({ "as_of": as_of })).await?
        }
        None => false,
    };
    let request = ReadMessagesRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: id.to_bytes(),
        before_seq: seq(page.before_seq),
        after_seq: seq(page.after_seq),
        around_seq: seq(page.around_seq),
        seq: None,
        limit: PageLimit::or(page.limit, 50),
        page_bytes: u32::try_from(state.limits.frame_bytes).unwrap_or(u32::MAX),
        device_type: AskingDevice::code(page.device_type),
        as_of: seq(page.as_of),
        moderated,
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.read_messages(request).await
    })
    .await?;
    let own = identity.keys();
    Ok(Messages {
        entries: reply.entries.iter().filter_map(|entry| entry_for(entry, own)).collect(),
        as_of: reply.as_of,
        states: states(&reply.states, own),
        head: reply.head,
        next_before_seq: reply.next_before_seq,
        next_after_seq: reply.next_after_seq,
    })
}
