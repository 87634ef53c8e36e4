//! `send`: appends a message to a conversation.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use proto::bus::{self, operation::Action};
use proto::frame::client;
use proto::id::{ConversationId, UserName};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::over_rest::{self, Key};
use super::{Asked, Operation};
use crate::identity::{Identity, device};
use crate::operations::Operations;
use crate::rest::error::{ApiError, ErrorBody, Path};
use crate::rest::json_body::Body;
use crate::rest::shapes::Stored;
use crate::rest::{conversation_id, words};

/// What goes up for a message, or what is wrong with it.
fn operation(
    identity: &Identity,
    at: ConversationId,
    to: Option<&UserName>,
    said: Said,
) -> Result<Operation, &'static str> {
    let device_type = match said.device_type.as_deref().map(device::device_type_of) {
        Some(None) => return Err("`device_type` is `web`, `ios`, `android`, `desktop` or `bot`"),
        named => named.flatten().unwrap_or_default(),
    };
    let raw = |raw: Box<RawValue>| String::from(Box::<str>::from(raw));
    let names = said.mentions.len();
    let message = bus::Send {
        to: to.map(|name| identity.user(name).to_string()).unwrap_or_default(),
        kind: said.kind,
        // As it was written: numbers would lose digits on the way through a value.
        content: raw(said.content),
        reply_to: said.reply_to.unwrap_or(0),
        mentions: identity.user_texts(&said.mentions),
        important: said.is_important,
        extra: said.extra.map(raw).unwrap_or_default(),
        device_type: device_type as i32,
        thread: said.thread.unwrap_or(0),
        also_in_main: said.also_in_main,
        mention_all: said.mention_all,
        source: None,
    };
    Ok(Operation::new(at, Action::Send(message)).naming(names))
}

/// What a message says, whichever way it came in.
struct Said {
    kind: String,
    content: Box<RawValue>,
    reply_to: Option<u64>,
    mentions: Vec<UserName>,
    is_important: bool,
    extra: Option<Box<RawValue>>,
    device_type: Option<String>,
    thread: Option<u64>,
    also_in_main: bool,
    mention_all: bool,
}

/// What the frame `send` asks for.
pub(crate) fn of_frame(identity: &Identity, frame: client::Send) -> Asked {
    let (reference, client_id) = (frame.r#ref, frame.client_id);
    let at = match (&frame.conversation_id, &frame.to) {
        (Some(id), None) => Ok(*id),
        (None, Some(user)) if identity.user(user) == identity.user_id => {
            Err("`to` is another user")
        }
        (None, Some(user)) => Ok(identity.direct_with(user)),
        _ => Err("give exactly one of `conversation_id` and `to`"),
    };
    let said = Said {
        kind: frame.kind,
        content: frame.content,
        reply_to: frame.reply_to,
        mentions: frame.mentions,
        is_important: frame.is_important,
        extra: frame.extra,
        device_type: frame.device_type,
        thread: frame.thread,
        also_in_main: frame.also_in_main,
        mention_all: frame.mention_all,
    };
    let operation = at.and_then(|at| operation(identity, at, frame.to.as_ref(), said));
    Asked { reference, client_id, operation }
}

/// A message, as in the frame `send`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMessage {
    /// `text` (the default), `card` or `encrypted`; for tokens with the role admin also `notice` and `call`.
    #[serde(default = "text_kind")]
    #[schema(value_type = words::SentKind)]
    kind: String,
    /// For `text`: `{"text": "…", "entities": […]}`, the entities may be left out; `docs/protocol.md` has all kinds. At most 64 KiB;
    /// 16 KiB beside the text and of a card, 128 KiB of what is encrypted.
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
    /// Sequence of a message: this one is a reply in its thread. That message is in no thread itself.
    thread: Option<u64>,
    /// With `thread`: shown in the conversation as well.
    #[serde(default)]
    also_in_main: bool,
    /// Mentions all members of a group: its owner and its admins may, and everybody in groups of at most 50.
    #[serde(default)]
    mention_all: bool,
    /// Repeat it when asking again; the header `Idempotency-Key` says the same.
    client_id: Option<uuid::Uuid>,
}

fn text_kind() -> String {
    "text".to_owned()
}

/// Sends a message. A token with the role admin sends a `notice` into any conversation; its user does not
/// become a member by that.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages",
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = NewMessage,
    responses((status = 201, body = Stored), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn send(
    State(operations): State<Operations>,
    identity: Identity,
    Path(id): Path<String>,
    key: Key,
    Body(new): Body<NewMessage>,
) -> Result<(StatusCode, Json<Stored>), ApiError> {
    let id = conversation_id(&id)?;
    append(&operations, &identity, id, None, key, new).await
}

/// A message to a user, as in the frame `send`.
// Not `to` beside a flattened `NewMessage`: serde refuses no unknown fields then.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDirectMessage {
    /// The other user: their direct conversation is made when it is missing.
    #[schema(value_type = words::UserName)]
    to: UserName,
    /// `text` (the default), `card` or `encrypted`; for tokens with the role admin also `notice` and `call`.
    #[serde(default = "text_kind")]
    #[schema(value_type = words::SentKind)]
    kind: String,
    /// For `text`: `{"text": "…", "entities": […]}`, the entities may be left out; `docs/protocol.md` has all kinds. At most 64 KiB;
    /// 16 KiB beside the text and of a card, 128 KiB of what is encrypted.
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
    /// Sequence of a message: this one is a reply in its thread. That message is in no thread itself.
    thread: Option<u64>,
    /// With `thread`: shown in the conversation as well.
    #[serde(default)]
    also_in_main: bool,
    /// Mentions all members: of a group alone, so never with `to`.
    #[serde(default)]
    mention_all: bool,
    /// Repeat it when asking again; the header `Idempotency-Key` says the same.
    client_id: Option<uuid::Uuid>,
}

/// Sends a message to a user.
#[utoipa::path(post, path = "/api/v1/messages",
    params(("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = NewDirectMessage,
    responses((status = 201, body = Stored), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn send_to(
    State(operations): State<Operations>,
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
        thread,
        also_in_main,
        mention_all,
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
        thread,
        also_in_main,
        mention_all,
        client_id,
    };
    let id = identity.direct_with(&to);
    append(&operations, &identity, id, Some(&to), key, message).await
}

async fn append(
    operations: &Operations,
    identity: &Identity,
    at: ConversationId,
    to: Option<&UserName>,
    key: Key,
    new: NewMessage,
) -> Result<(StatusCode, Json<Stored>), ApiError> {
    let said = Said {
        kind: new.kind,
        content: new.content,
        reply_to: new.reply_to,
        mentions: new.mentions,
        is_important: new.is_important,
        extra: new.extra,
        device_type: new.device_type,
        thread: new.thread,
        also_in_main: new.also_in_main,
        mention_all: new.mention_all,
    };
    let operation = operation(identity, at, to, said);
    let operation = operation.map_err(|text| ApiError::invalid(text).not_stored())?;
    let client_id = key.or(new.client_id)?;
    Ok((
        StatusCode::CREATED,
        Json(over_rest::run(operations, identity, client_id, operation).await?),
    ))
}
