//! Sessions: who is connected with what, and ending that. A session that was ended is closed on every
//! gateway at once, and its token does not come in again.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use proto::chat::end_request::What;
use proto::chat::{EndRequest, revocation};
use proto::error_code::ErrorCode;
use proto::id::{DeviceId, UserId, UserName};
use proto::presence::SessionsRequest;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::clock::unix_ms;
use crate::http::HttpState;
use crate::identity::Identity;
use crate::identity::credential::any_issuer;
use crate::rates::Account;
use crate::rest::Act;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::words;

/// A connected device.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    /// As `welcome` names it.
    connection_id: String,
    /// Where it is.
    gateway_id: String,
    /// With what.
    device_id: String,
    /// `web`, `ios`, `android`, `desktop`, `bot`, or empty.
    device_type: String,
    /// Since when, in Unix milliseconds.
    connected_at: u64,
    /// Where from, as the gateway saw it behind the proxies that it trusts.
    ip: String,
    /// What the client calls itself, at most 256 bytes of it; empty when it says nothing.
    user_agent: String,
}

/// The connected devices of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sessions {
    /// In no order.
    sessions: Vec<Session>,
}

/// Which of one's own.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OwnWhich {
    /// Those of this device; all when absent.
    #[param(value_type = Option<String>)]
    device_id: Option<DeviceId>,
}

/// Whose sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// The user.
    #[param(value_type = words::UserName)]
    user_id: UserName,
}

/// Which of a user's.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Whose: all, unless one of the other two is given.
    #[param(value_type = words::UserName)]
    user_id: UserName,
    /// Only of this device of the user.
    #[param(value_type = Option<String>)]
    device_id: Option<DeviceId>,
    /// The sessions of the user's token with this `jti`, from any issuer.
    jti: Option<String>,
}

/// One's own sessions.
#[utoipa::path(get, path = "/api/v1/sessions",
    responses((status = 200, body = Sessions), (status = 503, body = ErrorBody)))]
pub(super) async fn own(
    State(state): State<HttpState>,
    identity: Identity,
) -> Result<Json<Sessions>, ApiError> {
    list(&state, &identity.user_id).await
}

/// Ends one of one's own sessions. The tokens that its device used do not come in again, over WebSocket, event
/// stream or REST, whatever device they name.
#[utoipa::path(delete, path = "/api/v1/sessions/{connection_id}", params(("connection_id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn end_one(
    State(state): State<HttpState>,
    identity: Identity,
    Path(connection_id): Path<String>,
) -> Result<StatusCode, ApiError> {
    may_end(&state, &identity)?;
    let sessions = list(&state, &identity.user_id).await?.0.sessions;
    let session = sessions.into_iter().find(|session| session.connection_id == connection_id);
    let session = session.ok_or_else(|| ApiError::not_found("you have no such session"))?;
    end_sessions(&state, &identity, &identity.user_id, What::SessionOf(session.device_id), false)
        .await
}

/// Ends all of one's own sessions, or those of one device, connected or not. Tokens issued up to this second
/// do not come in again, the one of this request among them; nor do those that the device used. The answer
/// comes when the second is over: a token that is made after it comes in.
#[utoipa::path(delete, path = "/api/v1/sessions", params(OwnWhich),
    responses((status = 204), (status = 404, description = "no such device", body = ErrorBody),
        (status = 503, body = ErrorBody)))]
pub(super) async fn end_own(
    State(state): State<HttpState>,
    identity: Identity,
    Query(which): Query<OwnWhich>,
) -> Result<StatusCode, ApiError> {
    may_end(&state, &identity)?;
    end_user(&state, &identity, &identity.user_id, which.device_id).await
}

/// A user's sessions; for tokens with the role admin.
#[utoipa::path(get, path = "/api/v1/admin/sessions", params(Whose),
    responses((status = 200, body = Sessions), (status = 403, body = ErrorBody)))]
pub(super) async fn of(
    State(state): State<HttpState>,
    identity: Identity,
    Query(whose): Query<Whose>,
) -> Result<Json<Sessions>, ApiError> {
    identity.require_admin()?;
    list(&state, &identity.user(&whose.user_id)).await
}

/// Ends all sessions of a user, those of a device, or those of a token; for tokens with the role admin.
#[utoipa::path(delete, path = "/api/v1/admin/sessions", params(Which),
    responses((status = 204), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, description = "no such device", body = ErrorBody)))]
pub(super) async fn end(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Query(which): Query<Which>,
) -> Result<StatusCode, ApiError> {
    identity.require_admin()?;
    may_end(&state, &identity)?;
    let user_id = identity.user(&which.user_id);
    let device_id = which.device_id.as_ref().map(ToString::to_string);
    let details = json!({ "device_id": device_id, "jti": which.jti });
    let target = ("session.end", which.user_id.as_str());
    act.record(&state.services.audit, &identity, target, details).await?;
    match (which.device_id, which.jti) {
        (device_id, None) => end_user(&state, &identity, &user_id, device_id).await,
        (None, Some(jti)) if !jti.is_empty() && jti.len() <= JTI_BYTES => {
            let token_id = any_issuer(&user_id, &jti).to_vec().into();
            end_sessions(&state, &identity, &user_id, What::TokenId(token_id), false).await
        }
        _ => Err(ApiError::invalid("give `user_id` with `device_id` or `jti`, or alone for all")),
    }
}

/// Longest id of a token.
const JTI_BYTES: usize = 256;

/// Ending is asked for seldom: it has the rate of frames.
fn may_end(state: &HttpState, identity: &Identity) -> Result<(), ApiError> {
    state
        .access
        .may_ask(identity, &[(Account::Messages, 1)])
        .map_err(|refused| ApiError::too_much(&refused))
}

/// Of a user: all, or a device that is known by its tokens or by being connected.
async fn end_user(
    state: &HttpState,
    by: &Identity,
    user_id: &UserId,
    device_id: Option<DeviceId>,
) -> Result<StatusCode, ApiError> {
    let Some(device_id) = device_id else {
        return end_sessions(state, by, user_id, What::All(true), false).await;
    };
    let what = What::DeviceId(device_id.to_string());
    match end_sessions(state, by, user_id, what.clone(), false).await {
        Err(error) if error.is(ErrorCode::NotFound) => {
            let sessions = list(state, user_id).await?.0.sessions;
            if !sessions.iter().any(|session| session.device_id == device_id.as_str()) {
                return Err(error);
            }
            end_sessions(state, by, user_id, what, true).await
        }
        ended => ended,
    }
}

/// Stored when it is answered. This gateway closes its sockets before that, the others are told.
async fn end_sessions(
    state: &HttpState,
    by: &Identity,
    user_id: &UserId,
    what: What,
    is_connected: bool,
) -> Result<StatusCode, ApiError> {
    let now_ms = unix_ms();
    let kept = Duration::from_secs(state.admission.config().revoked_secs);
    let request = EndRequest {
        user_id: user_id.to_string(),
        what: Some(what),
        issued_until_secs: now_ms / 1_000,
        until_ms: now_ms.saturating_add(kept.as_millis() as u64),
        is_connected,
        by: by.user_id.name_str().to_owned(),
    };
    let list = state.services.revocations.clone().end(request).await?.into_inner();
    state.access.revocations.take(&list.revocations);
    let is_token =
        |what: &Option<revocation::What>| matches!(what, Some(revocation::What::TokenId(_)));
    if list.revocations.iter().any(|revocation| !is_token(&revocation.what)) {
        // Tokens of this second are refused. A user who signs in after the answer gets a token of the next second.
        let over_ms = (now_ms / 1_000 + 1) * 1_000;
        tokio::time::sleep(Duration::from_millis(over_ms.saturating_sub(unix_ms()))).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn list(state: &HttpState, user_id: &UserId) -> Result<Json<Sessions>, ApiError> {
    let request = SessionsRequest { user_id: user_id.to_string() };
    let sessions = state.services.presence.clone().sessions(request).await?.into_inner().sessions;
    Ok(Json(Sessions { sessions: sessions.into_iter().map(shown).collect() }))
}

pub(super) fn shown(session: proto::presence::Session) -> Session {
    let device_type = session.device_type().as_str_name();
    let device_type = device_type.trim_start_matches("DEVICE_TYPE_").to_lowercase();
    Session {
        connection_id: format!("{}.{:x}", session.gateway_id, session.connection),
        gateway_id: session.gateway_id,
        device_id: session.device_id,
        device_type: if device_type == "unspecified" { String::new() } else { device_type },
        connected_at: session.connected_at_ms,
        ip: session.ip,
        user_agent: session.user_agent,
    }
}
