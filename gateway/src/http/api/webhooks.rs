//! Webhooks of a tenant, for its operators.

mod shapes;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use proto::chat::{
    ChangeWebhookRequest, CreateWebhookRequest, ListWebhooksRequest, ReplayWebhookRequest,
    SkipBlockedRequest, WebhookRequest,
};
use serde_json::json;

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rest::error::{ApiError, ErrorBody, Path};
use crate::rest::json_body::Body;
use crate::rest::{Act, conversation_id};
use shapes::{
    ChangedWebhook, DeadEventList, NewWebhook, Replay, Replayed, Skip, TestResult, Webhook,
    WebhookList, WebhookSecret, shown, with_secret,
};

/// Makes a webhook; for tokens with the role admin. Its secret is in this answer alone.
#[utoipa::path(post, path = "/api/v1/admin/webhooks", operation_id = "create_webhook", request_body = NewWebhook,
    responses((status = 201, body = WebhookSecret), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub(super) async fn create(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Body(new): Body<NewWebhook>,
) -> Result<(StatusCode, Json<WebhookSecret>), ApiError> {
    identity.require_admin()?;
    act.record(&state.services.audit, &identity, ("webhook.create", new.host()), &new).await?;
    let config = serde_json::to_string(&new).unwrap_or_default();
    let request = CreateWebhookRequest { user_id: identity.user_id.to_string(), config };
    let made = state.services.webhooks.clone().create_webhook(request).await?.into_inner();
    Ok((StatusCode::CREATED, Json(with_secret(made)?)))
}

/// The webhooks of the tenant; for tokens with the role admin.
#[utoipa::path(get, path = "/api/v1/admin/webhooks", operation_id = "list_webhooks",
    responses((status = 200, body = WebhookList), (status = 403, body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<HttpState>,
    identity: Identity,
) -> Result<Json<WebhookList>, ApiError> {
    identity.require_admin()?;
    let request = ListWebhooksRequest { tenant: identity.tenant().to_field() };
    let list = state.services.webhooks.clone().list_webhooks(request).await?.into_inner();
    let webhooks = list.webhooks.into_iter().map(shown).collect::<Result<_, _>>()?;
    Ok(Json(WebhookList { webhooks }))
}

/// One webhook: how far it is, what waits and why; for tokens with the role admin.
#[utoipa::path(get, path = "/api/v1/admin/webhooks/{id}", operation_id = "show_webhook",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Webhook), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn show(
    State(state): State<HttpState>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<Webhook>, ApiError> {
    identity.require_admin()?;
    let request = named(&identity, &id)?;
    let webhook = state.services.webhooks.clone().get_webhook(request).await?.into_inner();
    Ok(Json(shown(webhook)?))
}

/// Changes what is given, enables or disables; for tokens with the role admin.
#[utoipa::path(patch, path = "/api/v1/admin/webhooks/{id}", operation_id = "change_webhook",
    params(("id" = uuid::Uuid, Path)), request_body = ChangedWebhook,
    responses((status = 200, body = Webhook), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
pub(super) async fn change(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Path(id): Path<String>,
    Body(change): Body<ChangedWebhook>,
) -> Result<Json<Webhook>, ApiError> {
    identity.require_admin()?;
    let named = named(&identity, &id)?;
    act.record(&state.services.audit, &identity, ("webhook.change", &id), &change).await?;
    let (change, is_enabled, from_now) = change.parts()?;
    let WebhookRequest { tenant, id } = named;
    let request = ChangeWebhookRequest { tenant, id, change, is_enabled, from_now };
    let webhook = state.services.webhooks.clone().change_webhook(request).await?.into_inner();
    Ok(Json(shown(webhook)?))
}

/// Removes a webhook with all that it had still to get; for tokens with the role admin.
#[utoipa::path(delete, path = "/api/v1/admin/webhooks/{id}", operation_id = "remove_webhook",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn remove(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    identity.require_admin()?;
    let request = named(&identity, &id)?;
    act.record(&state.services.audit, &identity, ("webhook.remove", &id), ()).await?;
    state.services.webhooks.clone().remove_webhook(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a webhook a new secret; the one before signs beside it for a day. For tokens with the role admin.
#[utoipa::path(post, path = "/api/v1/admin/webhooks/{id}/rotate", operation_id = "rotate_webhook",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = WebhookSecret), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn rotate(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Path(id): Path<String>,
) -> Result<Json<WebhookSecret>, ApiError> {
    identity.require_admin()?;
    let request = named(&identity, &id)?;
    act.record(&state.services.audit, &identity, ("webhook.rotate", &id), ()).await?;
    let rotated = state.services.webhooks.clone().rotate_webhook(request).await?.into_inner();
    Ok(Json(with_secret(rotated)?))
}

/// Sends an event of the type `webhook.test` and waits for the receiver; for tokens with the role admin.
#[utoipa::path(post, path = "/api/v1/admin/webhooks/{id}/test", operation_id = "test_webhook",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = TestResult), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn test(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Path(id): Path<String>,
) -> Result<Json<TestResult>, ApiError> {
    identity.require_admin()?;
    let request = named(&identity, &id)?;
    act.record(&state.services.audit, &identity, ("webhook.test", &id), ()).await?;
    let tested = state.services.webhooks.clone().test_webhook(request).await?.into_inner();
    Ok(Json(tested.into()))
}

/// Events that were given up after the last attempt, the newest 100; for tokens with the role admin.
#[utoipa::path(get, path = "/api/v1/admin/webhooks/{id}/dead", operation_id = "list_dead_events",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = DeadEventList), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn dead(
    State(state): State<HttpState>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<DeadEventList>, ApiError> {
    identity.require_admin()?;
    let request = named(&identity, &id)?;
    let list = state.services.webhooks.clone().list_dead_events(request).await?.into_inner();
    Ok(Json(list.into()))
}

/// Delivers once more: what was given up, or what happened in a conversation or a time; for tokens with the role admin. What was
/// delivered already comes again with the same ids.
#[utoipa::path(post, path = "/api/v1/admin/webhooks/{id}/replay", operation_id = "replay_webhook",
    params(("id" = uuid::Uuid, Path)), request_body = Replay,
    responses((status = 202, body = Replayed), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
pub(super) async fn replay(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Path(id): Path<String>,
    Body(replay): Body<Replay>,
) -> Result<(StatusCode, Json<Replayed>), ApiError> {
    identity.require_admin()?;
    let WebhookRequest { tenant, id: webhook } = named(&identity, &id)?;
    act.record(&state.services.audit, &identity, ("webhook.replay", &id), &replay).await?;
    replay.check()?;
    let request = ReplayWebhookRequest {
        tenant,
        id: webhook,
        conversation_id: replay
            .conversation_id
            .map(|id| id.as_bytes().to_vec().into())
            .unwrap_or_default(),
        from_seq: replay.from_seq.unwrap_or_default(),
        to_seq: replay.to_seq.unwrap_or_default(),
        from_time_ms: replay.from_time.unwrap_or_default(),
        to_time_ms: replay.to_time.unwrap_or_default(),
    };
    let reply = state.services.webhooks.clone().replay_webhook(request).await?.into_inner();
    Ok((StatusCode::ACCEPTED, Json(reply.into())))
}

/// Gives up the event at which a conversation waits, so that those behind it are delivered; for tokens with the role admin.
#[utoipa::path(post, path = "/api/v1/admin/webhooks/{id}/skip", operation_id = "skip_blocked",
    params(("id" = uuid::Uuid, Path)), request_body = Skip,
    responses((status = 204), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn skip(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Path(id): Path<String>,
    Body(skip): Body<Skip>,
) -> Result<StatusCode, ApiError> {
    identity.require_admin()?;
    let WebhookRequest { tenant, id: webhook } = named(&identity, &id)?;
    let conversation = conversation_id(&skip.conversation_id.to_string())?;
    let details = json!({ "conversation_id": conversation });
    act.record(&state.services.audit, &identity, ("webhook.skip", &id), details).await?;
    let conversation_id = conversation.to_bytes();
    let request = SkipBlockedRequest { tenant, id: webhook, conversation_id };
    state.services.webhooks.clone().skip_blocked(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A webhook of the caller's tenant; of no other one.
fn named(identity: &Identity, id: &str) -> Result<WebhookRequest, ApiError> {
    let id = uuid::Uuid::try_parse(id);
    let id = id.map_err(|_| ApiError::invalid("the id of a webhook is a UUID"))?;
    let id = id.as_bytes().to_vec().into();
    Ok(WebhookRequest { tenant: identity.tenant().to_field(), id })
}
