//! `edit`: gives a message another content.

use axum::Json;
use axum::extract::State;
use proto::bus::{self, operation::Action};
use proto::frame::client;
use proto::id::{ConversationId, UserName};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::over_rest::{self, Key};
use super::{Asked, Operation};
use crate::identity::Identity;
use crate::operations::Operations;
use crate::rest::error::{ApiError, ErrorBody, Path};
use crate::rest::json_body::Body;
use crate::rest::paging::Seq;
use crate::rest::shapes::Stored;
use crate::rest::{conversation_id, words};

/// What an edit says, whichever way it came in.
struct Said {
    seq: u64,
    content: Box<RawValue>,
    mentions: Vec<UserName>,
    extra: Option<Box<RawValue>>,
    base: Option<u64>,
}

/// What goes up for an edit.
fn operation(identity: &Identity, at: ConversationId, said: Said) -> Operation {
    let raw = |raw: Box<RawValue>| String::from(Box::<str>::from(raw));
    let names = said.mentions.len();
    let edit = bus::Edit {
        seq: said.seq,
        content: raw(said.content),
        mentions: identity.user_texts(&said.mentions),
        extra: said.extra.map(raw).unwrap_or_default(),
        base: said.base,
    };
    Operation::new(at, Action::Edit(edit)).naming(names)
}

/// What the frame `edit` asks for.
pub(crate) fn of_frame(identity: &Identity, frame: client::Edit) -> Asked {
    let client::Edit {
        r#ref: reference,
        client_id,
        conversation_id,
        seq,
        content,
        mentions,
        extra,
        base,
    } = frame;
    let said = Said { seq, content, mentions, extra, base };
    Asked { reference, client_id, operation: Ok(operation(identity, conversation_id, said)) }
}

/// The new content of a message, as in the frame `edit`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Edited {
    /// The whole content, as a message of this kind has it.
    #[schema(value_type = Object)]
    content: Box<RawValue>,
    /// Users named in it, all of them members; at most 64.
    #[serde(default)]
    #[schema(value_type = Vec<words::UserName>)]
    mentions: Vec<UserName>,
    /// A JSON object that the server does not read; at most 16 KiB.
    #[schema(value_type = Option<Object>)]
    extra: Option<Box<RawValue>>,
    /// The seq of the last edit that the user has seen, 0 for none. When there is another one, nothing is changed: `conflict`,
    /// with the last one in `current`.
    base: Option<u64>,
    /// Repeat it when asking again; the header `Idempotency-Key` says the same.
    client_id: Option<uuid::Uuid>,
}

/// Gives a message another content: its author may, within `messages.edit_secs`.
#[utoipa::path(patch, path = "/api/v1/conversations/{id}/messages/{seq}", operation_id = "edit",
    params(("id" = uuid::Uuid, Path), ("seq" = u64, Path),
        ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = Edited, responses((status = 200, body = Stored), (status = 403, body = ErrorBody)))]
pub(super) async fn edit(
    State(operations): State<Operations>,
    identity: Identity,
    Path((id, Seq(seq))): Path<(String, Seq)>,
    key: Key,
    Body(edited): Body<Edited>,
) -> Result<Json<Stored>, ApiError> {
    let id = conversation_id(&id)?;
    let Edited { content, mentions, extra, base, client_id } = edited;
    let operation = operation(&identity, id, Said { seq, content, mentions, extra, base });
    let client_id = key.or(client_id)?;
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}
