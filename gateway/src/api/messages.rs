//! Messages of a conversation: a page of the log, and sending.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use platform::grpc::ask;
use proto::bus::{self, frame::Body as FrameBody};
use proto::chat::ReadEntriesRequest;
use proto::id::UserId;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::command;
use super::error::{ApiError, ErrorBody, Path, Query};
use super::json_body::Body;
use super::shapes::{Entries, Stored, raw};
use crate::connection::handshake;
use crate::shared::{Identity, Shared};

/// Which page of the log.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct LogPage {
    /// The newest entries before this seq; 0 and 1 are before all.
    before_seq: Option<u64>,
    /// The oldest entries after this seq, 0 for the first ones; neither means the newest page.
    after_seq: Option<u64>,
    /// At most so many; 50 when absent, 200 at most. A page also ends before it is larger than a frame.
    limit: Option<u32>,
}

/// A page of the log, by ascending seq.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages", params(("id" = String, Path), LogPage),
    responses((status = 200, body = Entries), (status = 403, body = ErrorBody)))]
pub(super) async fn page(
    State(shared): State<Shared>,
    identity: Identity,
    Path(id): Path<String>,
    Query(page): Query<LogPage>,
) -> Result<Json<Entries>, ApiError> {
    let id = command::conversation_id(&id)?;
    if page.before_seq.is_some() && page.after_seq.is_some() {
        return Err(ApiError::invalid("give `before_seq` or `after_seq`, not both"));
    }
    let request = ReadEntriesRequest {
        user_id: identity.user_id.to_string(),
        conversation_id: id.to_bytes(),
        before_seq: page.before_seq,
        after_seq: page.after_seq,
        limit: page.limit.unwrap_or(50),
        page_bytes: u32::try_from(shared.limits.frame_bytes).unwrap_or(u32::MAX),
    };
    let reply =
        ask(
            &shared.chat,
            request,
            |mut chat, request| async move { chat.read_entries(request).await },
        )
        .await?;
    let entries: Vec<_> = reply.entries.iter().filter_map(|entry| raw(entry)).collect();
    Ok(Json(Entries { entries, head: reply.head, more: reply.more }))
}

/// A message, as in the frame `send`.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct NewMessage {
    /// `text` (the default) or, for tokens with the role admin, `system`.
    #[serde(default = "text_kind")]
    kind: String,
    /// For `text`: `{"text": "…"}`.
    content: Value,
    /// Sequence of the entry it answers.
    reply_to: Option<u64>,
    /// Users named in it.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    mentions: Vec<UserId>,
    /// Asks for attention.
    #[serde(default, alias = "important")]
    is_important: bool,
    /// A JSON object that the server does not read.
    extra: Option<Value>,
    /// Deliver to devices of this type only.
    device_type: Option<String>,
    /// Repeat it when asking again; the header `Idempotency-Key` says the same.
    client_id: Option<uuid::Uuid>,
}

fn text_kind() -> String {
    "text".to_owned()
}

/// Sends a message.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages", params(("id" = String, Path)),
    request_body = NewMessage,
    responses((status = 201, body = Stored), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn send(
    State(shared): State<Shared>,
    identity: Identity,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(new): Body<NewMessage>,
) -> Result<(StatusCode, Json<Stored>), ApiError> {
    let id = command::conversation_id(&id)?;
    let key = headers.get("idempotency-key").map(|value| {
        let text = value.to_str().unwrap_or_default();
        uuid::Uuid::try_parse(text).map_err(|_| ApiError::invalid("`Idempotency-Key` is a UUID"))
    });
    let client_id = command::client_id(new.client_id.or(key.transpose()?));
    let body = FrameBody::Send(bus::Send {
        r#ref: String::new(),
        client_id: client_id.to_bytes(),
        conversation_id: id.to_bytes(),
        to: String::new(),
        kind: new.kind,
        content: new.content.to_string(),
        reply_to: new.reply_to.unwrap_or(0),
        mentions: new.mentions.iter().map(ToString::to_string).collect(),
        important: new.is_important,
        extra: new.extra.map(|extra| extra.to_string()).unwrap_or_default(),
        device_type: handshake::device_type(new.device_type.as_deref()) as i32,
    });
    Ok((StatusCode::CREATED, Json(command::run(&shared, &identity, id, body).await?)))
}
