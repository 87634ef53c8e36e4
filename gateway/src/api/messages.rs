//! Messages of a conversation: a page of the log, and sending.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use platform::grpc::ask;
use proto::bus::{self, frame::Body as FrameBody};
use proto::chat::ReadEntriesRequest;
use proto::id::{ConversationId, UserName};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::command::{self, Key};
use super::error::{ApiError, ErrorBody, Path, Query};
use super::json_body::Body;
use super::paging::{PageLimit, Seq};
use super::shapes::{Entries, Stored, raw};
use super::words;
use crate::connection::handshake;
use crate::shared::{Identity, Shared};

/// Which page of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogPage {
    /// The newest entries before this seq; 0 and 1 are before all.
    #[param(inline)]
    before_seq: Option<Seq>,
    /// The oldest entries after this seq, 0 for the first ones; neither means the newest page.
    #[param(inline)]
    after_seq: Option<Seq>,
    /// At most so many; 50 when absent, 200 at most. A page also ends before it is larger than a frame.
    #[param(inline)]
    limit: Option<PageLimit>,
}

/// A page of the log, by ascending seq.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages", params(("id" = uuid::Uuid, Path), LogPage),
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
        before_seq: page.before_seq.map(|Seq(seq)| seq),
        after_seq: page.after_seq.map(|Seq(seq)| seq),
        limit: PageLimit::or(page.limit, 50),
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
#[serde(deny_unknown_fields)]
pub(super) struct NewMessage {
    /// `text` (the default) or, for tokens with the role admin, `system`.
    #[serde(default = "text_kind")]
    #[schema(value_type = words::SentKind)]
    kind: String,
    /// For `text`: `{"text": "…"}`; at most 64 KiB, and 16 KiB beside the text.
    #[schema(value_type = Object)]
    content: Box<RawValue>,
    /// Sequence of the entry it answers.
    reply_to: Option<u64>,
    /// Users named in it, all of them members; at most 64.
    #[serde(default)]
    #[schema(value_type = Vec<words::UserName>)]
    mentions: Vec<UserName>,
    /// Asks for attention.
    #[serde(default, alias = "important")]
    is_important: bool,
    /// A JSON object that the server does not read; at most 16 KiB.
    #[schema(value_type = Option<Object>)]
    extra: Option<Box<RawValue>>,
    /// Deliver to devices of this type only.
    device_type: Option<String>,
    /// Repeat it when asking again; the header `Idempotency-Key` says the same.
    client_id: Option<uuid::Uuid>,
}

fn text_kind() -> String {
    "text".to_owned()
}

/// Sends a message. A token with the role admin sends `system` messages into any conversation; its user does not
/// become a member by that.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages",
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = NewMessage,
    responses((status = 201, body = Stored), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn send(
    State(shared): State<Shared>,
    identity: Identity,
    Path(id): Path<String>,
    key: Key,
    Body(new): Body<NewMessage>,
) -> Result<(StatusCode, Json<Stored>), ApiError> {
    let id = command::conversation_id(&id)?;
    append(&shared, &identity, id, None, key, new).await
}

/// A message to a user, as in the frame `send`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDirectMessage {
    /// The other user: their direct conversation is made when it is missing.
    #[schema(value_type = words::UserName)]
    to: UserName,
    /// `text` (the default) or, for tokens with the role admin, `system`.
    #[serde(default = "text_kind")]
    #[schema(value_type = words::SentKind)]
    kind: String,
    /// For `text`: `{"text": "…"}`; at most 64 KiB, and 16 KiB beside the text.
    #[schema(value_type = Object)]
    content: Box<RawValue>,
    /// Sequence of the entry it answers.
    reply_to: Option<u64>,
    /// Users named in it, all of them members; at most 64.
    #[serde(default)]
    #[schema(value_type = Vec<words::UserName>)]
    mentions: Vec<UserName>,
    /// Asks for attention.
    #[serde(default, alias = "important")]
    is_important: bool,
    /// A JSON object that the server does not read; at most 16 KiB.
    #[schema(value_type = Option<Object>)]
    extra: Option<Box<RawValue>>,
    /// Deliver to devices of this type only.
    device_type: Option<String>,
    /// Repeat it when asking again; the header `Idempotency-Key` says the same.
    client_id: Option<uuid::Uuid>,
}

/// Sends a message to a user.
#[utoipa::path(post, path = "/api/v1/messages",
    params(("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = NewDirectMessage,
    responses((status = 201, body = Stored), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn send_to(
    State(shared): State<Shared>,
    identity: Identity,
    key: Key,
    Body(new): Body<NewDirectMessage>,
) -> Result<(StatusCode, Json<Stored>), ApiError> {
    // Not a flattened struct: that would not keep `content` as it was written.
    let NewDirectMessage {
        to,
        kind,
        content,
        reply_to,
        mentions,
        is_important,
        extra,
        device_type,
        client_id,
    } = new;
    let message = NewMessage {
        kind,
        content,
        reply_to,
        mentions,
        is_important,
        extra,
        device_type,
        client_id,
    };
    let id = identity.direct_with(&to);
    append(&shared, &identity, id, Some(&to), key, message).await
}

async fn append(
    shared: &Shared,
    identity: &Identity,
    id: ConversationId,
    to: Option<&UserName>,
    key: Key,
    new: NewMessage,
) -> Result<(StatusCode, Json<Stored>), ApiError> {
    let raw = |raw: Box<RawValue>| String::from(Box::<str>::from(raw));
    let body = FrameBody::Send(bus::Send {
        r#ref: String::new(),
        client_id: key.or(new.client_id)?.to_bytes(),
        conversation_id: id.to_bytes(),
        to: to.map(|to| identity.user(to).to_string()).unwrap_or_default(),
        kind: new.kind,
        // As it was written: numbers would lose digits on the way through a value.
        content: raw(new.content),
        reply_to: new.reply_to.unwrap_or(0),
        mentions: identity.user_texts(&new.mentions),
        important: new.is_important,
        extra: new.extra.map(raw).unwrap_or_default(),
        device_type: handshake::device_type(new.device_type.as_deref()) as i32,
    });
    Ok((StatusCode::CREATED, Json(command::run(shared, identity, id, body).await?)))
}
