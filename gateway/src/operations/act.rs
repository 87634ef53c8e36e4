//! `act`: presses an action of a card that a bot has sent. The bot finds it in its self log.

use axum::Json;
use axum::extract::State;
use proto::bus::{self, operation::Action};
use proto::frame::client;
use proto::id::{ConversationId, UserName};
use serde::Deserialize;
use utoipa::ToSchema;

use super::over_rest::{self, Key};
use super::{Asked, Operation};
use crate::identity::Identity;
use crate::operations::Operations;
use crate::rest::conversation_id;
use crate::rest::error::{ApiError, ErrorBody, Path};
use crate::rest::json_body::Body;
use crate::rest::paging::Seq;
use crate::rest::shapes::Stored;

/// What goes up: to the partition of the bot's self log.
fn operation(
    identity: &Identity,
    card: bus::Source,
    bot: &UserName,
    action_id: String,
    value: Option<String>,
) -> Operation {
    let bot = identity.user(bot);
    let own = ConversationId::own(&bot);
    let act = bus::CardAct { card: Some(card), bot: bot.to_string(), action_id, value };
    Operation::new(own, Action::Act(act))
}

/// What the frame `act` asks for.
pub(crate) fn of_frame(identity: &Identity, frame: client::Act) -> Asked {
    let client::Act { r#ref: reference, client_id, conversation_id, seq, bot, action_id, value } =
        frame;
    let card = bus::Source { conversation_id: conversation_id.to_bytes(), seq };
    let operation = operation(identity, card, &bot, action_id, value);
    Asked { reference, client_id, operation: Ok(operation) }
}

/// What is pressed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAct {
    /// The sender of the card, a bot.
    #[schema(value_type = String)]
    bot: UserName,
    /// The `id` of the action.
    action_id: String,
    /// For an action without a `value`: what the bot is told with it; at most 2,000 characters.
    value: Option<String>,
    /// Repeat it when asking again; the header `Idempotency-Key` says the same.
    client_id: Option<uuid::Uuid>,
}

/// Presses an action of a card. The answer names the card; the bot finds the press in its self log, as an entry `act`.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages/{seq}/act", operation_id = "act",
    params(("id" = uuid::Uuid, Path), ("seq" = u64, Path),
        ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The `client_id`.")),
    request_body = NewAct, responses((status = 200, body = Stored), (status = 404, body = ErrorBody)))]
pub(super) async fn act(
    State(operations): State<Operations>,
    identity: Identity,
    Path((id, Seq(seq))): Path<(String, Seq)>,
    key: Key,
    Body(new): Body<NewAct>,
) -> Result<Json<Stored>, ApiError> {
    let card = bus::Source { conversation_id: conversation_id(&id)?.to_bytes(), seq };
    let NewAct { bot, action_id, value, client_id } = new;
    let client_id = key.or(client_id)?;
    let operation = operation(&identity, card, &bot, action_id, value);
    Ok(Json(over_rest::run(&operations, &identity, client_id, operation).await?))
}
