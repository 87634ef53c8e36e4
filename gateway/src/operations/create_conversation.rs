//! `create_conversation`: makes a conversation.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use proto::bus::{self, operation::Action};
use proto::common::ConversationKind;
use proto::id::{ClientId, ConversationId, UserName};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Operation;
use super::add_members::why_not_add;
use super::over_rest::{self, Key};
use crate::identity::Identity;
use crate::operations::Operations;
use crate::rest::conversation::fetch;
use crate::rest::error::{ApiError, ErrorBody};
use crate::rest::json_body::Body;
use crate::rest::shapes::Conversation;
use crate::rest::words;

/// What goes up for a new conversation.
fn operation(
    identity: &Identity,
    client_id: ClientId,
    new: &NewConversation,
) -> Result<Operation, ApiError> {
    let (kind, id) = match new.kind.as_str() {
        "direct" => {
            let own = identity.user_id.name();
            let others: Vec<&UserName> = new.members.iter().filter(|user| **user != own).collect();
            let [other] = others.as_slice() else {
                return Err(ApiError::invalid(
                    "a direct conversation has exactly one other member",
                ));
            };
            (ConversationKind::Direct, identity.direct_with(other))
        }
        "group" => (ConversationKind::Group, ConversationId::created(&identity.user_id, client_id)),
        _ => return Err(ApiError::invalid("`kind` is `direct` or `group`")),
    };
    let action = Action::CreateConversation(bus::CreateConversation {
        kind: kind as i32,
        title: new.title.clone(),
        member_ids: identity.user_texts(&new.members),
    });
    Ok(Operation::new(id, action).naming(new.members.len()))
}

/// What a new conversation is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewConversation {
    /// `direct` or `group`.
    #[schema(value_type = words::NewKind)]
    kind: String,
    /// Of a group.
    #[serde(default)]
    title: String,
    /// The others; the caller is a member anyway.
    #[serde(default)]
    #[schema(value_type = Vec<words::UserName>)]
    members: Vec<UserName>,
    /// Repeat it when asking again: the conversation is made once.
    client_id: Option<uuid::Uuid>,
}

/// Makes a conversation.
#[utoipa::path(post, path = "/api/v1/conversations", request_body = NewConversation,
    params(("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    responses((status = 200, body = Conversation, description = "The direct conversation that was there."),
        (status = 201, body = Conversation), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn create(
    State(operations): State<Operations>,
    identity: Identity,
    key: Key,
    Body(new): Body<NewConversation>,
) -> Result<(StatusCode, Json<Conversation>), ApiError> {
    let client_id = key.or(new.client_id)?;
    let mut operation = operation(&identity, client_id, &new)?;
    let is_group = new.kind == "group";
    if is_group {
        operation = operation.refused(why_not_add(&operations, &identity, &new.members).await?);
    }
    let id = operation.conversation_id();
    let stored = over_rest::run(&operations, &identity, client_id, operation).await?;
    let status = if stored.unchanged { StatusCode::OK } else { StatusCode::CREATED };
    let conversation = match fetch(&operations.chat, &identity, id, None).await {
        // A user who made it and was removed since gets the same answer to a repeat, without what only members see.
        Err(error) if error.is_not_member() => {
            let title = is_group.then(|| new.title.trim().to_owned());
            Conversation::left(&stored, title)
        }
        conversation => conversation?,
    };
    Ok((status, Json(conversation)))
}
