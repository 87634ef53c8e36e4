//! `set`: sets something of the user's own, in their self log. A request over REST may set several things; each is an
//! operation of its own.

use axum::Json;
use axum::extract::State;
use proto::bus::{self, operation::Action};
use proto::chat::OwnSettingsReply;
use proto::frame::client;
use proto::id::{ClientId, ConversationId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::over_rest::{self, Key};
use super::{Asked, Operation};
use crate::identity::Identity;
use crate::operations::Operations;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path};
use crate::rest::json_body::Body;
use crate::rest::own::{
    Mute, OwnOfConversation, OwnSettings, PrivacySettings, PushSettings, fetch, given,
};

/// What goes up: to the partition of the user's self log.
fn operation(identity: &Identity, set: bus::Set) -> Operation {
    Operation::new(ConversationId::own(&identity.user_id), Action::Set(set))
}

/// What the frame `set` asks for.
pub(crate) fn of_frame(identity: &Identity, frame: client::Set) -> Asked {
    let client::Set { r#ref: reference, client_id, what, conversation_id, thread, value, base } =
        frame;
    let set = bus::Set {
        what,
        conversation_id: conversation_id.map(ConversationId::to_bytes).unwrap_or_default(),
        thread: thread.unwrap_or(0),
        value: Box::<str>::from(value).into(),
        base,
    };
    Asked { reference, client_id, operation: Ok(operation(identity, set)) }
}

/// What is set for a conversation. What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "null and left out are two different things")]
pub(super) struct NewOwnOfConversation {
    /// Null: its messages notify again.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Mute>)]
    mute: Option<Option<Mute>>,
    archived: Option<bool>,
    pinned: Option<bool>,
    /// The seq after the newest entry: it is out of the list until its next message. Null: it is shown again.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    hidden_before: Option<Option<u64>>,
    marked_unread: Option<bool>,
    /// Repeat it when asking again; the header `Idempotency-Key` says the same.
    client_id: Option<uuid::Uuid>,
}

/// What is set for all conversations. What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "null and left out are two different things")]
pub(super) struct NewOwnSettings {
    /// What notifications say; null: as the server is configured.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<PushSettings>)]
    push: Option<Option<PushSettings>>,
    /// All of it; null: as the server has it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<PrivacySettings>)]
    privacy: Option<Option<PrivacySettings>>,
    /// Repeat it when asking again; the header `Idempotency-Key` says the same.
    client_id: Option<uuid::Uuid>,
}

/// One of the things that a request sets.
type New = (&'static str, String);

fn new<T: Serialize>(what: &'static str, value: Option<T>) -> Option<New> {
    // Cannot fail: the values have string keys only.
    value.map(|value| (what, serde_json::to_string(&value).unwrap_or_default()))
}

#[derive(Serialize)]
struct Hidden {
    before_seq: u64,
}

/// Sets something for a conversation that the user is a member of, for all of their devices. When it fails halfway,
/// asking again with the same client id sets the rest.
#[utoipa::path(put, path = "/api/v1/me/conversations/{id}", operation_id = "set_own_of_conversation",
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = NewOwnOfConversation,
    responses((status = 200, body = OwnOfConversation), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody)))]
pub(super) async fn for_conversation(
    State(operations): State<Operations>,
    identity: Identity,
    Path(id): Path<String>,
    key: Key,
    Body(said): Body<NewOwnOfConversation>,
) -> Result<Json<OwnOfConversation>, ApiError> {
    let id = conversation_id(&id)?;
    let client_id = key.or(said.client_id)?;
    let hidden = said.hidden_before.map(|seq| seq.map(|before_seq| Hidden { before_seq }));
    let all = [
        new("mute", said.mute),
        new("archive", said.archived),
        new("pin", said.pinned),
        new("hidden", hidden),
        new("marked_unread", said.marked_unread),
    ];
    let reply = set(&operations, &identity, client_id, Some(id), all).await?;
    Ok(Json(OwnOfConversation::answered(reply)))
}

/// Sets something for all conversations, for all devices of the user.
#[utoipa::path(put, path = "/api/v1/me/settings", operation_id = "set_own_settings",
    params(("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = NewOwnSettings,
    responses((status = 200, body = OwnSettings), (status = 409, body = ErrorBody)))]
pub(super) async fn for_all(
    State(operations): State<Operations>,
    identity: Identity,
    key: Key,
    Body(said): Body<NewOwnSettings>,
) -> Result<Json<OwnSettings>, ApiError> {
    let client_id = key.or(said.client_id)?;
    let all = [new("push", said.push), new("privacy", said.privacy)];
    let reply = set(&operations, &identity, client_id, None, all).await?;
    Ok(Json(OwnSettings::of(&reply.settings)))
}

/// Sets one thing after the other; what is set then.
async fn set<const N: usize>(
    operations: &Operations,
    identity: &Identity,
    client_id: ClientId,
    at: Option<ConversationId>,
    all: [Option<New>; N],
) -> Result<OwnSettingsReply, ApiError> {
    let all: Vec<New> = all.into_iter().flatten().collect();
    let is_one = all.len() == 1;
    for (what, value) in all {
        let conversation_id = at.map(ConversationId::to_bytes).unwrap_or_default();
        let set = bus::Set { what: what.to_owned(), conversation_id, thread: 0, value, base: None };
        let client_id = if is_one { client_id } else { client_id.part(what) };
        over_rest::run(operations, identity, client_id, operation(identity, set)).await?;
    }
    fetch(&operations.chat, identity, at).await
}
