//! Devices of the token's user that are told of messages while they are not connected, and for operators the pushes that
//! were given up. Not under `/sessions`: a session is a connection or a token that was used, this outlives both.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use platform::grpc::ask;
use proto::chat::{
    DropPushDeviceRequest, ListDeadPushesRequest, ListPushDevicesRequest, PushDevice as DeviceProto,
};
use proto::id::DeviceId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rates::Account;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::json_body::Body;
use crate::rest::shapes::name_of;

/// Given-up pushes of one page.
const PAGE: u32 = 100;

/// How a device is told. All of it each time: what is left out is not kept from before.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPushDevice {
    /// `web_push`, `fcm`, `apns` or `webhook`; one that is on here.
    provider: String,
    /// What the provider knows the device by; of web_push give `subscription`. Registering a token takes it from
    /// whichever device had it.
    token: Option<String>,
    /// Of web_push: the `PushSubscription` of the browser, as its `toJSON()` gives it.
    subscription: Option<Map<String, Value>>,
    /// Which application it is: of apns the topic.
    #[serde(default)]
    app: String,
    /// The language of the device, such as `de-CH`.
    #[serde(default)]
    locale: String,
    /// How much of a message is told at most: `none`, `sender` or `full`; what the server tells when absent.
    content: Option<String>,
}

/// A device that is told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PushDevice {
    /// As its connections name it.
    device_id: String,
    /// `web_push`, `fcm`, `apns` or `webhook`.
    provider: String,
    /// Which application it is; may be empty.
    app: String,
    /// The language of the device; may be empty.
    locale: String,
    /// How much of a message it wants to be told at most; absent when it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// When it was registered last, in Unix milliseconds.
    seen_at: u64,
}

/// One's own devices, and what there is to register with.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PushDevices {
    devices: Vec<PushDevice>,
    /// The providers that are on; empty where nothing is pushed.
    providers: Vec<String>,
    /// `applicationServerKey` of browsers; absent where web_push is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    web_push_key: Option<String>,
    /// How much of a message the server tells at most: `none`, `sender` or `full`.
    content: String,
}

/// One's own devices that are told of messages while they are not connected, and the providers that are on.
#[utoipa::path(get, path = "/api/v1/me/push_devices", operation_id = "list_push_devices",
    responses((status = 200, body = PushDevices), (status = 401, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<HttpState>,
    identity: Identity,
) -> Result<Json<PushDevices>, ApiError> {
    let request = ListPushDevicesRequest { user_id: identity.user_id.to_string() };
    let reply = ask(&state.services.push_devices, request, |mut devices, request| async move {
        devices.list_push_devices(request).await
    })
    .await?;
    Ok(Json(PushDevices {
        devices: reply.devices.into_iter().map(shown).collect(),
        providers: reply.providers,
        web_push_key: Some(reply.web_push_key).filter(|key| !key.is_empty()),
        content: reply.content,
    }))
}

/// Registers a device, or changes it. Repeat it at each start of the application: one that is not registered again for
/// long (`push.device_days`, 270) is forgotten.
#[utoipa::path(put, path = "/api/v1/me/push_devices/{device_id}", operation_id = "keep_push_device",
    params(("device_id" = String, Path, description = "As the connections of the device name it")),
    request_body = NewPushDevice,
    responses((status = 200, body = PushDevice), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn keep(
    State(state): State<HttpState>,
    identity: Identity,
    Path(device_id): Path<String>,
    Body(new): Body<NewPushDevice>,
) -> Result<Json<PushDevice>, ApiError> {
    may_change(&state, &identity)?;
    let token = match (new.token, new.subscription) {
        (Some(token), None) => token,
        (None, Some(subscription)) => Value::Object(subscription).to_string(),
        _ => return Err(ApiError::invalid("give either `token` or `subscription`")),
    };
    let device = DeviceProto {
        user_id: identity.user_id.to_string(),
        device_id: device(&device_id)?.as_str().to_owned(),
        provider: new.provider,
        token,
        app: new.app,
        locale: new.locale,
        content: new.content.unwrap_or_default(),
        seen_at_ms: 0,
    };
    let mut devices = state.services.push_devices.clone();
    Ok(Json(shown(devices.keep_push_device(device).await?.into_inner())))
}

/// A device is not told any more, from now on.
#[utoipa::path(delete, path = "/api/v1/me/push_devices/{device_id}", operation_id = "drop_push_device",
    params(("device_id" = String, Path, description = "As in the list")),
    responses((status = 204), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn drop(
    State(state): State<HttpState>,
    identity: Identity,
    Path(device_id): Path<String>,
) -> Result<StatusCode, ApiError> {
    may_change(&state, &identity)?;
    let device_id = device(&device_id)?.as_str().to_owned();
    let request = DropPushDeviceRequest { user_id: identity.user_id.to_string(), device_id };
    let mut devices = state.services.push_devices.clone();
    if !devices.drop_push_device(request).await?.into_inner().found {
        return Err(ApiError::not_found("you have no such device that is told"));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Place {
    /// `next` of the page before.
    #[serde(default)]
    after: String,
}

/// A push that was given up.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadPush {
    id: String,
    user_id: String,
    device_id: String,
    /// `web_push`, `fcm`, `apns` or `webhook`.
    provider: String,
    conversation_id: String,
    /// The newest message that it told of.
    seq: u64,
    /// How often it was tried.
    attempts: u32,
    /// What the provider answered last.
    reason: String,
    /// When it was given up, in Unix milliseconds.
    at: u64,
}

/// A page of given-up pushes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadPushPage {
    /// The newest first.
    pushes: Vec<DeadPush>,
    /// `after` of the next page; empty when this was the last.
    next: String,
}

/// The last offline pushes that were given up, the newest first; for tokens with the role admin.
#[utoipa::path(get, path = "/api/v1/admin/push/dead", operation_id = "list_dead_pushes", params(Place),
    responses((status = 200, body = DeadPushPage), (status = 403, body = ErrorBody)))]
pub(super) async fn dead(
    State(state): State<HttpState>,
    identity: Identity,
    Query(place): Query<Place>,
) -> Result<Json<DeadPushPage>, ApiError> {
    identity.require_admin()?;
    let tenant = identity.tenant().to_field();
    let request = ListDeadPushesRequest { tenant, limit: PAGE, after: place.after };
    let mut devices = state.services.push_devices.clone();
    let reply = devices.list_dead_pushes(request).await?.into_inner();
    let pushes = reply.pushes.into_iter().map(|dead| {
        let conversation_id = uuid::Uuid::from_slice(&dead.conversation_id).unwrap_or_default();
        DeadPush {
            id: dead.id,
            user_id: name_of(&dead.user_id),
            device_id: dead.device_id,
            provider: dead.provider,
            conversation_id: conversation_id.to_string(),
            seq: dead.seq,
            attempts: dead.attempts,
            reason: dead.reason,
            at: dead.at_ms,
        }
    });
    Ok(Json(DeadPushPage { pushes: pushes.collect(), next: reply.next }))
}

fn may_change(state: &HttpState, identity: &Identity) -> Result<(), ApiError> {
    state
        .access
        .may_ask(identity, &[(Account::Messages, 1)])
        .map_err(|refused| ApiError::too_much(&refused))
}

fn device(text: &str) -> Result<DeviceId, ApiError> {
    DeviceId::parse(text).map_err(|error| ApiError::invalid(format!("device id: {error}")))
}

fn shown(device: DeviceProto) -> PushDevice {
    PushDevice {
        device_id: device.device_id,
        provider: device.provider,
        app: device.app,
        locale: device.locale,
        content: Some(device.content).filter(|content| !content.is_empty()),
        seen_at: device.seen_at_ms,
    }
}
