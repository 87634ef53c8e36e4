//! Sessions: who is connected with what, and ending that. A session that was ended is closed on every
//! gateway at once, and its token does not come in again.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use proto::id::{DeviceId, UserId};
use proto::presence::revocation::What;
use proto::presence::{Revocation, RevokeRequest, RevokedConnection, RevokedUser, SessionsRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ErrorBody, Path, Query};
use crate::rates::Account;
use crate::shared::{Identity, Shared, unix_ms};

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
    #[param(value_type = String)]
    user_id: UserId,
}

/// Which of anybody's.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// All of a user.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Only of this device of the user.
    #[param(value_type = Option<String>)]
    device_id: Option<DeviceId>,
    /// The sessions of the token with this `jti`.
    jti: Option<String>,
}

/// One's own sessions.
#[utoipa::path(get, path = "/api/v1/sessions",
    responses((status = 200, body = Sessions), (status = 503, body = ErrorBody)))]
pub(super) async fn own(
    State(shared): State<Shared>,
    identity: Identity,
) -> Result<Json<Sessions>, ApiError> {
    list(&shared, &identity.user_id).await
}

/// Ends one of one's own sessions; its token does not come in again.
#[utoipa::path(delete, path = "/api/v1/sessions/{connection_id}", params(("connection_id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn end_one(
    State(shared): State<Shared>,
    identity: Identity,
    Path(connection_id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let sessions = list(&shared, &identity.user_id).await?.0.sessions;
    let session = sessions.into_iter().find(|session| session.connection_id == connection_id);
    let session = session.ok_or_else(|| ApiError::not_found("you have no such session"))?;
    let number = connection_id.rsplit_once('.').map(|(_, number)| number).unwrap_or_default();
    let what = What::Connection(RevokedConnection {
        user_id: identity.user_id.to_string(),
        gateway_id: session.gateway_id,
        connection: u64::from_str_radix(number, 16).unwrap_or_default(),
    });
    revoke(&shared, &identity, what, CONNECTION).await
}

/// Ends all of one's own sessions, or those of one device; tokens issued up to now do not come in again,
/// the one of this request among them.
#[utoipa::path(delete, path = "/api/v1/sessions", params(OwnWhich),
    responses((status = 204), (status = 503, body = ErrorBody)))]
pub(super) async fn end_own(
    State(shared): State<Shared>,
    identity: Identity,
    Query(which): Query<OwnWhich>,
) -> Result<StatusCode, ApiError> {
    let what = of_user(&identity.user_id, which.device_id.as_ref());
    let kept = kept(&shared);
    revoke(&shared, &identity, what, kept).await
}

/// A user's sessions; for tokens with the role admin.
#[utoipa::path(get, path = "/api/v1/admin/sessions", params(Whose),
    responses((status = 200, body = Sessions), (status = 403, body = ErrorBody)))]
pub(super) async fn of(
    State(shared): State<Shared>,
    identity: Identity,
    Query(whose): Query<Whose>,
) -> Result<Json<Sessions>, ApiError> {
    identity.is_admin()?;
    list(&shared, &whose.user_id).await
}

/// Ends sessions of a user, of a device of a user, or of a token; for tokens with the role admin.
#[utoipa::path(delete, path = "/api/v1/admin/sessions", params(Which),
    responses((status = 204), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub(super) async fn end(
    State(shared): State<Shared>,
    identity: Identity,
    Query(which): Query<Which>,
) -> Result<StatusCode, ApiError> {
    identity.is_admin()?;
    let what = match (which.user_id, which.device_id, which.jti) {
        (Some(user_id), device_id, None) => of_user(&user_id, device_id.as_ref()),
        (None, None, Some(jti)) if !jti.is_empty() && jti.len() <= JTI_BYTES => What::TokenId(jti),
        _ => {
            return Err(ApiError::invalid("give `user_id`, with or without `device_id`, or `jti`"));
        }
    };
    let kept = kept(&shared);
    revoke(&shared, &identity, what, kept).await
}

/// How long a gateway may take to hear that one of its connections is ended; then it has its token.
const CONNECTION: Duration = Duration::from_hours(1);
/// Longest id of a token.
const JTI_BYTES: usize = 256;

/// How long tokens may live that are not known by their own end.
fn kept(shared: &Shared) -> Duration {
    Duration::from_secs(shared.admission.config().revoked_secs)
}

fn of_user(user_id: &UserId, device_id: Option<&DeviceId>) -> What {
    What::User(RevokedUser {
        user_id: user_id.to_string(),
        device_id: device_id.map(ToString::to_string).unwrap_or_default(),
        issued_until_secs: unix_ms() / 1_000,
    })
}

async fn list(shared: &Shared, user_id: &UserId) -> Result<Json<Sessions>, ApiError> {
    let request = SessionsRequest { user_id: user_id.to_string() };
    let sessions = shared.presence.clone().sessions(request).await?.into_inner().sessions;
    Ok(Json(Sessions { sessions: sessions.into_iter().map(shown).collect() }))
}

fn shown(session: proto::presence::Session) -> Session {
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

async fn revoke(
    shared: &Shared,
    identity: &Identity,
    what: What,
    kept: Duration,
) -> Result<StatusCode, ApiError> {
    shared
        .may_ask(identity, &[(Account::Messages, 1)])
        .map_err(|refused| ApiError::too_much(&refused))?;
    let until_ms = unix_ms().saturating_add(kept.as_millis() as u64);
    let revocations = vec![Revocation { until_ms, what: Some(what) }];
    shared.presence.clone().revoke(RevokeRequest { revocations }).await?;
    Ok(StatusCode::NO_CONTENT)
}
