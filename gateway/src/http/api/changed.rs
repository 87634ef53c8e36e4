//! One message: as it is now, what became of it and its neighbours, and how it was written.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use platform::grpc::ask;
use proto::chat::{ReadChangesRequest, ReadHistoryRequest, ReadMessagesRequest};
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
use crate::rest::shapes::{Entry, MessageState, entry_for, state_for, states};

/// Who asks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AskedBy {
    /// The type of the asking device.
    #[param(inline)]
    device_type: Option<AskingDevice>,
}

/// Who asks, and for when.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AskedOne {
    /// As it was at this entry; absent: as it is. What is gone by now is gone.
    #[param(inline)]
    as_of: Option<Seq>,
    /// The type of the asking device.
    #[param(inline)]
    device_type: Option<AskingDevice>,
}

/// A message as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneMessage {
    /// The message.
    #[schema(value_type = Entry)]
    entry: Box<RawValue>,
    /// What changes have made of it; absent where nothing has changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<MessageState>)]
    state: Option<Box<RawValue>>,
    /// The last entry that this takes account of.
    as_of: u64,
}

/// A message as it is now, also one of a thread. With `as_of` a token with the role moderator that gives a reason need not be a
/// member's.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages/{seq}", operation_id = "message",
    params(("id" = uuid::Uuid, Path), ("seq" = u64, Path), AskedOne,
        ("Tidings-Reason" = Option<String>, Header, description = "Why a moderator reads it.")),
    responses((status = 200, body = OneMessage), (status = 403, body = ErrorBody)))]
pub(super) async fn one(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Path((id, Seq(seq))): Path<(String, Seq)>,
    Query(by): Query<AskedOne>,
) -> Result<Json<OneMessage>, ApiError> {
    let id = conversation_id(&id)?;
    let audit = &state.services.audit;
    let moderated = match by.as_of {
        Some(Seq(as_of)) => {
            let target = ("message.read", format!("{id}:{seq}"));
            act.moderates(audit, &identity, target, json!({ "as_of": as_of })).await?
        }
        None => false,
    };
    let request = ReadMessagesRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: id.to_bytes(),
        seq: Some(seq),
        moderated,
        limit: 1,
        device_type: AskingDevice::code(by.device_type),
        as_of: by.as_of.map(|Seq(seq)| seq),
        ..ReadMessagesRequest::default()
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.read_messages(request).await
    })
    .await?;
    let own = identity.keys();
    let entry = reply.entries.first().and_then(|entry| entry_for(entry, own));
    let none = || ApiError::not_found("there is no message at this seq that you may see");
    let state = reply.states.first().and_then(|changed| state_for(&changed.state, own));
    Ok(Json(OneMessage { entry: entry.ok_or_else(none)?, state, as_of: reply.as_of }))
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangedRange {
    /// The first message.
    #[param(inline)]
    from_seq: Seq,
    /// The last message.
    #[param(inline)]
    to_seq: Seq,
    /// Those alone that an entry after this one has changed; 0: all that were ever changed.
    #[param(inline)]
    after_seq: Option<Seq>,
    /// At most so many; 200 when absent, 500 at most.
    #[param(inline)]
    limit: Option<PageLimit>,
    /// The type of the asking device.
    #[param(inline)]
    device_type: Option<AskingDevice>,
}

/// What became of messages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Changes {
    /// The last entry that this takes account of: messages of the range that are not named were not changed up to it.
    as_of: u64,
    /// By the seq of the message.
    #[schema(value_type = BTreeMap<String, MessageState>)]
    states: BTreeMap<u64, Box<RawValue>>,
    /// `from_seq` of the rest of the range; absent when this was all. What is said holds for messages before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_from_seq: Option<u64>,
}

/// What became of the messages of a range that a device holds.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages/changes", operation_id = "changes",
    params(("id" = uuid::Uuid, Path), ChangedRange),
    responses((status = 200, body = Changes), (status = 403, body = ErrorBody)))]
pub(super) async fn changes(
    State(state): State<HttpState>,
    identity: Identity,
    Path(id): Path<String>,
    Query(range): Query<ChangedRange>,
) -> Result<Json<Changes>, ApiError> {
    let request = ReadChangesRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: conversation_id(&id)?.to_bytes(),
        from_seq: range.from_seq.0,
        to_seq: range.to_seq.0,
        after_seq: range.after_seq.map_or(0, |Seq(seq)| seq),
        limit: PageLimit::or(range.limit, 200),
        device_type: AskingDevice::code(range.device_type),
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.read_changes(request).await
    })
    .await?;
    let states = states(&reply.messages, identity.keys());
    Ok(Json(Changes { as_of: reply.head, states, next_from_seq: reply.next_from_seq }))
}

/// How a message was written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct History {
    /// The message as it was sent, and its edits in order.
    #[schema(value_type = Vec<Entry>)]
    entries: Vec<Box<RawValue>>,
}

/// A message and its edits, as they were written. What was deleted is blank. A token with the role moderator that gives a reason
/// need not be a member's.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages/{seq}/history", operation_id = "history",
    params(("id" = uuid::Uuid, Path), ("seq" = u64, Path), AskedBy,
        ("Tidings-Reason" = Option<String>, Header, description = "Why a moderator reads it.")),
    responses((status = 200, body = History), (status = 403, body = ErrorBody)))]
pub(super) async fn history(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Path((id, Seq(seq))): Path<(String, Seq)>,
    Query(by): Query<AskedBy>,
) -> Result<Json<History>, ApiError> {
    let id = conversation_id(&id)?;
    let target = ("message.history", format!("{id}:{seq}"));
    let moderated = act.moderates(&state.services.audit, &identity, target, json!({})).await?;
    let request = ReadHistoryRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: id.to_bytes(),
        seq,
        moderated,
        device_type: AskingDevice::code(by.device_type),
    };
    let reply = ask(&state.services.chat, request, |mut chat, request| async move {
        chat.read_history(request).await
    })
    .await?;
    let own = identity.keys();
    let entries = reply.entries.iter().filter_map(|entry| entry_for(entry, own)).collect();
    Ok(Json(History { entries }))
}
